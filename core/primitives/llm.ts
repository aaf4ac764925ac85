import type { StandardSchemaV1 } from "@standard-schema/spec";
import { KitaruUsageError } from "../errors.ts";
import type { Override } from "../engine/replay/override.ts";
import { identityOf } from "../models/identity.ts";
import { checkRequest, toMessages } from "../models/request.ts";
import type { LlmMessage, LlmRequest, LlmTools } from "../models/request.ts";
import type { LlmCall } from "../ports/model.ts";
import { checkOptions } from "./options.ts";
import { overridable } from "./replay-target.ts";
import { recordLlm } from "./scope.ts";

/** Options of {@link Llm}. */
export interface LlmOptions {
  /** Alias from the config, or `provider/model`. @default KITARU_DEFAULT_MODEL, else the default alias */
  readonly model?: string;
  /** Instructions put before the conversation. */
  readonly system?: string;
  /** From 0; the alias' default otherwise. */
  readonly temperature?: number;
  /** Longest answer in tokens; the alias' default otherwise. */
  readonly maxOutputTokens?: number;
  /** AI SDK tools with `execute`; they run inside this one call. */
  readonly tools?: LlmTools;
  /** Most times the model is asked when it calls tools. @default 20 */
  readonly maxSteps?: number;
  /** Name of the call, for replay, overrides and logs. @default "llm" */
  readonly name?: string;
  /** More tries after a rate limit or a failure of the provider. @default 2 */
  readonly retries?: number;
  /** `metadata` keeps prompt and response artifacts out of the store. @default the alias' setting, else "full" */
  readonly record?: "full" | "metadata";
}

/** Options of a call whose answer is held to a schema. */
export interface LlmSchemaOptions<S extends StandardSchemaV1> extends LlmOptions {
  /** Any Standard Schema that can be written as JSON Schema, such as a zod 4 schema. */
  readonly schema: S;
}

/** One llm call of a flow body in a replay. */
export interface LlmCalls {
  /** Names it in `from` and `skip`. */
  readonly selector: string;
  /** This answer in place of the recorded one; no model is asked. */
  as(output: unknown): Override;
  /** Ask another model: an alias or `provider/model`. */
  withModel(model: string): Override;
  /** Ask with another prompt. */
  withPrompt(prompt: string): Override;
}

/** The `llm` primitive. */
export interface Llm {
  /** Ask a model and record its answer: a call of its own in a flow, a part of the checkpoint in one. */
  (prompt: string | readonly LlmMessage[], options?: LlmOptions): Promise<string>;
  /** Ask a model for an answer that fits `schema`; returns the schema's output. */
  <S extends StandardSchemaV1>(
    prompt: string | readonly LlmMessage[],
    options: LlmSchemaOptions<S>,
  ): Promise<StandardSchemaV1.InferOutput<S>>;
  /** In a replay, this answer for every llm call named `name`, in the flow body and inside checkpoints. */
  readonly as: (name: string, output: unknown) => Override;
  /** In a replay, have another model answer every llm call named `name`. */
  readonly withModel: (name: string, model: string) => Override;
  /** In a replay, ask this instead in every llm call named `name`. */
  readonly withPrompt: (name: string, prompt: string) => Override;
  /** One llm call of a flow body in a replay, by its number. */
  readonly at: (name: string, index: number) => LlmCalls;
}

/** Hands a call to the engine, which reuses a recorded outcome or runs it. */
export type RecordLlm = (call: LlmCall) => Promise<unknown>;

const namePattern = /^[A-Za-z][A-Za-z0-9_-]{0,79}$/;
const optionNames = [
  "model",
  "system",
  "schema",
  "temperature",
  "maxOutputTokens",
  "tools",
  "maxSteps",
  "name",
  "retries",
  "record",
];

/** Make the primitive over the function that records calls. */
export function createLlm(record: RecordLlm): Llm {
  function ask(prompt: string | readonly LlmMessage[], options?: LlmOptions): Promise<string>;
  function ask<S extends StandardSchemaV1>(
    prompt: string | readonly LlmMessage[],
    options: LlmSchemaOptions<S>,
  ): Promise<StandardSchemaV1.InferOutput<S>>;
  // Async, so that a usage error rejects like every other failure; the call is still asked at once.
  async function ask(
    prompt: string | readonly LlmMessage[],
    options: LlmOptions & { readonly schema?: StandardSchemaV1 } = {},
  ): Promise<unknown> {
    return await record(toCall(prompt, options));
  }
  return Object.assign(ask, {
    as: (name: string, output: unknown) => calls(name).as(output),
    withModel: (name: string, model: string) => calls(name).withModel(model),
    withPrompt: (name: string, prompt: string) => calls(name).withPrompt(prompt),
    at: calls,
  });
}

/** Ask a model: text, or with `schema` a value of that form. Recorded, so a re-run reads the answer and pays nothing. */
export const llm: Llm = createLlm(recordLlm);

function toCall(
  prompt: string | readonly LlmMessage[],
  options: LlmOptions & { readonly schema?: StandardSchemaV1 },
): LlmCall {
  checkOptions("llm()", options, optionNames);
  const { name = "llm", system, ...rest } = options;
  checkName(name);
  const request = checkRequest({ ...defined(rest), messages: toMessages(prompt, system) });
  return {
    name,
    identity: identityOf(request),
    // Loaded when a model is first asked: a program that only waits need not read it.
    run: async (context) => {
      const { generate } = await import("../models/generate.ts");
      return await generate(request, context);
    },
    with: ({ model = options.model, prompt: other = prompt }) =>
      toCall(other, model === undefined ? options : { ...options, model }),
  };
}

function calls(name: string, index?: number): LlmCalls {
  checkName(name);
  const { selector, as, withModel, withInput } = overridable(
    index === undefined ? `llm.${name}` : `${name}:${index}`,
  );
  return { selector, as, withModel, withPrompt: (prompt) => withInput(prompt) };
}

function checkName(name: unknown): void {
  if (typeof name === "string" && namePattern.test(name)) return;
  throw new KitaruUsageError(
    `llm(): the name ${JSON.stringify(name)} does not fit. A name starts with a letter and has at most 80 letters, digits, _ and -.`,
  );
}

/** An option that is present but undefined must not hide an alias' default. */
function defined(options: Omit<LlmRequest, "messages">): Omit<LlmRequest, "messages"> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
