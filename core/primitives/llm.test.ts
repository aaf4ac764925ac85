import { describe, expect, test } from "vitest";
import { z } from "zod";
import { scriptedModel } from "../../testing/models.ts";
import { hasCode } from "../errors.ts";
import type { LlmCall, LlmRunContext } from "../ports/model.ts";
import { durableModel } from "./durable-model.ts";
import { createLlm, llm as boundLlm } from "./llm.ts";
import type { Llm, LlmOptions } from "./llm.ts";

const context: LlmRunContext = {
  signal: new AbortController().signal,
  models: { aliases: { m: { model: "offline/extract", maxOutputTokens: 1 } }, defaultAlias: "m" },
  secrets: { get: () => Promise.resolve(undefined), list: () => Promise.resolve([]), location: "" },
};

function recorder(): { readonly llm: Llm; readonly calls: LlmCall[] } {
  const calls: LlmCall[] = [];
  const llm = createLlm(async (call) => {
    calls.push(call);
    return (await call.run(context)).value;
  });
  return { llm, calls };
}

async function failure(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(hasCode(error, "usage")).toBe(true);
  return (error as Error).message;
}

test("hands a call to the engine at once, and returns what that returns", async () => {
  const { llm, calls } = recorder();
  const answer = llm("One. Two.", {
    model: "offline/extract",
    system: "Be brief.",
    maxOutputTokens: 50,
  });
  expect(calls).toHaveLength(1);
  expect(await answer).toBe("One. Two.");
  expect(calls[0]).toMatchObject({
    name: "llm",
    identity: {
      model: "offline/extract",
      maxOutputTokens: 50,
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "One. Two." },
      ],
    },
  });
});

test("messages, a name, and no model at all", async () => {
  const { llm, calls } = recorder();
  await llm([{ role: "user", content: "Hi" }], { name: "outline" });
  expect(calls[0]).toMatchObject({ name: "outline" });
  expect(calls[0]?.identity).toStrictEqual({ messages: [{ role: "user", content: "Hi" }] });
});

test("an option that is undefined does not hide the alias' default", async () => {
  const { llm, calls } = recorder();
  const options = { maxOutputTokens: undefined } as unknown as { maxOutputTokens: number };
  expect(await llm("aaaa bbbb", options)).toBe("aaaa…");
  expect(calls[0]?.identity).not.toHaveProperty("maxOutputTokens");
});

test("a schema is part of the identity", async () => {
  const { llm, calls } = recorder();
  expect(await failure(llm("Hi", { schema: z.object({ a: z.string() }) }))).toMatch(
    /only writes text/,
  );
  expect(calls[0]?.identity).toMatchObject({
    schema: { type: "object", properties: { a: { type: "string" } } },
  });
});

describe("what can never work rejects before anything is recorded", () => {
  test.each<[string, [string | [], LlmOptions?], RegExp]>([
    ["an empty prompt", [""], /the prompt is empty/],
    ["an empty list", [[]], /list of messages is empty/],
    ["an empty system", ["Hi", { system: "" }], /system is empty/],
    ["a bad name", ["Hi", { name: "1st" }], /the name "1st" does not fit/],
    [
      "an unknown option",
      ["Hi", JSON.parse('{"maxTokens":5}')],
      /"maxTokens" is not an option. Options: model, system/,
    ],
    ["a bad option", ["Hi", { retries: -1 }], /retries must be/],
  ])("%s", async (_, args, message) => {
    const { llm, calls } = recorder();
    expect(await failure(llm(...args))).toMatch(message);
    expect(calls).toHaveLength(0);
  });
});

test("as() describes an override", () => {
  const { llm } = recorder();
  expect(llm.as("outline", "text")).toEqual({
    kind: "override",
    target: "llm.outline",
    field: "output",
    output: "text",
  });
  expect(() => llm.as("no name", 1)).toThrow(/the name "no name" does not fit/);
  expect(() => llm.as(JSON.parse("null"), 1)).toThrow(/the name null/);
});

test("outside a flow llm() and durableModel() say where they belong", async () => {
  const misplaced = (what: string): Error =>
    expect.objectContaining({
      code: "context",
      message: `${what} outside a flow. Do that in the body of a flow or inside a checkpoint.`,
    }) as Error;
  await expect(boundLlm("Hi")).rejects.toThrow(misplaced("llm() was called"));
  await expect(durableModel(scriptedModel(["x"])).doGenerate({ prompt: [] })).rejects.toThrow(
    misplaced("A durableModel() was asked"),
  );
});
