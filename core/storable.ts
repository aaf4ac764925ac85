import { isNativeError } from "node:util/types";

/** What a compiler error shows for a type that cannot be stored. */
export interface NotStorable<Reason extends string> {
  readonly "not storable": Reason;
}

type Primitive = string | number | boolean | bigint | null | undefined | void;
type AnyFunction = ((...args: never) => unknown) | (abstract new (...args: never) => unknown);
type Builtin = Date | RegExp | URL | URLSearchParams | ArrayBuffer | ArrayBufferView | Error;
type Weak = WeakMap<WeakKey, unknown> | WeakSet<WeakKey> | WeakRef<WeakKey>;

/**
 * `T` where it can be stored, a {@link NotStorable} with the reason where it cannot.
 *
 * Intersect what is inferred with it: `(...args: A) => R & ([R] extends [Storable<R>] ? unknown : Storable<R>)`. `any`
 * and `unknown` pass, and so do classes without methods: those are found when the value is encoded.
 */
export type Storable<T> = 0 extends 1 & T ? T : unknown extends T ? T : StorableMember<T>;

type StorableMember<T> = T extends Primitive
  ? T
  : T extends symbol
    ? NotStorable<"symbols cannot be stored; use a string">
    : T extends AnyFunction
      ? NotStorable<"functions cannot be stored; return plain data">
      : T extends Builtin
        ? T
        : T extends PromiseLike<unknown>
          ? NotStorable<"promises cannot be stored; await it first">
          : StorableCollection<T>;

// Before weak collections: a Set of objects has all that a WeakSet has.
type StorableCollection<T> =
  T extends ReadonlyMap<infer K, infer V>
    ? [K, V] extends [Storable<K>, Storable<V>]
      ? T
      : NotStorable<"this Map holds what cannot be stored">
    : T extends ReadonlySet<infer V>
      ? [V] extends [Storable<V>]
        ? T
        : NotStorable<"this Set holds what cannot be stored">
      : StorableObject<T>;

type StorableObject<T> = T extends Weak
  ? NotStorable<"weak references cannot be stored">
  : T extends AsyncIterable<unknown> | Iterator<unknown, unknown, never>
    ? NotStorable<"streams and iterators cannot be stored; collect them first">
    : StorableMembers<T>;

// A mapped type over an array is worked out at once, and never ends for a recursive one; an array type is deferred.
type StorableMembers<T> = T extends readonly (infer Item)[]
  ? number extends T["length"]
    ? readonly Storable<Item>[]
    : { [K in keyof T]: Storable<T[K]> }
  : { [K in keyof T]: Storable<T[K]> };

/** Deepest nesting that is stored. Readers recurse, and may run on a smaller stack than the writer had. */
export const maxDepth = 500;

/** The kinds of object that can be stored. */
export type Kind =
  | "array"
  | "plain"
  | "error"
  | "date"
  | "map"
  | "set"
  | "regexp"
  | "url"
  | "params"
  | "buffer"
  | "view";

// Float16Array is missing: Node 22 could not read it.
const kinds: ReadonlyMap<object | null, Kind> = new Map<object | null, Kind>([
  [null, "plain"],
  [Date.prototype, "date"],
  [Map.prototype, "map"],
  [Set.prototype, "set"],
  [RegExp.prototype, "regexp"],
  [URL.prototype, "url"],
  [URLSearchParams.prototype, "params"],
  [ArrayBuffer.prototype, "buffer"],
  [DataView.prototype, "view"],
  [Int8Array.prototype, "view"],
  [Uint8Array.prototype, "view"],
  [Buffer.prototype, "view"],
  [Uint8ClampedArray.prototype, "view"],
  [Int16Array.prototype, "view"],
  [Uint16Array.prototype, "view"],
  [Int32Array.prototype, "view"],
  [Uint32Array.prototype, "view"],
  [Float32Array.prototype, "view"],
  [Float64Array.prototype, "view"],
  [BigInt64Array.prototype, "view"],
  [BigUint64Array.prototype, "view"],
]);

/** The kind of `value`, or `undefined` for an object that cannot be stored. Prototypes decide: tags can be faked. */
export function kindOf(value: object): Kind | undefined {
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return "plain";
  if (prototype === Array.prototype) return Array.isArray(value) ? "array" : undefined;
  return kinds.get(prototype) ?? unusualKind(value, prototype);
}

/** Whether `value` is an error, of this or another realm. A proxy that refuses to tell is none. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || isNativeError(value);
  } catch {
    return false;
  }
}

/** The first enumerable symbol key of `value`. */
export function symbolKeyOf(value: object): symbol | undefined {
  const symbols = Object.getOwnPropertySymbols(value);
  if (symbols.length === 0) return undefined;
  return symbols.find((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol));
}

/** A field of an array that is no item, given its keys: items come first in them. */
export function namedKeyOf(keys: readonly string[]): string | undefined {
  const last = keys.at(-1);
  if (last === undefined || isIndex(last)) return undefined;
  return keys.find((key) => !isIndex(key));
}

