import { KitaruUsageError } from "../../core/errors.ts";
import type { Backend } from "../../core/ports/backend.ts";

export { localCapabilities } from "./capabilities.ts";

/** Options of {@link local}. */
export interface LocalOptions {
  /** Folder that holds the database and the blobs, relative to the config file. @default ".kitaru" */
  readonly folder?: string;
  /**
   * `normal`: an outcome survives a crash of the process; after a power cut the last few may run again.
   * `full`: every outcome survives a power cut too, at the price of one disk flush per write.
   * @default "normal"
   */
  readonly durability?: "normal" | "full";
  /** Environment file with secrets, relative to the config file. @default ".env" */
  readonly envFile?: string;
  /** Days after its end for which an execution is kept; `kitaru dev` then deletes what it has recorded. @default for ever */
  readonly retentionDays?: number;
}

/** The embedded stack: everything in one folder, driven inside the processes that use it. */
export interface LocalStack {
  readonly kind: "local";
  readonly describe: Readonly<Record<string, string>>;
  open(context: { readonly name: string; readonly root: string }): Promise<Backend>;
}

/** Flows run in this process, durable in a SQLite database and a folder of blobs. */
export function local(options: LocalOptions = {}): LocalStack {
  const { folder = ".kitaru", durability = "normal", retentionDays } = options;
  if (retentionDays !== undefined && !(retentionDays > 0))
    throw new KitaruUsageError(
      `local(): \`retentionDays\` is ${retentionDays}. It must be a number of days above 0; leave it out to keep executions for ever.`,
    );
  return {
    kind: "local",
    describe: {
      folder,
      durability,
      ...(retentionDays === undefined ? {} : { retention: `${retentionDays} days` }),
    },
    // A config may name stacks that this process never opens: they cost it nothing.
    open: async ({ root }) => (await import("./backend.ts")).openLocal(options, root),
  };
}
