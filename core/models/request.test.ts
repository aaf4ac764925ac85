import { describe, expect, test } from "vitest";
import { hasCode } from "../errors.ts";
import { checkRequest, toMessages } from "./request.ts";
import type { LlmMessage, LlmRequest } from "./request.ts";

function thrownMessage(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (hasCode(error, "usage")) return error.message;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("toMessages", () => {
  test("text is one user message; system comes first", () => {
    expect(toMessages("Hi")).toEqual([{ role: "user", content: "Hi" }]);
    const list: LlmMessage[] = [{ role: "assistant", content: [{ type: "text", text: "a" }] }];
    expect(toMessages(list, "Be brief.")).toEqual([
      { role: "system", content: "Be brief." },
      ...list,
    ]);
  });

  test.each<[string, unknown, string | undefined, RegExp]>([
    ["empty text", " \n", undefined, /the prompt is empty/],
    ["no text", 5, undefined, /must be text or a list of messages, not 5/],
    ["an empty list", [], undefined, /list of messages is empty/],
    ["an empty system", "Hi", " ", /system is empty/],
    ["only system messages", [{ role: "system", content: "x" }], undefined, /only system messages/],
    [
      "a message that is none",
      ["x"],
      undefined,
      /messages\[0\] must be \{ role, content \}, not "x"/,
    ],
    ["null", [null], undefined, /messages\[0\] must be/],
    [
      "no role",
      [{ content: "x" }],
      undefined,
      /messages\[0\]\.role must be one of system, user, assistant, tool, not undefined/,
    ],
    ["an unknown role", [{ role: "human", content: "x" }], undefined, /not "human"/],
    [
      "no content",
      [{ role: "user", content: "x" }, { role: "user" }],
      undefined,
      /messages\[1\]\.content must be text/,
    ],
    [
      "empty content",
      [{ role: "user", content: "" }],
      undefined,
      /messages\[0\]\.content is empty/,
    ],
    ["no parts", [{ role: "user", content: [] }], undefined, /messages\[0\]\.content is empty/],
  ])("refuses %s", (_, prompt, system, message) => {
    expect(thrownMessage(() => toMessages(prompt as string, system))).toMatch(message);
  });
});

describe("checkRequest", () => {
  const messages = toMessages("Hi");

  test("passes a full request through", () => {
    const request: LlmRequest = {
      model: "fast",
      messages,
      temperature: 0,
      maxOutputTokens: 1,
      maxSteps: 1,
      retries: 0,
      record: "metadata",
      tools: { search: { execute: () => 1 }, hosted: { type: "provider" } },
    };
    expect(checkRequest(request)).toBe(request);
    expect(checkRequest({ messages })).toEqual({ messages });
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ["a blank model", { model: " " }, /model must be an alias or provider\/model, not " "/],
    [
      "a negative temperature",
      { temperature: -0.1 },
      /temperature must be a number from 0, not -0\.1/,
    ],
    ["NaN", { temperature: Number.NaN }, /not NaN/],
    ["no tokens", { maxOutputTokens: 0 }, /maxOutputTokens must be a whole number from 1, not 0/],
    ["half a step", { maxSteps: 1.5 }, /maxSteps must be .*not 1\.5/],
    ["fewer than no retries", { retries: -1 }, /retries must be a whole number from 0, not -1/],
    ["another record", { record: "none" }, /record must be "full" or "metadata", not "none"/],
    ["a tool nobody runs", { tools: { search: {} } }, /the tool "search" has no execute function/],
  ])("refuses %s", (_, fields, message) => {
    expect(thrownMessage(() => checkRequest({ messages, ...fields }))).toMatch(message);
  });
});
