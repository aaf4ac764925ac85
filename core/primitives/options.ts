import { KitaruUsageError } from "../errors.ts";
import { isSchema } from "../schema.ts";

/**
 * Throw a usage error for an option that nobody reads: a misspelt one would silently leave a default in force.
 * @param where what the options were given to, for the message
 */
export function checkOptions(where: string, options: unknown, names: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new KitaruUsageError(
      `${where}: the options must be an object, not ${shown(options)}. Options: ${names.join(", ")}.`,
    );
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new KitaruUsageError(
    `${where}: "${unknown}" is not an option. Options: ${names.join(", ")}.`,
  );
}

/** Throw a usage error unless `schema` is absent or a Standard Schema. */
export function checkSchema(where: string, name: string, schema: unknown): void {
  if (schema === undefined || isSchema(schema)) return;
  throw new KitaruUsageError(
    `${where}: \`${name}\` must be a Standard Schema, as zod, valibot or arktype make them, not ${shown(schema)}.`,
  );
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "another object" : String(value);
}
