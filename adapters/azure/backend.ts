import type { Backend, Capabilities } from "../../core/ports/backend.ts";
import { ContainerBlobs } from "./blobs.ts";
import { azureCapabilities } from "./capabilities.ts";
import { type AzureClientOptions, endpointsOf } from "./clients/config.ts";
import { resourceNames } from "./names.ts";
import { DurableOrchestrator, type Instances } from "./orchestrator.ts";
import type { PublishParams } from "./publish.ts";
import { TableRecords } from "./records.ts";
import { onDemand } from "./sdk.ts";
import { VaultSecrets } from "./secrets.ts";

/** What a backend is made of. */
export interface AzureParts {
  /** Name of the runtime, which its storage account, vault and function app have too. */
  readonly name: string;
  readonly client: AzureClientOptions;
  /** Starts and wakes instances; absent outside the app, which then sends to its queue. */
  readonly instances?: () => Promise<Instances>;
  readonly capabilities?: Capabilities;
  /** Brings the function app up to date before a version is deployed; absent inside the app. */
  readonly publish?: (params: Omit<PublishParams, "build">) => Promise<unknown>;
}

/** Put the adapters together; clients are opened when they are first needed. */
export function azureBackend(parts: AzureParts): Backend {
  const { name, client, publish, capabilities = azureCapabilities } = parts;
  const endpoints = endpointsOf(name, client);
  const table = (which: string) =>
    onDemand(async () => (await import("./clients/tables.ts")).openTable(which, client, endpoints));
  const records = new TableRecords({
    table: table(resourceNames.table),
    indexTable: table(resourceNames.indexTable),
  });
  const { container } = resourceNames;
  const blobs = new ContainerBlobs({
    container,
    client: onDemand(async () =>
      (await import("./clients/blobs.ts")).openContainer(container, client, endpoints),
    ),
  });
  const publisher = onDemand(async () =>
    (await import("./clients/publisher.ts")).openPublisher(client, endpoints),
  );
  return {
    records,
    blobs,
    secrets: new VaultSecrets({
      vault: name,
      client: onDemand(async () =>
        (await import("./clients/vault.ts")).openVault(client, endpoints),
      ),
    }),
    orchestrator: new DurableOrchestrator({
      stack: name,
      instances:
        parts.instances ??
        onDemand(async () => (await import("./clients/queue.ts")).openQueue(client, endpoints)),
      ...(publish === undefined
        ? {}
        : { publish: () => publish({ runtime: name, blobs, publisher }) }),
    }),
    capabilities,
    close: () => records.settled(),
  };
}
