import { join, resolve } from "node:path";
import type { Backend, Capabilities } from "../../core/ports/backend.ts";
import { openBlobs } from "./blobs.ts";
import { LocalOrchestrator } from "./orchestrator.ts";
import { openRecords } from "./records.ts";
import { openSecrets } from "./secrets.ts";

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
}

/** The embedded stack: everything in one folder, driven inside the processes that use it. */
export interface LocalStack {
  readonly kind: "local";
  readonly describe: Readonly<Record<string, string>>;
  open(context: { readonly name: string; readonly root: string }): Promise<Backend>;
}

/** Flows run in this process, durable in a SQLite database and a folder of blobs. */
export function local(options: LocalOptions = {}): LocalStack {
  const { folder = ".kitaru", durability = "normal" } = options;
  return {
    kind: "local",
    describe: { folder, durability },
    open: ({ root }) => openLocal(options, root),
  };
}

/** How the local stack differs from others. */
export const localCapabilities: Capabilities = {
  kind: "local",
  inlineBytes: 16 * 1024,
  segmentBytes: 3500, // with its key a segment then mostly fits one 4 KB page
  recordBytes: 64 * 1024 * 1024,
  dueShards: 1,
  isolated: true,
  heartbeatMs: 24 * 3600_000,
  leaseMs: 30_000,
  graceMs: 5000,
};

async function openLocal(options: LocalOptions, root: string): Promise<Backend> {
  const { durability = "normal" } = options;
  const folder = resolve(root, options.folder ?? ".kitaru"); // absolute: other processes are told of it
  const records = await openRecords({ file: join(folder, "kitaru.db"), durability });
  const blobs = openBlobs({ folder, durability });
  const secrets = openSecrets({ file: resolve(root, options.envFile ?? ".env") });
  return {
    records,
    blobs,
    secrets,
    orchestrator: new LocalOrchestrator({ folder, worker: { root: resolve(root), options } }),
    capabilities: localCapabilities,
    close: () => records.close(),
  };
}
