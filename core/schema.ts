import { AsyncLocalStorage } from "node:async_hooks";
import type { OutputUnit } from "@cfworker/json-schema";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { messageOf } from "./errors.ts";
import { holdRejections } from "./held-rejections.ts";

/** A schema of any library that follows Standard Schema: zod, valibot, arktype, … */
export type StandardSchema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;

/** What a schema takes. */
export type SchemaInput<S extends StandardSchemaV1> = StandardSchemaV1.InferInput<S>;

/** What a schema gives: its input after defaults and transforms. */
export type SchemaOutput<S extends StandardSchemaV1> = StandardSchemaV1.InferOutput<S>;

/** A value, or a promise of one where it cannot be had at once. */
export type MaybePromise<T> = T | Promise<T>;

/** Outcome of checking a value; `issues` is text for people. */
export type Validation<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly issues: string };

/** Outcome of checking a value against JSON Schema, which changes nothing. */
export type JsonValidation =
  | { readonly ok: true }
  | { readonly ok: false; readonly issues: string };

/** Whether `value` is a Standard Schema; some libraries use functions. */
export function isSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== "object" || value === null) && typeof value !== "function") return false;
  const standard: unknown = Reflect.get(value, "~standard");
  return isRecord(standard) && typeof standard["validate"] === "function";
}

/** Libraries try a schema that turns out to be asynchronous a second time, and drop what the first try came to. */
const checking = new AsyncLocalStorage<true>();
const isOfCheck = (): boolean => checking.getStore() === true;

/** Check `value` and transform it as the schema says. Synchronous when the schema is; never throws. */
export function validate<S extends StandardSchemaV1>(
  schema: S,
  value: unknown,
): MaybePromise<Validation<SchemaOutput<S>>> {
  holdRejections(isOfCheck);
  try {
    const result: MaybePromise<StandardSchemaV1.Result<SchemaOutput<S>>> = checking.run(true, () =>
      schema["~standard"].validate(value),
    );
    return result instanceof Promise ? result.then(toValidation, unfit) : toValidation(result);
  } catch (error) {
    return unfit(error);
  }
}

/** A value about which the schema's own code throws does not fit: a library would not throw, a transform may. */
function unfit(error: unknown): Validation<never> {
  return { ok: false, issues: `its schema threw: ${messageOf(error)}` };
}

