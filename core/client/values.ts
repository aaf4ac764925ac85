import { Buffer } from "node:buffer";
import { isKitaruError } from "../errors.ts";
import { type ValueRef, type ValueStore, isBlobRef, utf8Length } from "../journal/values.ts";

/** Most bytes of a value that is read along with what mentions it. */
const eagerBytes = 1024 * 1024;

/** A value that was not read along: it is larger than 1 MB, or could not be read. */
export class StoredValue {
  /** Bytes as stored. */
  readonly size: number;
  readonly #load: () => unknown;

  constructor(size: number, load: () => unknown) {
    this.size = size;
    this.#load = load;
  }

  /** Read the value. Throws a backend error (`corrupt`) when it is missing or damaged. */
  async load(): Promise<unknown> {
    return this.#load();
  }

  toJSON(): { readonly stored: true; readonly size: number } {
    return { stored: true, size: this.size };
  }
}

/** Bytes a value takes where it is stored. */
export function sizeOf(ref: ValueRef): number {
  if (isBlobRef(ref)) return ref.n;
  if ("x" in ref) return Buffer.byteLength(ref.x, "base64");
  return utf8Length("r" in ref ? ref.r : JSON.stringify(ref.v));
}

/** The value of a ref, or its stand-in when it is large or damaged: one bad blob hides nothing else. */
export async function present(values: ValueStore, ref: ValueRef): Promise<unknown> {
  const stored = new StoredValue(sizeOf(ref), () => values.get(ref));
  if (stored.size > eagerBytes) return stored;
  try {
    return await values.get(ref);
  } catch (error) {
    if (isKitaruError(error)) return stored;
    throw error;
  }
}
