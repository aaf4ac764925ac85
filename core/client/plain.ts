import { Buffer } from "node:buffer";
import { types } from "node:util";
import { StoredValue } from "./values.ts";

/** A value as JSON can show it; what JSON has no form for is described by what it has. */
export function toPlain(value: unknown): unknown {
  return convert(value, []);
}

function convert(value: unknown, above: readonly object[]): unknown {
  switch (typeof value) {
    case "undefined":
      return null;
    case "bigint":
      return value.toString();
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "object":
      return value === null ? null : convertObject(value, above);
    default:
      return value;
  }
}

function convertObject(value: object, above: readonly object[]): unknown {
  if (above.includes(value)) return "(circular)";
  const inside = [...above, value];
  if (value instanceof StoredValue) return value.toJSON();
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) return value.map((item) => convert(item, inside));
  if (value instanceof Map)
    return [...value].map(([key, item]) => [convert(key, inside), convert(item, inside)]);
  if (value instanceof Set) return [...value].map((item) => convert(item, inside));
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") };
  if (types.isTypedArray(value))
    return Array.from<unknown>(value).map((item) => convert(item, inside));
  if (value instanceof Error)
    return { name: value.name, message: value.message, ...properties(value, inside) };
  return properties(value, inside);
}

/** Like JSON, a property that is undefined is left out. */
function properties(value: object, above: readonly object[]): Record<string, unknown> {
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [key, convert(item, above)]));
}
