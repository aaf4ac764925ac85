import { tool } from "ai";
import type { LanguageModel, ModelMessage } from "ai";
import type { LanguageModelV2, LanguageModelV3, LanguageModelV4 } from "@ai-sdk/provider";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { DurableModel } from "../models/durable.ts";
import type { ModelsConfig } from "../models/registry.ts";
import type { LlmMessage, LlmTools } from "../models/request.ts";
import type { Override } from "../engine/replay/override.ts";
import type { Llm } from "./llm.ts";

declare const llm: Llm;
declare const durableModel: DurableModel;

test("text without a schema", () => {
  expectTypeOf(llm("Hi")).toEqualTypeOf<Promise<string>>();
  expectTypeOf(
    llm([{ role: "user", content: "Hi" }], { model: "fast", temperature: 0 }),
  ).toEqualTypeOf<Promise<string>>();
});

test("the schema's output with one", () => {
  const schema = z.object({ title: z.string(), score: z.string().transform(Number) });
  expectTypeOf(llm("Hi", { schema })).toEqualTypeOf<Promise<{ title: string; score: number }>>();
  expectTypeOf(llm("Hi", { schema: z.array(z.boolean()), model: "fast" })).toEqualTypeOf<
    Promise<boolean[]>
  >();
});

test("what must not compile", () => {
  // @ts-expect-error no prompt
  void llm();
  // @ts-expect-error a number is no prompt
  void llm(5);
  // @ts-expect-error no such option
  void llm("Hi", { maxTokens: 5 });
  // @ts-expect-error a model is named by text
  void llm("Hi", { model: 5 });
  // @ts-expect-error JSON Schema is no Standard Schema
  void llm("Hi", { schema: { type: "object" } });
  // @ts-expect-error no such role
  void llm([{ role: "human", content: "Hi" }]);
  // @ts-expect-error no content
  void llm([{ role: "user" }]);
  // @ts-expect-error no such record
  void llm("Hi", { record: "none" });
  // @ts-expect-error an override has a name
  llm.as({ output: 1 });
});

test("messages and tools of the AI SDK fit", () => {
  expectTypeOf<ModelMessage>().toExtend<LlmMessage>();
  expectTypeOf(llm([] as ModelMessage[])).toEqualTypeOf<Promise<string>>();
  const search = tool({ inputSchema: z.object({ q: z.string() }), execute: ({ q }) => q.length });
  const tools = { search } satisfies LlmTools;
  expectTypeOf(llm("Hi", { tools })).toEqualTypeOf<Promise<string>>();
});

test("overrides", () => {
  expectTypeOf(llm.as("outline", "text")).toEqualTypeOf<Override>();
});

test("a durable model is a model of the same version", () => {
  expectTypeOf(durableModel({} as LanguageModelV4)).toEqualTypeOf<LanguageModelV4>();
  expectTypeOf(durableModel({} as LanguageModelV3)).toEqualTypeOf<LanguageModelV3>();
  expectTypeOf(durableModel({} as LanguageModelV2)).toEqualTypeOf<LanguageModelV2>();
  expectTypeOf<ReturnType<DurableModel>>().toExtend<LanguageModel>();
  // @ts-expect-error a name is no model
  void durableModel("gpt-5");
});

test("the models of a config", () => {
  expectTypeOf({
    fast: { model: "anthropic/claude-haiku-4-5", secret: "anthropic" },
    smart: "openai/gpt-5",
  }).toExtend<ModelsConfig>();
  // @ts-expect-error half a price
  void ({ a: { model: "openai/x", price: { input: 1 } } } satisfies ModelsConfig);
});
