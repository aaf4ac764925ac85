import { explainMissing } from "../../core/ports/on-demand.ts";

/**
 * Packages of Google's this adapter needs: the client of workflows' executions, loaded when one is first started or looked
 * up, and the library that finds credentials, loaded when a request first needs them.
 */
export const gcpPackages = ["@google-cloud/workflows", "google-auth-library"] as const;

type AuthLibrary = typeof import("google-auth-library");

/** Google's library that finds credentials and checks tokens; where it is not installed, the error names the command. */
export function authLibrary(): Promise<AuthLibrary> {
  return loaded<AuthLibrary>(() => import("google-auth-library"));
}

/** The part of Google's client of executions this package uses. */
export interface ExecutionsClient {
  createExecution(request: {
    readonly parent: string;
    readonly execution: { readonly argument: string };
  }): Promise<unknown>;
  getExecution(request: {
    readonly name: string;
    readonly view: "BASIC";
  }): Promise<readonly [{ readonly state?: unknown }, ...unknown[]]>;
}

/** What the client sends its requests through, in the place of an `AuthClient`. */
export interface Transport {
  getRequestHeaders(): Promise<Headers>;
  fetch(url: string | URL, init?: RequestInit): Promise<Response>;
}

/** The part of Google's package this package uses. */
export interface WorkflowsLibrary {
  readonly ExecutionsClient: new (options: {
    /** JSON over HTTPS and no gRPC. */
    readonly fallback: true;
    readonly authClient: Transport;
  }) => ExecutionsClient;
}

/** Google's client of workflows' executions; where it is not installed, the error names the command. */
export function workflowsLibrary(): Promise<WorkflowsLibrary> {
  return loaded<WorkflowsLibrary>(
    // its types ask for a class of its own copy of google-auth-library, where it uses two methods
    () => import("@google-cloud/workflows") as Promise<unknown> as Promise<WorkflowsLibrary>,
  );
}

/** These packages are CommonJS: bundled, they have nothing but a default. */
async function loaded<T>(load: () => Promise<T & { readonly default?: T }>): Promise<T> {
  try {
    const found = await load();
    return found.default ?? found;
  } catch (error) {
    throw explainMissing(error, missing);
  }
}

const missing = `A stack of kind "gcp" needs packages that are not installed: npm install ${gcpPackages.join(" ")}`;
