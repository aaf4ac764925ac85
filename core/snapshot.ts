import { messageOf } from "./errors.ts";
import {
  errorParts,
  highestIndex,
  isError,
  kindOf,
  maxDepth,
  namedKeyOf,
  symbolKeyOf,
  whyUnstorable,
} from "./storable.ts";

/** A value cannot be stored; collects the path to the culprit while the stack unwinds. */
export class Unstorable extends Error {
  override readonly name = "Unstorable";
  /** From the culprit outwards. */
  readonly path: string[] = [];
}

/** What takes the place of an error in a snapshot. */
export class ErrorRecord {
  readonly name: string;
  readonly message: string;
  declare code?: string;
  declare stack?: string;
  declare cause?: unknown;
  declare errors?: unknown;
  declare fields?: unknown;

  constructor(name: string, message: string) {
    this.name = name;
    this.message = message;
  }
}

/** A private copy of a value, and whether JSON alone can hold it. */
export interface Snapshot {
  readonly value: unknown;
  readonly rich: boolean;
}

/**
 * Copy a value in one walk that reads every property once, so that what was checked is what is stored.
 *
 * Throws {@link Unstorable}, or whatever a getter throws at the top of the value.
 */
export function takeSnapshot(value: unknown): Snapshot {
  const walk = new Walk();
  const copy = copyValue(value, walk, 0);
  return { value: copy, rich: walk.rich };
}

/** Objects met so far, to keep shared references and cycles. */
class Walk {
  rich = false;
  readonly #sources: object[] = [];
  readonly #copies: object[] = [];
  #index: Map<object, object> | undefined;

  find(source: object): object | undefined {
    if (this.#index !== undefined) return this.#index.get(source);
    const at = this.#sources.indexOf(source);
    return at === -1 ? undefined : this.#copies[at];
  }

  remember(source: object, copy: object): void {
    if (this.#index !== undefined) {
      this.#index.set(source, copy);
      return;
    }
    this.#sources.push(source);
    this.#copies.push(copy);
    if (this.#sources.length === 12) this.#index = this.#toMap(); // below, a scan beats hashing
  }

  #toMap(): Map<object, object> {
    return new Map(this.#sources.map((source, at) => [source, this.#copies[at] ?? source]));
  }
}

function copyValue(value: unknown, walk: Walk, depth: number): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (!Number.isFinite(value) || Object.is(value, -0)) walk.rich = true;
      return value;
    case "undefined":
    case "bigint":
      walk.rich = true;
      return value;
    case "object":
      return value === null ? null : copyObject(value, walk, depth);
    default:
      throw new Unstorable(whyUnstorable(value));
  }
}

function copyObject(source: object, walk: Walk, depth: number): object {
  const known = walk.find(source);
  if (known !== undefined) {
    walk.rich = true;
    return known;
  }
  if (depth > maxDepth) {
    throw new Unstorable(
      `is nested deeper than ${maxDepth} levels; flatten it, or store it as text`,
    );
  }
  const kind = kindOf(source);
  if (kind === "plain") return copyPlain(source, walk, depth);
  if (kind === "array" && Array.isArray(source)) return copyArray(source, walk, depth);
  if (kind === undefined) throw new Unstorable(whyUnstorable(source));
  walk.rich = true;
  return copyRich(source, walk, depth);
}

function copyPlain(source: object, walk: Walk, depth: number): object {
  const copy: Record<string, unknown> = { ...source };
  const symbol = symbolKeyOf(copy);
  if (symbol !== undefined)
    throw new Unstorable(`has the symbol key ${String(symbol)}; use string keys`);
  if (Object.getPrototypeOf(source) === null) {
    walk.rich = true;
    Object.setPrototypeOf(copy, null);
  }
  walk.remember(source, copy);
  copyMembers(copy, walk, depth);
  return copy;
}

function copyMembers(copy: Record<string, unknown>, walk: Walk, depth: number): void {
  let key = "";
  try {
    for (key of Object.keys(copy)) {
      const value = copy[key];
      if (typeof value === "string") continue;
      const copied = copyValue(value, walk, depth + 1);
      if (copied !== value) copy[key] = copied;
    }
  } catch (error) {
    throw located(error, keySegment(key));
  }
}

function copyArray(source: readonly unknown[], walk: Walk, depth: number): unknown[] {
  const copy: unknown[] = [];
  walk.remember(source, copy);
  const keys = Object.keys(source);
  if (copyItems(source, copy, walk, depth) && keys.length === source.length) return copy;
  const named = namedKeyOf(keys);
  if (named !== undefined) {
    throw new Unstorable(
      `is an array with a property ${JSON.stringify(named)} of its own; use an object, or copy the items with [...array]`,
    );
  }
  walk.rich = true;
  copyHoles(source, copy, keys, walk, depth);
  return copy;
}

