import { decodeRich, encodeRich } from "../codec.ts";
import { addFields, hide, makeError } from "../error-classes.ts";
import { digest } from "../hash.ts";
import { errorParts, isError } from "../storable.ts";

/** What is persisted about a failure. Plain JSON, of bounded size but for its fields' own bound below. */
export interface StoredError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  /** Devalue text of the other own enumerable fields that can be stored. */
  readonly fields?: string;
  readonly cause?: StoredError;
  /** Devalue text of a thrown value that is not an error; `name` is then `thrown`. */
  readonly thrown?: string;
}

/** Most UTF-16 code units that are kept of the parts of an error. */
export interface ErrorLimits {
  readonly message: number;
  readonly stack: number;
  /** Text of the fields, or of a thrown value. */
  readonly fields: number;
}

/** Limits of an error itself. With {@link causeLimits} for its causes it fits a record of every store. */
export const errorLimits: ErrorLimits = { message: 64 * 1024, stack: 4 * 1024, fields: 64 * 1024 };
/** Limits of each cause below an error. */
export const causeLimits: ErrorLimits = { message: 8 * 1024, stack: 4 * 1024, fields: 8 * 1024 };
/** Causes kept below an error. */
export const mostCauses = 8;

const longestName = 200;
const thrownName = "thrown";

/** Take what is kept of anything thrown. Never throws; what cannot be stored or is too long is dropped. */
export function storeError(thrown: unknown): StoredError {
  try {
    return store(thrown, new Set(), errorLimits);
  } catch {
    return { name: "Error", message: "The error that was thrown could not be read." };
  }
}

/**
 * Make again what was thrown: an error of the class it had where Kitaru or the language defines that class, an
 * `Error` with its name, code and fields otherwise; the value itself when it was no error.
 *
 * @throws KitaruBackendError with code `corrupt` when its fields are damaged
 */
export function reviveError(stored: StoredError): unknown {
  if (stored.thrown !== undefined) return decodeRich(stored.thrown);
  const error = makeError(stored);
  hide(error, "stack", stored.stack ?? describeError(stored));
  if (stored.code !== undefined) addFields(error, { code: stored.code });
  if (stored.cause !== undefined) hide(error, "cause", reviveError(stored.cause));
  const { fields, errors } = readFields(stored.fields);
  addFields(error, fields);
  if (errors !== undefined) hide(error, "errors", errors);
  return error;
}

/** One line for people: `Name: message`. */
export function describeError(stored: StoredError): string {
  const message = stored.message.replaceAll(/\s*[\r\n]+\s*/g, " ").trim();
  return message === "" ? stored.name : `${stored.name}: ${message}`;
}

/** Whether two failures are the same; stacks do not count. */
export function sameError(a: StoredError, b: StoredError): boolean {
  return (
    a.name === b.name &&
    a.message === b.message &&
    a.code === b.code &&
    sameText(a.fields, b.fields) &&
    sameText(a.thrown, b.thrown) &&
    sameCause(a.cause, b.cause)
  );
}

/** What the devalue text of an error's fields holds. */
interface Fields {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Members of an `AggregateError`. */
  readonly errors?: readonly unknown[];
}

function store(thrown: unknown, seen: Set<unknown>, limits: ErrorLimits): StoredError {
  seen.add(thrown);
  if (!isError(thrown)) return storeThrown(thrown, limits);
  const { name, message, stack, cause, errors, fields } = errorParts(thrown);
  const { code, ...rest } = fields;
  const kept = typeof code === "string" ? rest : fields;
  const text = fieldsText({ fields: kept, ...(errors === undefined ? {} : { errors }) }, limits);
  const below = cause.filter((value) => !seen.has(value) && seen.size <= mostCauses);
  return {
    name: shortened(name, longestName),
    message: shortened(message, limits.message),
    ...(typeof code === "string" ? { code: shortened(code, longestName) } : {}),
    ...(stack === undefined ? {} : { stack: shortened(stack, limits.stack) }),
    ...(text === undefined ? {} : { fields: text }),
    ...(below.length === 0 ? {} : { cause: store(below[0], seen, causeLimits) }),
  };
}

function storeThrown(thrown: unknown, limits: ErrorLimits): StoredError {
  const text = textOf(thrown, limits);
  const message = shortened(preview(thrown), 200);
  return { name: thrownName, message, ...(text === undefined ? {} : { thrown: text }) };
}

function preview(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}

/** The text of the fields; when it is too long, of the fields that fit, in their order. */
function fieldsText(all: Fields, limits: ErrorLimits): string | undefined {
  if (all.errors === undefined && Object.keys(all.fields).length === 0) return undefined;
  return textOf(all, limits) ?? textOf({ fields: fittingFields(all.fields, limits) }, limits);
}

function fittingFields(
  fields: Readonly<Record<string, unknown>>,
  limits: ErrorLimits,
): Readonly<Record<string, unknown>> {
  let left = limits.fields - 1024; // leaves room for what devalue puts around the values
  const fitting = Object.entries(fields).filter(([key, value]) => {
    const length = 2 * key.length + (textOf(value, limits)?.length ?? limits.fields);
    const fits = length <= left;
    if (fits) left -= length;
    return fits;
  });
  return Object.fromEntries(fitting);
}

function textOf(value: unknown, limits: ErrorLimits): string | undefined {
  try {
    const text = encodeRich(value);
    return text.length > limits.fields ? undefined : text;
  } catch {
    return undefined;
  }
}

function readFields(text: string | undefined): Fields {
  const read = text === undefined ? undefined : decodeRich(text);
  return isFields(read) ? read : { fields: {} };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && "fields" in value && isObject(value.fields);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function shortened(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const mark = `… (${text.length} characters in all)`;
  return `${text.slice(0, longest - mark.length).toWellFormed()}${mark}`;
}

// The text of equal fields differs when errors among them have different stacks; the digest leaves those out.
function sameText(a: string | undefined, b: string | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return digest(decodeRich(a)) === digest(decodeRich(b));
}

function sameCause(a: StoredError | undefined, b: StoredError | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return sameError(a, b);
}
