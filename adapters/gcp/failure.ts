import { KitaruBackendError, KitaruUsageError, messageOf } from "../../core/errors.ts";
import type { KitaruError } from "../../core/errors.ts";

interface ServiceFailure {
  /** Begins the message. */
  readonly what: string;
  /** Name of the resource, when the request needs one that may not be there. */
  readonly missing?: string;
}

/** Explain the failure of any service by the status it names. */
export function serviceError(error: unknown, { what, missing }: ServiceFailure): KitaruError {
  if (error instanceof KitaruUsageError) return error;
  const name = error instanceof Error ? error.name : "";
  const message = messageOf(error);
  const explained = (why: string, remedy: string): KitaruBackendError =>
    new KitaruBackendError(`${what}: ${why}. ${remedy}`, { cause: error });
  if (name === "NOT_FOUND")
    return explained(
      `${missing === undefined ? "it" : `"${missing}"`} does not exist in this project and region (${message})`,
      "Create it with `terraform apply` (kitaru/infra/gcp), or correct `name`, `project` and `region` in kitaru.config.ts.",
    );
  if (name === "PERMISSION_DENIED" || name === "UNAUTHENTICATED")
    return explained(
      `these credentials may not (${name}: ${message})`,
      "Check `gcloud auth application-default login`, or the service account of the function.",
    );
  if (/default credentials/i.test(message))
    return new KitaruUsageError(
      `${what}: no Google Cloud credentials were found. Sign in (\`gcloud auth application-default login\`), set GOOGLE_APPLICATION_CREDENTIALS, or give the process a service account.`,
      { cause: error },
    );
  if (name === "RESOURCE_EXHAUSTED")
    return explained(
      `it was throttled and stayed so (${message})`,
      "What was recorded is safe and the execution goes on by itself; raise the quota of the project if this lasts.",
    );
  return explained(`${name === "" ? "" : `${name}: `}${message}`, "It is tried again.");
}

/** Whether a service named one of these statuses. */
export function isNamed(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Error && names.includes(error.name);
}
