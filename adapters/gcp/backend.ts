import type { Backend, Capabilities } from "../../core/ports/backend.ts";
import { onDemand } from "../../core/ports/on-demand.ts";
import { GcsBlobs } from "./blobs.ts";
import { gcpCapabilities } from "./capabilities.ts";
import type { GcpClientOptions } from "./clients/config.ts";
import { WorkflowsOrchestrator } from "./orchestrator.ts";
import { FirestoreRecords } from "./records.ts";
import type { RuntimeDocument } from "./runtime-document.ts";
import { GcpSecrets } from "./secrets.ts";

/** What a backend is made of. */
export interface GcpParts {
  /** Name of the stack, which its resources begin with. */
  readonly name: string;
  readonly project: string;
  readonly region: string;
  readonly database: string;
  readonly bucket: string;
  readonly client: GcpClientOptions;
  readonly document?: () => Promise<RuntimeDocument>;
  /** What is known of the runtime; else what any of its kind can do. */
  readonly capabilities?: Capabilities;
}

/** Put the adapters together; clients are opened when they are first needed. */
export function gcpBackend(parts: GcpParts): Backend {
  const { name, project, region, database, bucket, client, document } = parts;
  const { capabilities = gcpCapabilities } = parts;
  return {
    records: new FirestoreRecords({
      database,
      client: onDemand(async () =>
        (await import("./clients/firestore.ts")).openFirestore({ project, database, ...client }),
      ),
    }),
    blobs: new GcsBlobs({
      bucket,
      client: onDemand(async () => (await import("./clients/storage.ts")).openStorage(client)),
    }),
    secrets: new GcpSecrets({
      prefix: `kitaru-${name}-`,
      client: onDemand(async () =>
        (await import("./clients/secrets.ts")).openVault({ project, ...client }),
      ),
    }),
    orchestrator: new WorkflowsOrchestrator({
      stack: name,
      project,
      region,
      workflows: onDemand(async () =>
        (await import("./clients/workflows.ts")).openWorkflows(client),
      ),
      ...(document === undefined ? {} : { document }),
    }),
    capabilities,
  };
}
