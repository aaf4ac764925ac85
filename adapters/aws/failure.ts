import { KitaruBackendError, KitaruUsageError, messageOf } from "../../core/errors.ts";
import type { KitaruError } from "../../core/errors.ts";

interface TableAction {
  readonly verb: "read" | "write" | "list";
  readonly table: string;
}

/** The error for a request to the table that failed for good: what, where, and what to do. */
export function tableError(error: unknown, { verb, table }: TableAction): KitaruError {
  return serviceError(error, {
    what: `DynamoDB could not ${verb} the table "${table}"`,
    missing: table,
  });
}

interface ObjectAction {
  readonly verb: "read" | "write" | "list";
  readonly bucket: string;
}

/** The error for a request to the bucket that failed for good. */
export function bucketError(error: unknown, { verb, bucket }: ObjectAction): KitaruError {
  return serviceError(error, {
    what: `S3 could not ${verb} the bucket "${bucket}"`,
    missing: bucket,
  });
}

interface ServiceFailure {
  /** Begins the message. */
  readonly what: string;
  /** Name of the resource, when the request needs one that may not be there. */
  readonly missing?: string;
}

/** Explain the failure of any service by the kind the SDK names. */
export function serviceError(error: unknown, { what, missing }: ServiceFailure): KitaruError {
  const name = error instanceof Error ? error.name : "";
  const explained = (why: string, remedy: string): KitaruBackendError =>
    new KitaruBackendError(`${what}: ${why}. ${remedy}`, { cause: error });
  if (/^(?:ResourceNotFoundException|NoSuchBucket|StateMachineDoesNotExist)$/.test(name))
    return explained(
      `${missing === undefined ? "it" : `"${missing}"`} does not exist in this account and region`,
      "Create it with `cdk deploy` (kitaru/infra/aws), or correct `name` and `region` in kitaru.config.ts.",
    );
  if (/AccessDenied|UnrecognizedClient|InvalidSignature|InvalidAccessKeyId|ExpiredToken/.test(name))
    return explained(
      `these credentials may not (${name}: ${messageOf(error)})`,
      "Check the active AWS profile, or the role of the function.",
    );
  if (name === "CredentialsProviderError")
    return new KitaruUsageError(
      `${what}: no AWS credentials were found. Sign in (\`aws sso login\`), set AWS_PROFILE, or give the process a role.`,
      { cause: error },
    );
  if (/Throttl|ThroughputExceeded|RequestLimitExceeded|SlowDown/.test(name))
    return explained(
      `it was throttled and stayed so (${name})`,
      "What was recorded is safe and the execution goes on by itself; raise the limits of the account if this lasts.",
    );
  return explained(`${name === "" ? "" : `${name}: `}${messageOf(error)}`, "It is tried again.");
}

/** Whether the SDK gave an error one of these names. */
export function isNamed(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Error && names.includes(error.name);
}
