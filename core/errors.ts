/**
 * Every error Kitaru throws on purpose. A message says what happened, where, and what to do.
 *
 * Errors are recognised by a brand instead of `instanceof`, so a program that ends up with two
 * copies of the package still catches what it means to catch.
 */

/** Machine-readable kind of a {@link KitaruError}; stable across releases. */
export type ErrorCode =
  | "usage"
  | "context"
  | "state"
  | "not_found"
  | "conflict"
  | "wait_validation"
  | "wait_aborted"
  | "divergence"
  | "execution"
  | "timeout"
  | "cancelled"
  | "interrupted"
  | "crashed"
  | "stalled"
  | "serialization"
  | "backend"
  | "corrupt"
  | "credentials"
  | "model";

const brand = Symbol.for("kitaru.error");

interface KitaruErrorOptions extends ErrorOptions {
  /** Structured facts about the error; kept when the error is recorded. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Base of every error Kitaru throws on purpose. */
export class KitaruError extends Error {
  override readonly name: string = "KitaruError";
  readonly code: ErrorCode;
  /** Structured facts about the error, for programs; the message holds them for people. */
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options?: KitaruErrorOptions) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options?.details;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** The API was called in a way that can never work: fix the calling code. */
export class KitaruUsageError extends KitaruError {
  override readonly name = "KitaruUsageError";
  constructor(message: string, options?: KitaruErrorOptions) {
    super("usage", message, options);
  }
}

/** A primitive was used in a place where it has no meaning (outside a flow, inside a checkpoint). */
export class KitaruContextError extends KitaruError {
  override readonly name = "KitaruContextError";
  constructor(message: string, options?: KitaruErrorOptions) {
    super("context", message, options);
  }
}

/** The request does not fit the present state: not found, already settled, wrong status. */
export class KitaruStateError extends KitaruError {
  override readonly name = "KitaruStateError";
  constructor(
    message: string,
    options?: KitaruErrorOptions & { readonly code?: "state" | "not_found" | "conflict" },
  ) {
    super(options?.code ?? "state", message, options);
  }
}

/** An answer does not fit the schema of its wait. The wait stays pending. */
export class KitaruWaitValidationError extends KitaruError {
  override readonly name = "KitaruWaitValidationError";
  constructor(message: string, options?: KitaruErrorOptions) {
    super("wait_validation", message, options);
  }
}

/** The flow's code no longer asks for what its journal recorded. Nothing new has run. */
export class KitaruDivergenceError extends KitaruError {
  override readonly name = "KitaruDivergenceError";
  constructor(message: string, options?: KitaruErrorOptions) {
    super("divergence", message, options);
  }
}

/** An execution, a call or an attempt ended without a value for a reason of the runtime's. */
export class KitaruExecutionError extends KitaruError {
  override readonly name = "KitaruExecutionError";
  constructor(
    message: string,
    options?: KitaruErrorOptions & {
      readonly code?: "execution" | "interrupted" | "crashed" | "stalled" | "wait_aborted";
    },
  ) {
    super(options?.code ?? "execution", message, options);
  }
}

/** A time limit the user set has passed. */
export class KitaruTimeoutError extends KitaruError {
  override readonly name = "KitaruTimeoutError";
  constructor(message: string, options?: KitaruErrorOptions) {
    super("timeout", message, options);
  }
}

/** The execution is being cancelled. */
export class KitaruCancelledError extends KitaruError {
  override readonly name = "KitaruCancelledError";
  constructor(message: string, options?: KitaruErrorOptions) {
    super("cancelled", message, options);
  }
}

/** A value cannot be stored; the message names the path inside it. */
export class KitaruSerializationError extends KitaruError {
  override readonly name = "KitaruSerializationError";
  constructor(message: string, options?: KitaruErrorOptions) {
    super("serialization", message, options);
  }
}

/** A store, a model provider or another outside service failed or returned something unreadable. */
export class KitaruBackendError extends KitaruError {
  override readonly name = "KitaruBackendError";
  constructor(
    message: string,
    options?: KitaruErrorOptions & {
      readonly code?: "backend" | "corrupt" | "credentials" | "model";
    },
  ) {
    super(options?.code ?? "backend", message, options);
  }
}

/** Throw inside a checkpoint to fail it at once, whatever its retry policy says. */
export class NonRetryableError extends Error {
  override readonly name: string = "NonRetryableError";
  readonly retryable = false;
}

/** Throw inside a checkpoint to be tried again no earlier than after `retryAfterMs` milliseconds. */
export class RetryAfterError extends Error {
  override readonly name: string = "RetryAfterError";
  /** Milliseconds to wait before the next attempt; replaces the policy's own delay. */
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Tell whether `error` was thrown by Kitaru, by this or another copy of the package. */
export function isKitaruError(error: unknown): error is KitaruError {
  return error instanceof Error && brand in error;
}

/** Tell whether `error` is a {@link KitaruError} with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is KitaruError {
  return isKitaruError(error) && error.code === code;
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
