/** What a runtime's storage account holds; the account is the runtime's own, so these need no prefix. */
export const resourceNames = {
  /** Documents. */
  table: "kitaru",
  /** Rows by which documents are found. */
  indexTable: "kitaruindex",
  /** Values, bundles and manifests. */
  container: "kitaru",
  /** What processes outside the app ask of it. */
  queue: "kitaru-signals",
  /** Signals that failed five times; the host of the functions puts them there. */
  poisonQueue: "kitaru-signals-poison",
  /** The app's package. */
  packages: "kitaru-app",
} as const;

/**
 * Names of the functions of the app. They end in the version of the loop: what an instance has in its history must be what
 * its function still does, so a loop that calls other things in another order has other names.
 */
export const functionNames = {
  loop: "kitaru-flow-1",
  page: "kitaru-tasks-1",
  advance: "kitaru-advance-1",
  task: "kitaru-task-1",
  crashed: "kitaru-crashed-1",
  list: "kitaru-list-1",
  sweep: "kitaru-sweep",
  messages: "kitaru-messages",
  api: "kitaru-api",
} as const;
