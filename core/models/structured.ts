import type { StandardSchemaV1 } from "@standard-schema/spec";
import { KitaruUsageError, messageOf } from "../errors.ts";
import { isSchema } from "../schema.ts";

/** A JSON Schema document. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A schema a model's answer is held to. */
export interface AnswerSchema {
  /** What the model is shown: always an object at the top, which is all some providers take. */
  readonly shown: JsonSchema;
  /** Take the part of the model's object that the user's schema describes. */
  readonly unwrap: (answer: unknown) => unknown;
}

const wrapKey = "result";

/**
 * JSON Schema of what `schema` accepts.
 *
 * @throws {@link KitaruUsageError} when the schema's library cannot say.
 */
export function jsonSchemaOf(schema: StandardSchemaV1): JsonSchema {
  const standard = standardOf(schema);
  const convert = converterOf(standard);
  if (convert === undefined) {
    throw new KitaruUsageError(
      `llm(): the schema (${standard.vendor}) cannot be written as JSON Schema, which models need. ` +
        "Use a library with Standard JSON Schema support, such as zod 4.2, arktype 2.1.28 or valibot with @valibot/to-json-schema.",
    );
  }
  try {
    return convert({ target: "draft-07" });
  } catch (cause) {
    throw new KitaruUsageError(
      `llm(): part of the schema (${standard.vendor}) has no JSON Schema form: ` +
        `${messageOf(cause)}. Describe the answer with plain objects, arrays, strings, numbers and booleans.`,
      { cause },
    );
  }
}

/** Prepare a JSON Schema for a model: closed objects, an object at the top. */
export function answerSchema(schema: JsonSchema): AnswerSchema {
  const { $schema: _, ...rest } = schema;
  const closed = close(rest) as JsonSchema;
  if (closed["type"] === "object" && closed["$ref"] === undefined) {
    return { shown: closed, unwrap: (answer) => answer };
  }
  return { shown: wrap(closed), unwrap };
}

/** Read JSON from a model's text; models without a JSON mode like to put it in a fenced block. */
export function parseJsonText(text: string): { readonly value: unknown } | undefined {
  const fenced = /```(?:json)?\s*\n([\s\S]*?)```/.exec(text)?.[1];
  for (const candidate of [text, fenced]) {
    if (candidate === undefined) continue;
    try {
      return { value: JSON.parse(candidate) };
    } catch {
      // The next candidate, or no JSON at all.
    }
  }
  return undefined;
}

type Standard = StandardSchemaV1["~standard"];
type Convert = (options: { readonly target: string }) => JsonSchema;

function standardOf(schema: unknown): Standard {
  if (isSchema(schema)) return schema["~standard"];
  throw new KitaruUsageError(
    "llm(): schema must be a Standard Schema, such as z.object({ … }) of zod 4.2 or newer.",
  );
}

function converterOf(standard: object): Convert | undefined {
  if (!("jsonSchema" in standard)) return undefined;
  const converter = standard.jsonSchema as { readonly input?: Convert } | undefined;
  return converter?.input;
}

/** Some providers refuse objects that may have more fields than are listed. */
function close(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(close);
  if (typeof schema !== "object" || schema === null) return schema;
  const closed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    closed[key] = literalKeywords.has(key) ? value : close(value);
  }
  if (closed["type"] === "object" && typeof closed["additionalProperties"] !== "object") {
    closed["additionalProperties"] = false;
  }
  return closed;
}

/** Keywords whose values are data, not schemas. */
const literalKeywords = new Set(["const", "default", "enum", "examples"]);

function wrap(schema: JsonSchema): JsonSchema {
  const { $defs, definitions, ...inner } = schema;
  return {
    type: "object",
    properties: { [wrapKey]: moveRoot(inner) },
    required: [wrapKey],
    additionalProperties: false,
    ...($defs === undefined ? {} : { $defs: moveRoot($defs) }),
    ...(definitions === undefined ? {} : { definitions: moveRoot(definitions) }),
  };
}

/** A schema that refers to itself must find itself at its new place. */
function moveRoot(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(moveRoot);
  if (typeof schema !== "object" || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [
    key,
    key === "$ref" && value === "#" ? `#/properties/${wrapKey}` : moveRoot(value),
  ]);
  return Object.fromEntries(entries);
}

function unwrap(answer: unknown): unknown {
  return typeof answer === "object" && answer !== null && wrapKey in answer
    ? answer[wrapKey]
    : answer;
}