/** Why a function, a symbol or an object without a {@link Kind} cannot be stored, and what to do instead. */
export function whyUnstorable(value: unknown): string {
  if (typeof value === "function") {
    return "is a function; return plain data, or make it again where it is used";
  }
  if (typeof value === "symbol") return "is a symbol; use a string";
  if (value instanceof Promise) return "is a Promise; await it first";
  return `is an instance of ${classNameOf(value)}; return its plain data instead`;
}

/** What is kept of an error. */
export interface ErrorParts {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** One element when the error has a cause that can be stored. */
  readonly cause: readonly unknown[];
  /** The storable members of `AggregateError.errors`. */
  readonly errors: readonly unknown[] | undefined;
  /** Own enumerable fields that can be stored, without the above. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const ownParts = new Set(["name", "message", "stack", "cause"]);

/** Take an error apart. What cannot be read or stored is left out: errors of SDKs hold sockets and responses. */
export function errorParts(error: Error): ErrorParts {
  const stack = readField(error, "stack");
  const cause = Object.hasOwn(error, "cause") ? [readField(error, "cause")] : [];
  const errors = isHidden(error, "errors") ? readField(error, "errors") : undefined;
  return {
    name: textOf(readField(error, "name"), "Error"),
    message: textOf(readField(error, "message"), ""),
    stack: typeof stack === "string" ? stack : undefined,
    cause: cause.filter(isStorable),
    errors: Array.isArray(errors) ? errors.filter(isStorable) : undefined,
    fields: storableFields(error),
  };
}

/** Whether `value` can be stored. An error always can: what it holds and cannot be stored is left out. */
export function isStorable(value: unknown): boolean {
  try {
    return isStorableWithin(value, 0, new Set());
  } catch {
    return false;
  }
}

function storableFields(error: Error): Readonly<Record<string, unknown>> {
  const fields: Record<string, unknown> = Object.create(null);
  for (const key of Object.keys(error)) {
    if (ownParts.has(key)) continue;
    const value = readField(error, key);
    if (value !== unreadable && isStorable(value)) fields[key] = value;
  }
  return fields;
}

function isStorableWithin(value: unknown, depth: number, seen: Set<object>): boolean {
  if (typeof value === "function" || typeof value === "symbol") return false;
  if (typeof value !== "object" || value === null || seen.has(value)) return true;
  const kind = depth > maxDepth ? undefined : kindOf(value);
  if (kind === undefined) return false;
  seen.add(value);
  if (kind === "error") return true;
  if (kind === "plain" && symbolKeyOf(value) !== undefined) return false;
  if (kind === "array" && namedKeyOf(Object.keys(value)) !== undefined) return false;
  return childrenOf(kind, value).every((child) => isStorableWithin(child, depth + 1, seen));
}

/** Highest index of an array; a longer number is an ordinary key. */
export const highestIndex: number = 2 ** 32 - 2;

function isIndex(key: string): boolean {
  const index = Number(key);
  return String(index) === key && Number.isInteger(index) && index >= 0 && index <= highestIndex;
}

function childrenOf(kind: Kind, value: object): readonly unknown[] {
  if (kind === "array" || kind === "plain") return Object.values(value);
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  return value instanceof Set ? [...value] : [];
}

/** Stands for a field whose getter threw; a symbol, so it is never storable. */
const unreadable: unique symbol = Symbol("unreadable");

function readField(error: Error, key: string): unknown {
  try {
    return Reflect.get(error, key);
  } catch {
    return unreadable;
  }
}

function isHidden(error: Error, key: string): boolean {
  return Object.getOwnPropertyDescriptor(error, key)?.enumerable === false;
}

function textOf(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function unusualKind(value: object, prototype: object | null): Kind | undefined {
  if (isError(value)) return "error";
  const root = prototype === null ? null : Object.getPrototypeOf(prototype);
  if (prototype !== null && root === null)
    return isForeign(prototype, "isPrototypeOf") ? "plain" : undefined;
  return Array.isArray(value) && prototype !== null && isForeignArray(prototype, root)
    ? "array"
    : undefined;
}

// Objects and arrays of another realm (node:vm, test runners) have that realm's prototypes.
function isForeign(prototype: object, ownKey: string): boolean {
  return Object.hasOwn(prototype, ownKey);
}

function isForeignArray(prototype: object, root: object | null): boolean {
  return (
    root !== null && Object.getPrototypeOf(root) === null && isForeign(prototype, "copyWithin")
  );
}

function classNameOf(value: unknown): string {
  try {
    const name: unknown = Reflect.get(Object(value), "constructor")?.name;
    if (typeof name === "string" && name !== "" && name !== "Object") return name;
  } catch {
    // A getter of its own: fall back to the tag.
  }
  return Object.prototype.toString.call(value).slice(8, -1);
}
