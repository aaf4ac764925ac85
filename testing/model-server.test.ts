import { createOpenAI } from "@ai-sdk/openai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { generateText, isStepCount, streamText, tool } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import { modelServer } from "./model-server.ts";

const add = tool({ inputSchema: z.object({ a: z.number() }), execute: ({ a }) => a + 1 });

test.each([
  ["openai-chat", (url: string) => createOpenAI({ apiKey: "k", baseURL: `${url}/v1` }).chat("m")],
  ["openai-responses", (url: string) => createOpenAI({ apiKey: "k", baseURL: `${url}/v1` })("m")],
  ["anthropic", (url: string) => createAnthropic({ apiKey: "k", baseURL: `${url}/v1` })("m")],
  ["google", (url: string) => createGoogle({ apiKey: "k", baseURL: `${url}/v1beta` })("m")],
  [
    "bedrock",
    (url: string) => createAmazonBedrock({ apiKey: "k", region: "r", baseURL: url })("m"),
  ],
] as const)("speaks %s: text, tool calls, errors", async (protocol, open) => {
  await using server = await modelServer({
    respond: ({ index }) =>
      index === 0
        ? { toolCalls: [{ name: "add", input: { a: 1 } }] }
        : index === 1
          ? "Two."
          : { status: 400, text: "bad" },
  });
  const model = open(server.url);
  const result = await generateText({
    model,
    prompt: "Hi",
    tools: { add },
    stopWhen: isStepCount(3),
  });
  expect([result.text, result.usage.totalTokens]).toEqual(["Two.", 36]);
  await expect(generateText({ model, prompt: "Hi" })).rejects.toThrow(/bad/);
  expect(server.requests.map((request) => request.protocol)).toEqual([
    protocol,
    protocol,
    protocol,
  ]);
  expect(server.requests[0]?.prompt).toBe("Hi");
});

test("streams chat completions with usage", async () => {
  await using server = await modelServer({
    respond: ({ index }) =>
      index === 0 ? { toolCalls: [{ name: "add", input: { a: 1 } }] } : "One two.",
  });
  const model = createOpenAI({ apiKey: "k", baseURL: `${server.url}/v1` }).chat("m");
  const result = streamText({ model, prompt: "Hi", tools: { add }, stopWhen: isStepCount(3) });
  expect(await result.text).toBe("One two.");
  expect((await result.usage).totalTokens).toBe(36);
});

test("takes an empty request, and one without messages", async () => {
  await using server = await modelServer();
  const answer = (await (
    await fetch(`${server.url}/anything`, { method: "POST" })
  ).json()) as object;
  expect(answer).toMatchObject({ choices: [{ message: { content: "You said: " } }] });
  await fetch(`${server.url}/x`, {
    method: "POST",
    body: JSON.stringify({ input: "text", messages: undefined }),
  });
  await fetch(`${server.url}/x`, { method: "POST", body: JSON.stringify({ messages: [5] }) });
  expect(server.requests.map(({ prompt }) => prompt)).toEqual(["", "text", ""]);
});

test("a respond() that throws says so; a request that is no JSON gets no answer", async () => {
  await using server = await modelServer({
    respond: () => {
      throw "script";
    },
  });
  const answer = await fetch(`${server.url}/x`, { method: "POST" });
  expect([answer.status, await answer.text()]).toEqual([
    400,
    expect.stringMatching(/respond\(\) failed: script/),
  ]);
  await expect(fetch(`${server.url}/x`, { method: "POST", body: "{" })).rejects.toThrow(
    /fetch failed/,
  );
});
