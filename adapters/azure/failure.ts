import { KitaruBackendError, KitaruUsageError, messageOf } from "../../core/errors.ts";
import type { KitaruError } from "../../core/errors.ts";

/** What a service calls a failure (`EntityAlreadyExists`, `BlobNotFound`), or the system (`ENOTFOUND`); empty when nobody does. */
export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const { code, details, cause } = error as {
    readonly code?: unknown;
    readonly details?: {
      readonly odataError?: { readonly code?: unknown };
      readonly errorCode?: unknown;
    };
    readonly cause?: { readonly code?: unknown };
  };
  const said = details?.odataError?.code ?? details?.errorCode ?? code ?? cause?.code;
  return typeof said === "string" ? said : "";
}

/** The HTTP status of a failure; undefined when nobody answered. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode;
  return typeof status === "number" ? status : undefined;
}

interface ServiceFailure {
  /** Begins the message. */
  readonly what: string;
  /** Name of the resource, when the request needs one that may not be there. */
  readonly missing?: string;
}

/** Explain the failure of any service: what, why, and what to do. */
export function serviceError(error: unknown, { what, missing }: ServiceFailure): KitaruError {
  const name = error instanceof Error ? error.name : "";
  const code = codeOf(error);
  const status = statusOf(error);
  const explained = (why: string, remedy: string): KitaruBackendError =>
    new KitaruBackendError(`${what}: ${why}. ${remedy}`, { cause: error });
  if (/^(?:TableNotFound|ContainerNotFound|QueueNotFound)$/.test(code) || code === "ENOTFOUND")
    return explained(
      `${missing === undefined ? "it" : `"${missing}"`} does not exist`,
      "Create the runtime with the template of kitaru/infra/azure, or correct `name` in kitaru.config.ts.",
    );
  if (name === "CredentialUnavailableError" || name === "AggregateAuthenticationError")
    return new KitaruUsageError(
      `${what}: no Azure credentials were found. Sign in (\`az login\`), set AZURE_CLIENT_ID and its companions, or give the process a managed identity.`,
      { cause: error },
    );
  if (status === 401 || status === 403 || name === "AuthenticationError")
    return explained(
      `this identity may not (${code === "" ? messageOf(error) : code})`,
      "Give it the roles of a caller (`callers` of the template), or sign in as another; a new role takes a few minutes to count.",
    );
  if (status === 429 || status === 503)
    return explained(
      `it was throttled and stayed so (${code === "" ? status : code})`,
      "What was recorded is safe and the execution goes on by itself; look at the limits of the storage account if this lasts.",
    );
  return explained(`${code === "" ? "" : `${code}: `}${messageOf(error)}`, "It is tried again.");
}