/** The JSON Schema (2020-12) of what a schema takes, or `undefined` when its library or its type has none. */
export function toJsonSchema(
  schema: StandardSchemaV1,
): Readonly<Record<string, unknown>> | undefined {
  try {
    const standard: object = schema["~standard"];
    if (!("jsonSchema" in standard) || !isRecord(standard.jsonSchema)) return undefined;
    const { input } = standard.jsonSchema;
    const json: unknown =
      typeof input === "function" ? input({ target: "draft-2020-12" }) : undefined;
    return isRecord(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Check `value` against a JSON Schema, for processes that do not have the code the schema came from. */
export async function validateJson(
  jsonSchema: Readonly<Record<string, unknown>>,
  value: unknown,
): Promise<JsonValidation> {
  const view = jsonView(value);
  if (!view.ok) return view;
  try {
    const { validate: check } = await import("@cfworker/json-schema");
    const { valid, errors } = check(view.value, jsonSchema, "2020-12", undefined, false);
    return valid ? { ok: true } : { ok: false, issues: joined(issuesOf(errors, view.value)) };
  } catch (error) {
    return { ok: false, issues: `its schema cannot be applied: ${messageOf(error)}` };
  }
}

const mostIssues = 5;
const longestShown = 80;

function toValidation<T>(result: StandardSchemaV1.Result<T>): Validation<T> {
  if (result.issues === undefined) return { ok: true, value: result.value };
  return { ok: false, issues: joined(result.issues.map(standardIssue)) };
}

function standardIssue(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((part) => (typeof part === "object" ? part.key : part));
  return withPath(path, issue.message);
}

function joined(issues: readonly string[]): string {
  const distinct = [...new Set(issues)];
  const more = distinct.length - mostIssues;
  const shown = distinct.slice(0, mostIssues).join("; ");
  return more > 0 ? `${shown}; and ${more} more` : shown;
}

function withPath(path: readonly PropertyKey[], message: string): string {
  const text = path.map(segment).join("").replace(/^\./, "");
  return text === "" ? message : `${text}: ${message}`;
}

function segment(key: PropertyKey): string {
  const text = String(key);
  if (/^\d+$/.test(text)) return `[${text}]`;
  return /^[\w$]+$/.test(text) ? `.${text}` : `[${JSON.stringify(text)}]`;
}

/** `value` as JSON would carry it: dates are text, undefined keys are gone; what JSON would distort is refused. */
function jsonView(value: unknown): Validation<unknown> {
  try {
    const text: string | undefined = JSON.stringify(value, refuseObjects);
    if (text !== undefined) return { ok: true, value: JSON.parse(text) };
    return { ok: false, issues: `expected a value, received ${show(value)}` };
  } catch (error) {
    return { ok: false, issues: `expected plain JSON: ${messageOf(error)}` };
  }
}

function refuseObjects(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return value;
  throw new TypeError(`received an instance of ${value.constructor.name}`);
}

/** One line for each error that names a cause; the other errors say that something below them failed. */
function issuesOf(errors: readonly OutputUnit[], value: unknown): readonly string[] {
  const causes = errors.filter((unit) => !wrappers.has(unit.keyword));
  const outside = causes.filter((unit) => !causes.some((choice) => isBranchOf(unit, choice)));
  return outside.map((unit) => issueOf(unit, causes, value));
}

const wrappers: ReadonlySet<string> = new Set([
  "$ref",
  "allOf",
  "properties",
  "patternProperties",
  "additionalProperties",
  "unevaluatedProperties",
  "items",
  "prefixItems",
  "additionalItems",
  "unevaluatedItems",
  "dependentSchemas",
  "if",
]);
const choices: ReadonlySet<string> = new Set(["anyOf", "oneOf"]);

/** Whether `unit` is from one branch of `choice`: that a value fits no branch is said once. */
function isBranchOf(unit: OutputUnit, choice: OutputUnit): boolean {
  return (
    choices.has(choice.keyword) && unit.keywordLocation.startsWith(`${choice.keywordLocation}/`)
  );
}

function issueOf(unit: OutputUnit, causes: readonly OutputUnit[], value: unknown): string {
  const path = unit.instanceLocation.split("/").slice(1).map(unescapePointer);
  const received = show(valueAt(value, path));
  if (!choices.has(unit.keyword)) return withPath(path, explain(unit, received));
  return withPath(path, explainChoice(unit, causes, received));
}

function explain({ keyword, error }: OutputUnit, received: string): string {
  switch (keyword) {
    case "type":
      return `expected ${quotedIn(error).slice(1).join(" or ")}, received ${received}`;
    case "enum":
    case "const":
      return `expected ${error.replace(/^Instance does not match (any of )?/, (_, any) => (any === undefined ? "" : "one of ")).slice(0, -1)}, received ${received}`;
    case "required":
      return `"${quotedIn(error).join()}" is missing`;
    case "false":
      return `is not allowed here, received ${received}`;
    default:
      return `${error.replace(/\.$/, "")}, received ${received}`;
  }
}

function explainChoice(
  choice: OutputUnit,
  causes: readonly OutputUnit[],
  received: string,
): string {
  const inside = causes.filter((unit) => isBranchOf(unit, choice));
  const expected = inside.flatMap((unit) => quotedIn(unit.error).slice(1));
  const onlyTypes = inside.every(
    (unit) => unit.keyword === "type" && unit.instanceLocation === choice.instanceLocation,
  );
  if (onlyTypes && expected.length > 0)
    return `expected ${expected.join(" or ")}, received ${received}`;
  return `expected one of the allowed shapes, received ${received}`;
}

function quotedIn(error: string): readonly string[] {
  return [...error.matchAll(/"([^"]*)"/g)].map(([, quoted = ""]) => quoted);
}

function unescapePointer(part: string): string {
  return decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const key of path) at = isRecord(at) ? at[key] : undefined;
  return at;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
