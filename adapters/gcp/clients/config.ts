/** Services this package calls. */
export type Service = "firestore" | "storage" | "secrets" | "workflows" | "executions";

/** Where Google serves them. */
const hosts: Readonly<Record<Service, string>> = {
  firestore: "https://firestore.googleapis.com",
  storage: "https://storage.googleapis.com",
  secrets: "https://secretmanager.googleapis.com",
  workflows: "https://workflows.googleapis.com",
  executions: "https://workflowexecutions.googleapis.com",
};

/** Adds to a request what says who sends it. An object of `google-auth-library` is one. */
export interface Authorizer {
  getRequestHeaders(url?: string): Promise<Headers>;
}

/** How to reach the services. */
export interface GcpClientOptions {
  /**
   * Base URL of another endpoint, for all services or for each, such as an emulator's. No credentials are sent there.
   * @default FIRESTORE_EMULATOR_HOST and STORAGE_EMULATOR_HOST for those two and KITARU_GCP_ENDPOINT for all; else Google's
   */
  readonly endpoint?: string | Readonly<Partial<Record<Service, string>>>;
  /** @default application default credentials, as in any Google Cloud program */
  readonly auth?: Authorizer;
}

/** Base URL of a service. `isGoogle`: it is Google's own, and nothing else is ever sent credentials. */
export function baseOf(
  service: Service,
  { endpoint }: GcpClientOptions,
  env: NodeJS.ProcessEnv = process.env,
): { readonly base: string; readonly isGoogle: boolean } {
  const given = typeof endpoint === "string" ? endpoint : endpoint?.[service];
  const base = given ?? fromEnvironment(service, env);
  if (base === undefined) return { base: hosts[service], isGoogle: true };
  return { base: base.replace(/\/+$/, ""), isGoogle: false };
}

function fromEnvironment(service: Service, env: NodeJS.ProcessEnv): string | undefined {
  const own = { firestore: "FIRESTORE_EMULATOR_HOST", storage: "STORAGE_EMULATOR_HOST" };
  const named = Object.hasOwn(own, service) ? env[own[service as keyof typeof own]] : undefined;
  const host = named ?? env["KITARU_GCP_ENDPOINT"];
  if (host === undefined || host === "") return undefined;
  return host.includes("://") ? host : `http://${host}`;
}
