import { APICallError } from "@ai-sdk/provider";
import { describe, expect, test } from "vitest";
import { KitaruUsageError, hasCode } from "../errors.ts";
import { isRetryable, modelError, redact, retryAfterMs } from "./failure.ts";
import type { FailureContext } from "./failure.ts";

const context: FailureContext = { caller: "llm()", model: "openai/gpt-5" };

function callError(
  fields: { status?: number; message?: string; headers?: Record<string, string> } = {},
): APICallError {
  const { status, message = "Nope", headers } = fields;
  return new APICallError({
    message,
    url: "https://api.example.com/v1/chat?key=hush",
    requestBodyValues: { prompt: "private prompt" },
    responseBody: "private response",
    ...(status === undefined ? {} : { statusCode: status }),
    ...(headers === undefined ? {} : { responseHeaders: headers }),
  });
}

describe("modelError", () => {
  test.each([
    [400, /HTTP 400, Nope\. Mend the request/],
    [
      401,
      /HTTP 401, Nope\. Check the credentials in OPENAI_API_KEY, and that they may use this model/,
    ],
    [403, /Check the credentials in OPENAI_API_KEY/],
    [404, /Check the model's name \(https:\/\/docs\) and the base URL/],
    [408, /Wait, raise/],
    [429, /Wait, raise the provider's limit/],
    [500, /The provider is in trouble/],
    [529, /The provider is in trouble/],
    [200, /: Nope\. The server at https:\/\/api\.example\.com does not speak this protocol/],
    [undefined, /: Nope\. Check that https:\/\/api\.example\.com can be reached/],
  ])("of status %s says what to do", (status, message) => {
    const error = modelError(callError(status === undefined ? {} : { status }), {
      ...context,
      keySource: "OPENAI_API_KEY",
      docs: "https://docs",
    });
    expect(hasCode(error, "model")).toBe(true);
    expect(error.message).toMatch(/^llm\(\) got no answer from openai\/gpt-5: /);
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({
      details: { model: "openai/gpt-5", ...(status === undefined ? {} : { status }) },
    });
  });

  test("knows less and still gives advice", () => {
    expect(modelError(callError({ status: 401 }), context).message).toMatch(
      /Check the credentials, and/,
    );
    expect(modelError(callError({ status: 404 }), context).message).toMatch(
      /Check the model's name and the base URL/,
    );
    expect(modelError(new Error("odd"), context).message).toMatch(/: odd\. Mend what it says/);
    expect(modelError("text", context)).toMatchObject({
      cause: { name: "Error", message: "text" },
    });
    const odd = Object.assign(new Error("x"), { url: 5, statusCode: 200 });
    expect(modelError(odd, context).message).toMatch(/The server at the base URL does not/);
  });

  test("counts the tries", () => {
    const last = callError({ status: 503 });
    const retried = Object.assign(new Error("Failed after 3"), {
      errors: [1, 2, last],
      lastError: last,
    });
    expect(modelError(retried, context).message).toMatch(
      /openai\/gpt-5 after 3 tries: HTTP 503, Nope/,
    );
    expect(modelError(last, { ...context, tries: 2 }).message).toMatch(/after 2 tries/);
  });

  test("passes errors of ours through", () => {
    const error = new KitaruUsageError("no");
    expect(modelError(error, context)).toBe(error);
  });

  test("keeps neither the request, nor the response, nor a key", () => {
    const thrown = callError({
      status: 401,
      message: "Bad key s3cret-value and sk-proj-abcdef123456",
    });
    const error = modelError(thrown, { ...context, hidden: ["s3cret-value", "x"] });
    const cause = error.cause as Error;
    const text = JSON.stringify([
      error.message,
      cause.message,
      cause.stack,
      Object.keys(cause),
      Object.values(cause),
    ]);
    expect(error.message).toMatch(/Bad key \*\*\* and \*\*\*/);
    expect(text).not.toMatch(/s3cret|abcdef|private|hush/);
    expect(cause.name).toBe("AI_APICallError");
    expect(cause.stack).toMatch(/failure\.test/);
  });

  test("shortens what a server said at length", () => {
    const { message } = modelError(
      callError({ status: 502, message: "x".repeat(10_000) }),
      context,
    );
    expect(message.length).toBeLessThan(700);
  });

  test("an error without a stack", () => {
    const bare = new Error("bare");
    delete bare.stack;
    expect(modelError(bare, context).cause).toMatchObject({ stack: "Error: bare" });
  });
});

test("redact", () => {
  expect(redact("a Bearer abcdefghij b AIzaSyA1234567 c AKIAABCDEFGH1234 d sk-ant-api03-xx")).toBe(
    "a *** b *** c *** d ***",
  );
  expect(redact("abc abc", ["abc"])).toBe("abc abc");
  expect(redact("a sketch of risk-taking")).toBe("a sketch of risk-taking");
});

test("isRetryable", () => {
  expect(
    [callError({ status: 500 }), callError({ status: 400 }), new Error("x"), null].map(isRetryable),
  ).toEqual([true, false, false, false]);
});

test.each([
  [{ "retry-after-ms": "250" }, 250],
  [{ "retry-after": "2" }, 2000],
  [{ "retry-after-ms": "5", "retry-after": "2" }, 5],
  [{ "retry-after": "3600" }, undefined],
  [{ "retry-after": "soon" }, undefined],
  [{}, undefined],
])("retryAfterMs of %o", (headers, ms) => {
  expect(retryAfterMs(callError({ status: 429, headers }))).toBe(ms);
});
