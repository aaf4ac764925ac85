/**
 * Messages and answers of the AI SDK are plain data but for a few places (a `URL` of a file, bytes as
 * `ArrayBuffer` or `Buffer`, functions). These two make them storable and bring back what matters.
 */

const urlTag = "$url";

/** Copy `value` as plain storable data; what no store can hold (functions, symbols) is left out. */
export function toPlain(value: unknown): unknown {
  return copy(value, new Set());
}

/** Undo {@link toPlain} where a program would notice: URLs become `URL` objects again. */
export function fromPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromPlain);
  if (!isPlainObject(value)) return value;
  const url = value[urlTag];
  if (typeof url === "string" && Object.keys(value).length === 1) return new URL(url);
  return mapValues(value, fromPlain);
}

function copy(value: unknown, parents: Set<object>): unknown {
  if (typeof value === "function" || typeof value === "symbol") return undefined;
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof URL) return { [urlTag]: value.href };
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value.slice(0));
  if (value instanceof Date) return new Date(value);
  if (parents.has(value)) return undefined;
  parents.add(value);
  const copied = copyContainer(value, parents);
  parents.delete(value);
  return copied;
}

function copyContainer(value: object, parents: Set<object>): unknown {
  if (Array.isArray(value)) return value.map((item) => copy(item, parents));
  if (value instanceof Map) {
    return new Map([...value].map(([key, item]) => [copy(key, parents), copy(item, parents)]));
  }
  if (value instanceof Set) return new Set([...value].map((item) => copy(item, parents)));
  if (value instanceof Error) return { name: value.name, message: value.message };
  if ("toJSON" in value && typeof value.toJSON === "function") return copy(value.toJSON(), parents);
  return mapValues(value, (item) => copy(item, parents));
}

/** Own fields mapped; those that come out `undefined` are dropped, so that absent and undefined hash alike. */
function mapValues(value: object, map: (item: unknown) => unknown): Record<string, unknown> {
  const entries = Object.entries(value).map(([key, item]) => [key, map(item)] as const);
  return Object.fromEntries(entries.filter(([, item]) => item !== undefined));
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
