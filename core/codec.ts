import { parse, stringify } from "devalue";
import { addFields, hide, makeError } from "./error-classes.ts";
import { KitaruBackendError, KitaruSerializationError, messageOf } from "./errors.ts";
import { ErrorRecord, type Unstorable, asUnstorable, takeSnapshot } from "./snapshot.ts";

export type { NotStorable, Storable } from "./storable.ts";

/** A value as text or bytes, in the plainest form that holds it exactly. */
export type Encoded =
  | { readonly kind: "json"; readonly text: string }
  /** Text of the devalue library: what JSON cannot hold, shared references and cycles. */
  | { readonly kind: "rich"; readonly text: string }
  /** A string by itself. */
  | { readonly kind: "text"; readonly text: string }
  /** A `Uint8Array` by itself. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array };

/**
 * Encode `value`. Getters are read once; a `Buffer` becomes a `Uint8Array`; a view keeps its own bytes and not the
 * rest of the buffer behind it; what an error holds and cannot be stored is left out.
 *
 * @param what names the value in messages, e.g. `the result of checkpoint "draft"`
 * @throws KitaruSerializationError naming the path inside the value
 */
export function encode(value: unknown, what = "value"): Encoded {
  if (typeof value === "string" && value.isWellFormed()) return { kind: "text", text: value };
  if (isBytes(value)) return { kind: "bytes", bytes: new Uint8Array(value) };
  try {
    const snapshot = takeSnapshot(value);
    if (snapshot.rich) return { kind: "rich", text: writeRich(snapshot.value) };
    return { kind: "json", text: JSON.stringify(snapshot.value) };
  } catch (error) {
    throw serializationError(asUnstorable(error), what);
  }
}

/**
 * Decode to a fresh copy.
 *
 * @throws KitaruBackendError with code `corrupt` when the text is damaged
 */
export function decode(encoded: Encoded): unknown {
  switch (encoded.kind) {
    case "json":
      return readJson(encoded.text);
    case "rich":
      return decodeRich(encoded.text);
    case "text":
      return encoded.text;
    case "bytes":
      return new Uint8Array(encoded.bytes);
  }
}

/** Decode what nobody else holds: bytes are the encoding's own instead of a copy. */
export function decodeOnce(encoded: Encoded): unknown {
  return encoded.kind === "bytes" ? encoded.bytes : decode(encoded);
}

/**
 * Encode `value` as devalue text, whatever it is, for places that hold text only.
 *
 * @throws KitaruSerializationError naming the path inside the value
 */
export function encodeRich(value: unknown, what = "value"): string {
  try {
    return writeRich(takeSnapshot(value).value);
  } catch (error) {
    throw serializationError(asUnstorable(error), what);
  }
}

/**
 * Decode what {@link encodeRich} returned.
 *
 * @throws KitaruBackendError with code `corrupt` when the text is damaged
 */
export function decodeRich(text: string): unknown {
  try {
    return readRich(text);
  } catch (error) {
    throw corrupt("rich value", error);
  }
}

const contentTypes = {
  json: "application/json",
  rich: "application/vnd.kitaru.rich+json",
  text: "text/plain; charset=utf-8",
  bytes: "application/octet-stream",
} as const satisfies Record<Encoded["kind"], string>;

/** The MIME type of an encoding, for people who open the bucket. */
export function contentTypeOf(kind: Encoded["kind"]): string {
  return contentTypes[kind];
}

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes of an encoding, to be put in a blob under its {@link contentTypeOf}. */
export function toBytes(encoded: Encoded): Uint8Array {
  return encoded.kind === "bytes" ? encoded.bytes : textEncoder.encode(encoded.text);
}

/**
 * The encoding that {@link toBytes} turned into `bytes`.
 *
 * @throws KitaruBackendError with code `corrupt` when the bytes of a text are not UTF-8
 */
export function fromBytes(kind: Encoded["kind"], bytes: Uint8Array): Encoded {
  if (kind === "bytes") return { kind, bytes };
  try {
    return { kind, text: textDecoder.decode(bytes) };
  } catch (error) {
    throw corrupt(`${kind} value`, error);
  }
}

