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
