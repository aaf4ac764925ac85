import { join, resolve } from "node:path";
import type { Backend } from "../../core/ports/backend.ts";
import { openBlobs } from "./blobs.ts";
import { localCapabilities } from "./capabilities.ts";
import type { LocalOptions } from "./index.ts";
import { LocalOrchestrator } from "./orchestrator.ts";
import { openRecords } from "./records.ts";
import { openSecrets } from "./secrets.ts";

/** Open everything the local stack consists of; its paths are relative to `root`. */
export async function openLocal(options: LocalOptions, root: string): Promise<Backend> {
  const { durability = "normal", retentionDays } = options;
  const folder = resolve(root, options.folder ?? ".kitaru"); // absolute: other processes are told of it
  const records = await openRecords({ file: join(folder, "kitaru.db"), durability });
  const blobs = openBlobs({ folder, durability });
  const secrets = openSecrets({ file: resolve(root, options.envFile ?? ".env") });
  return {
    records,
    blobs,
    secrets,
    orchestrator: new LocalOrchestrator({ folder, worker: { root: resolve(root), options } }),
    capabilities: {
      ...localCapabilities,
      ...(retentionDays === undefined ? {} : { retentionMs: retentionDays * 86_400_000 }),
    },
    close: () => records.close(),
  };
}