function isBytes(value: unknown): value is Uint8Array {
  if (!(value instanceof Uint8Array)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Uint8Array.prototype || prototype === Buffer.prototype;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw corrupt("JSON value", error);
  }
}

/** An object with an own `__proto__` key, which devalue refuses. */
interface EntriesRecord {
  readonly bare: boolean;
  readonly entries: readonly (readonly [string, unknown])[];
}

const reducers = {
  Error: (value: unknown) => value instanceof ErrorRecord && Object.assign({}, value),
  Entries: (value: unknown) => hasProtoKey(value) && entriesOf(value),
};

function writeRich(snapshot: unknown): string {
  return stringify(snapshot, reducers);
}

function hasProtoKey(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "__proto__");
}

function entriesOf(value: object): EntriesRecord {
  return { bare: Object.getPrototypeOf(value) === null, entries: Object.entries(value) };
}

/** Makes the values devalue does not know. They are filled last, since a cycle may ask for one half-read. */
class Revival {
  readonly #made = new Map<object, object>();
  readonly #fill: (() => void)[] = [];

  readonly revivers = {
    Error: (record: unknown): object => this.#once(record, isErrorRecord, startError, fillError),
    Entries: (record: unknown): object =>
      this.#once(record, isEntriesRecord, startEntries, fillEntries),
  };

  finish(): void {
    for (const fill of this.#fill) fill();
  }

  #once<R extends object, T extends object>(
    record: unknown,
    check: (record: unknown) => record is R,
    start: (record: R) => T,
    fill: (value: T, record: R) => void,
  ): object {
    if (!check(record)) throw new Error("a record has the wrong shape");
    const known = this.#made.get(record);
    if (known !== undefined) return known;
    const value = start(record);
    this.#made.set(record, value);
    this.#fill.push(() => fill(value, record));
    return value;
  }
}

function readRich(text: string): unknown {
  const revival = new Revival();
  const value: unknown = parse(text, revival.revivers);
  revival.finish();
  return value;
}

function isErrorRecord(record: unknown): record is ErrorRecord {
  return (
    isObject(record) && typeof record["name"] === "string" && typeof record["message"] === "string"
  );
}

function startError(record: ErrorRecord): Error {
  return makeError(record);
}

function fillError(error: Error, record: ErrorRecord): void {
  hide(error, "stack", record.stack ?? `${record.name}: ${record.message}`);
  if (Object.hasOwn(record, "cause")) hide(error, "cause", record.cause);
  if (record.errors !== undefined) hide(error, "errors", record.errors);
  if (isObject(record.fields)) addFields(error, record.fields);
}

function isEntriesRecord(record: unknown): record is EntriesRecord {
  return isObject(record) && typeof record["bare"] === "boolean"; // a cycle comes here before the entries are read
}

function startEntries(record: EntriesRecord): object {
  return record.bare ? Object.create(null) : {};
}

function fillEntries(value: object, record: EntriesRecord): void {
  for (const [key, member] of record.entries) {
    Object.defineProperty(value, key, {
      value: member,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function corrupt(what: string, cause: unknown): KitaruBackendError {
  return new KitaruBackendError(
    `A stored ${what} cannot be read: ${messageOf(cause)}. It was damaged after it was written, or written by a newer Kitaru.`,
    { code: "corrupt", cause },
  );
}

function serializationError(unstorable: Unstorable, what: string): KitaruSerializationError {
  const path = pathOf(unstorable.path);
  const culprit = path === "" ? what : `${what}: ${path}`;
  return new KitaruSerializationError(`${culprit} ${unstorable.message}.`, {
    details: { path },
    ...(unstorable.cause === undefined ? {} : { cause: unstorable.cause }),
  });
}

const shownSegments = 12;

function pathOf(innermostFirst: readonly string[]): string {
  const segments = innermostFirst.toReversed();
  const shown =
    segments.length > shownSegments ? [...segments.slice(0, shownSegments), "…"] : segments;
  return shown.join("").replace(/^\./, "");
}
