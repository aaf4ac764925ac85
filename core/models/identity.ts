import { isSchema } from "../schema.ts";
import type { LlmRequest, LlmTool } from "./request.ts";
import { toPlain } from "./plain.ts";
import { jsonSchemaOf } from "./structured.ts";

/**
 * Everything of a request that determines its answer, storable. Left out: the call's name, its retries
 * and how it is recorded. The model is the name as written, so moving an alias does not pay again.
 */
export function identityOf(request: LlmRequest): unknown {
  const { model, messages, schema, temperature, maxOutputTokens, maxSteps, tools } = request;
  return toPlain({
    model,
    messages,
    schema: schema === undefined ? undefined : jsonSchemaOf(schema),
    temperature,
    maxOutputTokens,
    maxSteps,
    tools: tools === undefined ? undefined : Object.entries(tools).map(describeTool),
  });
}

function describeTool([name, tool]: readonly [string, LlmTool]): unknown {
  const { type, description, inputSchema } = tool;
  // `id` and `args` say which tool of a provider this is.
  const { id, args } = tool as { readonly id?: unknown; readonly args?: unknown };
  return { name, type, id, args, description, inputSchema: toolSchemaOf(inputSchema) };
}

/** JSON Schema of a tool's input, from the forms the AI SDK takes; absent where it is not known at once. */
function toolSchemaOf(schema: unknown): unknown {
  if (typeof schema === "function" && !isSchema(schema)) return toolSchemaOf(schema());
  if (isSchema(schema)) {
    try {
      return jsonSchemaOf(schema);
    } catch {
      // Without Standard JSON Schema support the tool still works; its name and description identify it.
      return undefined;
    }
  }
  if (typeof schema !== "object" || schema === null || !("jsonSchema" in schema)) return undefined;
  const { jsonSchema } = schema;
  return jsonSchema instanceof Promise ? undefined : jsonSchema;
}
