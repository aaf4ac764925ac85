import {
  type ErrorCode,
  KitaruBackendError,
  KitaruCancelledError,
  KitaruContextError,
  KitaruDivergenceError,
  KitaruError,
  KitaruExecutionError,
  KitaruSerializationError,
  KitaruStateError,
  KitaruTimeoutError,
  KitaruUsageError,
  KitaruWaitValidationError,
  NonRetryableError,
  RetryAfterError,
} from "./errors.ts";

/** What decides the class of an error that is made again. */
export interface ErrorIdentity {
  readonly name: string;
  readonly message: string;
  /** Only consulted for names of Kitaru's own errors. */
  readonly code?: string | undefined;
}

type Make = (message: string) => Error;

const kitaruErrors = {
  usage: (message) => new KitaruUsageError(message),
  context: (message) => new KitaruContextError(message),
  state: (message) => new KitaruStateError(message),
  not_found: (message) => new KitaruStateError(message, { code: "not_found" }),
  conflict: (message) => new KitaruStateError(message, { code: "conflict" }),
  wait_validation: (message) => new KitaruWaitValidationError(message),
  wait_aborted: (message) => new KitaruExecutionError(message, { code: "wait_aborted" }),
  divergence: (message) => new KitaruDivergenceError(message),
  execution: (message) => new KitaruExecutionError(message),
  timeout: (message) => new KitaruTimeoutError(message),
  cancelled: (message) => new KitaruCancelledError(message),
  interrupted: (message) => new KitaruExecutionError(message, { code: "interrupted" }),
  crashed: (message) => new KitaruExecutionError(message, { code: "crashed" }),
  stalled: (message) => new KitaruExecutionError(message, { code: "stalled" }),
  serialization: (message) => new KitaruSerializationError(message),
  backend: (message) => new KitaruBackendError(message),
  corrupt: (message) => new KitaruBackendError(message, { code: "corrupt" }),
  credentials: (message) => new KitaruBackendError(message, { code: "credentials" }),
  model: (message) => new KitaruBackendError(message, { code: "model" }),
} satisfies Record<ErrorCode, Make>;

const namedErrors: ReadonlyMap<string, Make> = new Map<string, Make>([
  ["TypeError", (message) => new TypeError(message)],
  ["RangeError", (message) => new RangeError(message)],
  ["SyntaxError", (message) => new SyntaxError(message)],
  ["ReferenceError", (message) => new ReferenceError(message)],
  ["EvalError", (message) => new EvalError(message)],
  ["URIError", (message) => new URIError(message)],
  ["AggregateError", (message) => new AggregateError([], message)],
  ["NonRetryableError", (message) => new NonRetryableError(message)],
  ["RetryAfterError", (message) => new RetryAfterError(message, 0)],
]);

/** Make an error of the class its name and code stand for; of another class, an `Error` with that name. */
export function makeError(identity: ErrorIdentity): Error {
  const error = makeOfClass(identity);
  if (error.name !== identity.name) hide(error, "name", identity.name);
  return error;
}

/** Set a property the way the language sets `message` and `stack`: present, but not enumerated. */
export function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, {
    value,
    enumerable: false,
    writable: true,
    configurable: true,
  });
}

/** Set own enumerable fields; a definition, since a name like `__proto__` must not reach a setter. */
export function addFields(error: Error, fields: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(fields)) {
    Object.defineProperty(error, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
}

function makeOfClass({ name, message, code }: ErrorIdentity): Error {
  if (code !== undefined && isErrorCode(code)) {
    if (name === "KitaruError") return new KitaruError(code, message);
    if (/^Kitaru\w+Error$/.test(name)) return kitaruErrors[code](message);
  }
  return namedErrors.get(name)?.(message) ?? new Error(message);
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(kitaruErrors, code);
}
