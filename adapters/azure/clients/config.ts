/** What gives tokens; any credential of `@azure/identity` is one. */
export interface AzureCredential {
  getToken(
    scopes: string | string[],
    options?: { readonly abortSignal?: AbortSignal },
  ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>;
}

/** How to reach the services of a runtime; everything absent follows from its name and the environment. */
export interface AzureClientOptions {
  /**
   * Who this process is. @default `DefaultAzureCredential`: the identity of the function app, of the developer who signed in
   * with `az login`, or what the environment says
   */
  readonly credential?: AzureCredential;
  /** Base URLs, for another cloud than the public one. */
  readonly endpoints?: Partial<Endpoints>;
  /** Connection string of the storage account, for the emulator: it holds the account's key, which a runtime never needs. */
  readonly connectionString?: string;
}

/** Where the services of a runtime are. */
export interface Endpoints {
  readonly table: string;
  readonly blob: string;
  readonly queue: string;
  readonly vault: string;
  /** Where the function app takes a new package. */
  readonly publish: string;
}

/** The endpoints of a runtime: its storage account, vault and function app all have its name. */
export function endpointsOf(name: string, { endpoints = {} }: AzureClientOptions): Endpoints {
  return {
    table: `https://${name}.table.core.windows.net`,
    blob: `https://${name}.blob.core.windows.net`,
    queue: `https://${name}.queue.core.windows.net`,
    vault: `https://${name}.vault.azure.net`,
    publish: `https://${name}.scm.azurewebsites.net`,
    ...endpoints,
  };
}

/** The credential of a client: as given, else one that asks the environment. */
export async function credentialOf({ credential }: AzureClientOptions): Promise<AzureCredential> {
  if (credential !== undefined) return credential;
  const { DefaultAzureCredential } = await import("@azure/identity");
  return new DefaultAzureCredential();
}

/** Options of every client: its own retries are off, see {@link repeated}; http only where the endpoint says so. */
export function clientConfig(endpoint: string): {
  readonly allowInsecureConnection: boolean;
  readonly retryOptions: { readonly maxRetries: 0; readonly maxTries: 1 };
} {
  return {
    allowInsecureConnection: endpoint.startsWith("http://"),
    retryOptions: { maxRetries: 0, maxTries: 1 },
  };
}
