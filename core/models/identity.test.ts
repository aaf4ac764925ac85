import { jsonSchema, tool } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import { identityOf } from "./identity.ts";
import { toMessages } from "./request.ts";
import type { LlmRequest } from "./request.ts";

const base: LlmRequest = { messages: toMessages("Hi") };

test("what does not change the answer is left out", () => {
  expect(identityOf(base)).toStrictEqual({ messages: [{ role: "user", content: "Hi" }] });
  expect(identityOf({ ...base, retries: 5, record: "metadata" })).toStrictEqual(identityOf(base));
});

test("what changes the answer is in", () => {
  const request: LlmRequest = {
    ...base,
    model: "fast",
    temperature: 0,
    maxOutputTokens: 5,
    maxSteps: 2,
    schema: z.string(),
  };
  expect(identityOf(request)).toMatchObject({
    model: "fast",
    temperature: 0,
    maxOutputTokens: 5,
    maxSteps: 2,
    schema: { type: "string" },
  });
});

test("a URL in a message is stored as its text", () => {
  const messages = toMessages([
    { role: "user", content: [{ type: "image", image: new URL("https://a/b") }] },
  ]);
  expect(identityOf({ messages })).toEqual({
    messages: [{ role: "user", content: [{ type: "image", image: { $url: "https://a/b" } }] }],
  });
});

test("tools: name, description and input schema in every form the AI SDK takes", () => {
  const execute = (): number => 1;
  const schema = { type: "object", properties: {} } as const;
  const plain = {
    "~standard": { version: 1, vendor: "acme", validate: (value: unknown) => ({ value }) },
  };
  const tools = {
    zod: tool({ description: "d", inputSchema: z.object({ city: z.string() }), execute }),
    json: tool({ inputSchema: jsonSchema(schema), execute }),
    lazy: tool({ inputSchema: () => jsonSchema(schema), execute }),
    later: { inputSchema: jsonSchema(Promise.resolve(schema)), execute },
    plain: { inputSchema: plain, execute },
    none: { execute },
    hosted: { type: "provider", id: "openai.web_search", args: { size: "low" } },
  };
  expect(identityOf({ ...base, tools })).toMatchObject({
    tools: [
      {
        name: "zod",
        description: "d",
        inputSchema: { type: "object", properties: { city: { type: "string" } } },
      },
      { name: "json", inputSchema: schema },
      { name: "lazy", inputSchema: schema },
      { name: "later" },
      { name: "plain" },
      { name: "none" },
      { name: "hosted", type: "provider", id: "openai.web_search", args: { size: "low" } },
    ],
  });
  const { tools: written } = identityOf({ ...base, tools }) as { tools: object[] };
  expect(written.slice(3, 6).every((each) => !("inputSchema" in each))).toBe(true);
});
