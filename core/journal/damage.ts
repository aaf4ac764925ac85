import { KitaruBackendError, hasCode } from "../errors.ts";

/** The error, with the execution that cannot be read for it; any other error as it is. */
export function ofExecution(executionId: string, error: unknown): unknown {
  if (!hasCode(error, "corrupt") || error.details?.["execution"] !== undefined) return error;
  return new KitaruBackendError(`Execution ${executionId}: ${error.message}`, {
    code: "corrupt",
    cause: error.cause ?? error,
    details: { ...error.details, execution: executionId },
  });
}