/** Copy items up to the first hole; true when there is none. */
function copyItems(
  source: readonly unknown[],
  copy: unknown[],
  walk: Walk,
  depth: number,
): boolean {
  let index = 0;
  try {
    for (; index < source.length; index += 1) {
      const item = source[index];
      if (item === undefined && !Object.hasOwn(source, index)) return false;
      copy.push(typeof item === "string" ? item : copyValue(item, walk, depth + 1));
    }
    return true;
  } catch (error) {
    throw located(error, `[${index}]`);
  }
}

/** Copy what follows the first hole, by its keys: the length of a sparse array says nothing about its size. */
function copyHoles(
  source: readonly unknown[],
  copy: unknown[],
  keys: readonly string[],
  walk: Walk,
  depth: number,
): void {
  const done = copy.length;
  makeSparse(copy, source.length);
  for (const key of keys.slice(done)) {
    const index = Number(key);
    try {
      copy[index] = copyValue(source[index], walk, depth + 1);
    } catch (error) {
      throw located(error, `[${index}]`);
    }
  }
}

// A far index first puts the array into dictionary mode, where a length allocates nothing.
function makeSparse(array: unknown[], length: number): void {
  array[highestIndex] = undefined;
  Reflect.deleteProperty(array, highestIndex);
  array.length = length;
}

function copyRich(source: object, walk: Walk, depth: number): object {
  if (isError(source)) return copyError(source, walk, depth);
  if (source instanceof Map) return copyMap(source, walk, depth);
  if (source instanceof Set) return copySet(source, walk, depth);
  // The rest is text soon after this, before anyone can change it.
  const copy = ArrayBuffer.isView(source) ? ownView(source) : source;
  walk.remember(source, copy);
  return copy;
}

function copyMap(source: ReadonlyMap<unknown, unknown>, walk: Walk, depth: number): object {
  const copy = new Map<unknown, unknown>();
  walk.remember(source, copy);
  for (const [key, value] of source) {
    const copiedKey = within(`.keys()[${copy.size}]`, () => copyValue(key, walk, depth + 1));
    copy.set(
      copiedKey,
      within(getSegment(key), () => copyValue(value, walk, depth + 1)),
    );
  }
  return copy;
}

function copySet(source: ReadonlySet<unknown>, walk: Walk, depth: number): object {
  const copy = new Set<unknown>();
  walk.remember(source, copy);
  for (const value of source) {
    copy.add(within(`.values()[${copy.size}]`, () => copyValue(value, walk, depth + 1)));
  }
  return copy;
}

function copyError(source: Error, walk: Walk, depth: number): object {
  const parts = errorParts(source);
  const copy = new ErrorRecord(parts.name, parts.message);
  walk.remember(source, copy);
  // First, so that a cycle back to this error finds its class decided.
  if (typeof parts.fields["code"] === "string") copy.code = parts.fields["code"];
  if (parts.stack !== undefined) copy.stack = parts.stack;
  if (parts.cause.length > 0)
    copy.cause = within(".cause", () => copyValue(parts.cause[0], walk, depth + 1));
  if (parts.errors !== undefined) {
    copy.errors = within(".errors", () => copyValue(parts.errors, walk, depth + 1));
  }
  if (Object.keys(parts.fields).length > 0) {
    const fields = { ...parts.fields };
    copyMembers(fields, walk, depth + 1); // one deeper: an error is a record that holds them
    copy.fields = fields;
  }
  return copy;
}

/** A view of its own bytes: the buffer behind it may be a pool that holds other people's data. */
function ownView(view: ArrayBufferView): ArrayBufferView {
  if (view.byteLength === view.buffer.byteLength && view.buffer instanceof ArrayBuffer) return view;
  const bytes = new Uint8Array(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return Buffer.isBuffer(view) ? bytes : Reflect.construct(view.constructor, [bytes.buffer]);
}

function within<T>(segment: string, copy: () => T): T {
  try {
    return copy();
  } catch (error) {
    throw located(error, segment);
  }
}

/** The error with the place it happened in put before what is known of its path. */
function located(error: unknown, segment: string): Unstorable {
  const unstorable = asUnstorable(error);
  unstorable.path.push(segment);
  return unstorable;
}

/** `error` itself, or for what a getter or a proxy threw, an {@link Unstorable} that says so. */
export function asUnstorable(error: unknown): Unstorable {
  if (error instanceof Unstorable) return error;
  return new Unstorable(`could not be read (${messageOf(error)})`, { cause: error });
}

function keySegment(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function getSegment(key: unknown): string {
  return typeof key === "string" ? `.get(${JSON.stringify(key)})` : `.get(${typeof key})`;
}
