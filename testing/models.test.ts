import { generateText, isStepCount, streamText, tool } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import { scriptedModel } from "./models.ts";

test("answers in order and keeps what it was asked", async () => {
  const model = scriptedModel(["One.", { text: "Two.", inputTokens: 1, outputTokens: 2 }]);
  expect((await generateText({ model, prompt: "a" })).text).toBe("One.");
  const { text, usage } = await generateText({ model, prompt: "b", temperature: 0.5 });
  expect([text, usage.inputTokens, usage.outputTokens]).toEqual(["Two.", 1, 2]);
  expect(model.calls.map(({ temperature }) => temperature)).toEqual([undefined, 0.5]);
});

test("a script that runs out says so", async () => {
  const asked = generateText({ model: scriptedModel([]), prompt: "a" });
  await expect(asked).rejects.toThrow(
    "scriptedModel: call 1 has no answer; the script has 0. It was asked: a",
  );
});

test("answers by function of the last text and the number of the call", async () => {
  const model = scriptedModel((prompt, call) => `${call}: ${prompt}`);
  expect((await generateText({ model, instructions: "sys", prompt: "a" })).text).toBe("0: a");
  const messages = [
    {
      role: "user" as const,
      content: [
        { type: "text" as const, text: "b" },
        { type: "text" as const, text: "c" },
      ],
    },
  ];
  expect((await generateText({ model, messages })).text).toBe("1: bc");
  expect((await model.doGenerate({ prompt: [] })).content).toEqual([{ type: "text", text: "2: " }]);
});

test("calls tools and throws what it is told to", async () => {
  const model = scriptedModel([
    { toolCalls: [{ name: "add", input: { a: 1, b: 2 } }] },
    "3",
    { error: new Error("down") },
  ]);
  const add = tool({
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    execute: ({ a, b }) => a + b,
  });
  const result = await generateText({
    model,
    prompt: "1+2",
    tools: { add },
    stopWhen: isStepCount(2),
  });
  expect([result.text, result.steps[0]?.toolResults[0]?.output]).toEqual(["3", 3]);
  await expect(generateText({ model, prompt: "x" })).rejects.toThrow("down");
});

test("a script that decides by the conversation says the same in every process", async () => {
  const script = () =>
    scriptedModel((_prompt, _call, { prompt }) =>
      prompt.at(-1)?.role === "tool" ? "done" : { toolCalls: [{ name: "x", input: {} }] },
    );
  const x = tool({ inputSchema: z.object({}), execute: () => 1 });
  const ask = { prompt: "a", tools: { x }, stopWhen: isStepCount(3) };
  const first = await generateText({ ...ask, model: script() });
  const used = script();
  await used.doGenerate({ prompt: [] });
  const second = await generateText({ ...ask, model: used });
  expect(first.text).toBe("done");
  expect(second.steps.map(({ toolCalls }) => toolCalls)).toEqual(
    first.steps.map(({ toolCalls }) => toolCalls),
  );
});

test("streams word by word", async () => {
  const model = scriptedModel([{ text: "One two.", toolCalls: [{ name: "x", input: {} }] }]);
  const chunks: string[] = [];
  for await (const chunk of streamText({ model, prompt: "a" }).textStream) chunks.push(chunk);
  expect(chunks).toEqual(["One ", "two."]);
});

test("does not answer an aborted call", async () => {
  const abortSignal = AbortSignal.abort(new Error("stop"));
  await expect(scriptedModel(["x"]).doGenerate({ prompt: [], abortSignal })).rejects.toThrow(
    "stop",
  );
});
