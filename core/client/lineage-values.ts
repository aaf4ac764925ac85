import { isKitaruError } from "../errors.ts";
import { type BlobRef, type ValueRef, type ValueStore, isBlobRef } from "../journal/values.ts";
import { type ValueTree, bytesTree, opaqueTree, textTree, valueTree } from "./value-tree.ts";

/** Largest blob that is read to look into it, and the most of all blobs together, in bytes. */
const blobBytes = 256 * 1024;
const allBlobsBytes = 8 * 1024 * 1024;
/** A text of more bytes than this is known by its hash alone. */
const hashedTextBytes = 256;

/** Makes trees of stored values. A blob is read once and only if it is small; the others are known by their hash. */
export class TreeReader {
  readonly #values: ValueStore;
  readonly #blobs = new Map<string, ValueTree | Promise<ValueTree>>();
  #left = allBlobsBytes;
  readonly #opaque = new Set<string>();

  constructor(values: ValueStore) {
    this.#values = values;
  }

  /** Number of different values that could only be compared as a whole. */
  get opaque(): number {
    return this.#opaque.size;
  }

  /** The tree of the value behind `ref`. Never throws: a damaged blob is known by its hash. */
  read(ref: ValueRef): ValueTree | Promise<ValueTree> {
    if (!isBlobRef(ref)) return valueTree(this.#values.get(ref));
    const known = this.#blobs.get(ref.b);
    if (known !== undefined) return known;
    const made = this.#blob(ref);
    this.#blobs.set(ref.b, made);
    return made;
  }

  #blob(ref: BlobRef): ValueTree | Promise<ValueTree> {
    const { b, k, n } = ref;
    if (k === "bytes") return bytesTree(b, n);
    if (k === "text" && n > hashedTextBytes) return textTree(b, n);
    if (n > blobBytes || n > this.#left) return this.#asWhole(ref);
    this.#left -= n;
    return this.#load(ref);
  }

  async #load(ref: BlobRef): Promise<ValueTree> {
    try {
      return valueTree(await this.#values.get(ref));
    } catch (error) {
      if (isKitaruError(error)) return this.#asWhole(ref);
      throw error;
    }
  }

  #asWhole({ b, n }: BlobRef): ValueTree {
    this.#opaque.add(b);
    return opaqueTree(b, n);
  }
}
