import { Buffer } from "node:buffer";
import {
  type Encoded,
  contentTypeOf,
  decode,
  decodeOnce,
  encode,
  fromBytes,
  toBytes,
} from "../codec.ts";
import { KitaruBackendError } from "../errors.ts";
import { sha256Hex } from "../hash.ts";
import type { BlobStore } from "../ports/blobs.ts";

/** A value as an entry holds it: inline, or by reference to a content-addressed blob. */
export type ValueRef =
  | { readonly v: unknown }
  | { readonly r: string }
  | { readonly x: string }
  | BlobRef;

/** Reference to a blob; `k` tells how its bytes are encoded, `n` how many there are. */
export interface BlobRef {
  readonly b: string;
  readonly k: Encoded["kind"];
  readonly n: number;
}

/** Key of the blob with this SHA-256. */
export function blobKey(sha256: string): string {
  return `blobs/${sha256}`;
}

/** Whether a ref points to a blob. */
export function isBlobRef(ref: ValueRef): ref is BlobRef {
  return "b" in ref;
}

/** Ref to `undefined`. */
export const undefinedRef: ValueRef = inline(encode(undefined));

/** Puts values into entries and gets them back; large ones go through the blob store. */
export class ValueStore {
  readonly #blobs: BlobStore;
  readonly #inlineBytes: number;

  constructor(blobs: BlobStore, inlineBytes: number) {
    this.#blobs = blobs;
    this.#inlineBytes = inlineBytes;
  }

  /**
   * Make a ref for `value`; the blob, if one is needed, is durable when this returns.
   * Synchronous for inline values, which is nearly all of them.
   */
  put(value: unknown, what?: string): ValueRef | Promise<ValueRef> {
    if (isPlainScalar(value)) return { v: value };
    return this.putEncoded(encode(value, what));
  }

  /** Like {@link put} for a value that is encoded already. */
  putEncoded(encoded: Encoded): ValueRef | Promise<ValueRef> {
    return sizeOf(encoded) <= this.#inlineBytes ? inline(encoded) : this.#spill(encoded);
  }

  /** Read a value: a fresh copy each time. Verifies a blob against its hash. */
  get(ref: ValueRef): unknown {
    if ("v" in ref) return copyOf(ref.v);
    if ("r" in ref) return decode({ kind: "rich", text: ref.r });
    if ("x" in ref) return new Uint8Array(Buffer.from(ref.x, "base64"));
    return this.#load(ref);
  }

  async #spill(encoded: Encoded): Promise<BlobRef> {
    const bytes = toBytes(encoded);
    const sha256 = sha256Hex(bytes);
    await this.#blobs.put(blobKey(sha256), bytes, {
      contentType: contentTypeOf(encoded.kind),
      ifAbsent: true,
    });
    const ref = { b: sha256, k: encoded.kind, n: bytes.byteLength };
    if (encoded.kind !== "bytes") free(bytes);
    return ref;
  }

  async #load(ref: BlobRef): Promise<unknown> {
    const bytes = await this.#blobs.get(blobKey(ref.b));
    if (bytes === undefined) throw unreadable(ref, "it is missing from the blob store");
    if (bytes.byteLength !== ref.n || sha256Hex(bytes) !== ref.b)
      throw unreadable(ref, "its content does not match its hash");
    return decodeOnce(fromBytes(ref.k, bytes));
  }
}

/** What an entry holds inline came from JSON. */
function copyOf(value: unknown): unknown {
  return typeof value === "object" && value !== null
    ? (JSON.parse(JSON.stringify(value)) as unknown)
    : value;
}

/** Whether a value is its own JSON and needs no copy. */
export function isPlainScalar(value: unknown): value is string | number | boolean | null {
  switch (typeof value) {
    case "string":
      return value.length <= 256; // short enough that no store's inline limit is reached
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    default:
      return value === null;
  }
}

function inline(encoded: Encoded): ValueRef {
  switch (encoded.kind) {
    case "json":
      return { v: JSON.parse(encoded.text) as unknown };
    case "text":
      return { v: encoded.text };
    case "rich":
      return { r: encoded.text };
    case "bytes":
      return { x: Buffer.from(encoded.bytes).toString("base64") };
  }
}

function sizeOf(encoded: Encoded): number {
  return encoded.kind === "bytes" ? encoded.bytes.byteLength : utf8Length(encoded.text);
}

/** Give up memory at once: the collector waits for more small objects than large values ever leave. */
function free(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0);
}

/** UTF-8 bytes of a string. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text);
}

function unreadable(ref: BlobRef, why: string): KitaruBackendError {
  return new KitaruBackendError(
    `The stored value ${blobKey(ref.b)} (${ref.n} bytes) cannot be read: ${why}. ` +
      `Restore that blob; the journal still names it and nothing was changed.`,
    { code: "corrupt", details: { blob: blobKey(ref.b) } },
  );
}
