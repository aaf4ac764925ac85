import { toPlain } from "../core/client/plain.ts";

/** A value for people: a text as it is, anything else as indented JSON. */
export function toText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined) return "(no value)";
  if (value instanceof Uint8Array) return `(${value.byteLength} bytes)`;
  return JSON.stringify(toPlain(value), undefined, 2);
}
