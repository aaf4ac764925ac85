/** What a workflow's variables hold. */
export type Value =
  | null
  | boolean
  | number
  | string
  | readonly Value[]
  | { readonly [key: string]: Value };

/** A map that is being built. */
export type ValueMap = { [key: string]: Value };

/** An error as a workflow sees it in `except`. */
export class WorkflowError extends Error {
  readonly value: Value;

  constructor(value: Value) {
    super(textOf(isMap(value) ? value["message"] : value));
    this.value = value;
  }
}

/** An error of the service itself, under one of its tags. */
export function tagged(tag: string, message: string, more: ValueMap = {}): WorkflowError {
  return new WorkflowError({ message: `${tag}: ${message}`, tags: [tag], ...more });
}

/** Whether a value is a map. */
export function isMap(value: Value | undefined): value is { readonly [key: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The words of the service for the type of a value. */
export function typeName(value: Value): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "double";
  return typeof value === "object" ? "map" : typeof value;
}

/** A string as it is, nothing as the empty string, anything else as JSON. */
export function textOf(value: Value | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
