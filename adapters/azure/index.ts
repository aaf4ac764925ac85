import { KitaruUsageError } from "../../core/errors.ts";
import type { EmitFlow, EstimateCost } from "../../core/plan/offer.ts";
import type { Backend, Capabilities } from "../../core/ports/backend.ts";
import { azureBackend } from "./backend.ts";
import { type InstanceMemory, capabilitiesOf, defaultMemoryMb } from "./capabilities.ts";
import type { AzureClientOptions } from "./clients/config.ts";
import type { PublishParams } from "./publish.ts";

export type { AzureClientOptions, AzureCredential, Endpoints } from "./clients/config.ts";

/** Options of {@link azure}. */
export interface AzureOptions extends AzureClientOptions {
  /**
   * Name of the runtime: that of its storage account, its Key Vault and its function app. It is unique in all of Azure, so
   * begin it with the company's name.
   */
  readonly name: string;
  /** Memory of an instance of the app in MB, as the template was given it. @default 2048 */
  readonly memoryMb?: InstanceMemory;
}

/** A stack in the team's own Azure subscription: Durable Functions, Table and Blob Storage, and Key Vault. */
export interface AzureStack {
  readonly kind: "azure";
  readonly describe: Readonly<Record<string, string>>;
  open(context: { readonly name: string; readonly root: string }): Promise<Backend>;
  readonly capabilities: Capabilities;
  readonly plan: EmitFlow;
  readonly estimate: EstimateCost;
}

/** Flows run in Azure, deployed with `kitaru deploy`; this process starts them, answers them and looks at them. */
export function azure(options: AzureOptions): AzureStack {
  const { name, memoryMb = defaultMemoryMb, credential, endpoints, connectionString } = options;
  if (!/^[a-z][a-z0-9]{2,23}$/.test(name))
    throw new KitaruUsageError(
      `azure(): the name ${JSON.stringify(name)} is not allowed. It is that of a storage account: 3 to 24 lower-case letters and digits, a letter first, and unique in all of Azure.`,
    );
  const client: AzureClientOptions = {
    ...(credential === undefined ? {} : { credential }),
    ...(endpoints === undefined ? {} : { endpoints }),
    ...(connectionString === undefined ? {} : { connectionString }),
  };
  const capabilities = capabilitiesOf(memoryMb);
  return {
    kind: "azure",
    describe: { name, memory: `${memoryMb} MB` },
    open: async () =>
      azureBackend({ name, client, capabilities, ...(hasApp(client) ? { publish } : {}) }),
    capabilities,
    plan: async (plan, flow) => (await import("./preview.ts")).previewFlow(plan, flow),
    estimate: async (work, executions) =>
      (await import("./estimate.ts")).estimateCost({ memoryMb, work, executions }),
  };
}

/** An emulated account has no function app beside it that could be brought up to date, unless it is said where. */
function hasApp({ connectionString, endpoints }: AzureClientOptions): boolean {
  return connectionString === undefined || endpoints?.publish !== undefined;
}

async function publish(params: Omit<PublishParams, "build">): Promise<unknown> {
  const [{ publishApp }, { buildApp }] = await Promise.all([
    import("./publish.ts"),
    import("./app-package.ts"),
  ]);
  return publishApp({ ...params, build: buildApp });
}
