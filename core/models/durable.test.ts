import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError } from "@ai-sdk/provider";
import type {
  LanguageModelV2,
  LanguageModelV3,
  LanguageModelV4,
  LanguageModelV4StreamPart,
} from "@ai-sdk/provider";
import { ToolLoopAgent, generateText, isStepCount, streamText, tool } from "ai";
import { afterEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { modelServer } from "../../testing/model-server.ts";
import { scriptedModel } from "../../testing/models.ts";
import { hasCode } from "../errors.ts";
import { createDurableModel } from "./durable.ts";
import type { DurableModel } from "./durable.ts";
import type { LlmCall, LlmOutcome } from "../ports/model.ts";

/** Records calls as the engine does: by order and identity, keeping copies; `replay()` starts over. */
class Journal {
  readonly calls: LlmCall[] = [];
  readonly outcomes: LlmOutcome[] = [];
  readonly failures: unknown[] = [];
  readonly controller = new AbortController();
  readonly durableModel: DurableModel = createDurableModel((call) => this.#record(call));
  #next = 0;

  replay(): void {
    this.#next = 0;
  }

  async #record(call: LlmCall): Promise<unknown> {
    const index = this.#next++;
    const recorded = this.outcomes[index];
    if (recorded !== undefined) {
      if (!isDeepStrictEqual(call.identity, this.calls[index]?.identity))
        throw new Error("diverged");
      return structuredClone(recorded.value);
    }
    this.calls.push(structuredClone({ ...call, run: undefined }) as unknown as LlmCall);
    const outcome = await call.run({
      signal: this.controller.signal,
      models: { aliases: { a: { model: "scripted/script", price: { input: 1e6, output: 1e6 } } } },
      secrets: {
        get: () => Promise.resolve(undefined),
        list: () => Promise.resolve([]),
        location: "",
      },
    });
    this.outcomes.push(structuredClone(outcome));
    return structuredClone(outcome.value);
  }
}

async function failure(promise: PromiseLike<unknown>): Promise<Error> {
  return await promise.then(
    () => expect.unreachable(),
    (error: unknown) => error as Error,
  );
}

async function collect<T>(stream: ReadableStream<T>): Promise<T[]> {
  const parts: T[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const weather = tool({
  description: "Weather of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `21 °C in ${city}`,
});

afterEach(() => vi.useRealTimers());

describe("a harness' own generateText", () => {
  test("is recorded, and replayed without asking", async () => {
    const journal = new Journal();
    const inner = scriptedModel(["Hello."]);
    const model = journal.durableModel(inner);
    const ask = (): Promise<string> =>
      generateText({ model, prompt: "Hi" }).then(({ text }) => text);
    expect(await ask()).toBe("Hello.");
    journal.replay();
    expect(await ask()).toBe("Hello.");
    expect(inner.calls).toHaveLength(1);
    expect(journal.outcomes[0]).toMatchObject({
      value: {
        content: [{ type: "text", text: "Hello." }],
        finishReason: { unified: "stop" },
        warnings: [],
      },
      record: {
        requestedModel: "script",
        resolvedModel: "scripted/script",
        credentialSource: "caller",
        inputTokens: 10,
        outputTokens: 5,
        totalTokens: 15,
        finishReason: "stop",
        cost: 15,
      },
      prompt: [{ role: "user", content: [{ type: "text", text: "Hi" }] }],
    });
    expect(journal.calls[0]?.name).toBe("llm");
  });

  test("tool loop and agent: one call a step, the same on replay", async () => {
    const journal = new Journal();
    const inner = scriptedModel([
      { toolCalls: [{ name: "weather", input: { city: "Ulm" } }] },
      "Warm.",
    ]);
    const agent = new ToolLoopAgent({
      model: journal.durableModel(inner, { name: "agent" }),
      tools: { weather },
      stopWhen: isStepCount(5),
    });
    expect((await agent.generate({ prompt: "How is Ulm?" })).text).toBe("Warm.");
    journal.replay();
    const again = await agent.generate({ prompt: "How is Ulm?" });
    expect(again.text).toBe("Warm.");
    expect(again.steps[0]?.toolResults[0]?.output).toBe("21 °C in Ulm");
    expect(inner.calls).toHaveLength(2);
    expect(journal.calls.map(({ name }) => name)).toEqual(["agent", "agent"]);
  });

  test("the identity is what determines the answer", async () => {
    const journal = new Journal();
    const model = journal.durableModel(scriptedModel(() => "x"));
    const prompt = "Hi";
    await generateText({
      model,
      prompt,
      headers: { a: "1" },
      abortSignal: new AbortController().signal,
    });
    await generateText({ model, prompt });
    await generateText({ model, prompt, temperature: 1 });
    await generateText({ model, prompt, tools: { weather } });
    await generateText({ model, prompt, providerOptions: { scripted: { a: 1 } } });
    const [first, second, ...others] = journal.calls.map(({ identity }) =>
      JSON.stringify(identity),
    );
    const { headers: _, ...identity } = JSON.parse(first ?? "") as Record<string, unknown>;
    expect(identity).toMatchObject({
      provider: "scripted",
      modelId: "script",
      operation: "generate",
    });
    expect(second).toBe(first);
    expect(new Set([first, ...others]).size).toBe(4);
  });

  test("record: metadata keeps prompt and response artifacts out", async () => {
    const journal = new Journal();
    await generateText({
      model: journal.durableModel(scriptedModel(["x"]), {
        record: "metadata",
        price: { input: 0, output: 0 },
      }),
      prompt: "Hi",
    });
    expect(Object.keys(journal.outcomes[0] ?? {})).toEqual(["value", "record"]);
    expect(journal.outcomes[0]?.record.cost).toBe(0);
  });
});

describe("a harness' own streamText", () => {
  test("is recorded to its end and replayed as a stream", async () => {
    const journal = new Journal();
    const inner = scriptedModel([
      { text: "One two three.", toolCalls: [{ name: "weather", input: { city: "Ulm" } }] },
      "Done now.",
    ]);
    const model = journal.durableModel(inner);
    const read = async (): Promise<string[]> => {
      const result = streamText({
        model,
        prompt: "Hi",
        tools: { weather },
        stopWhen: isStepCount(3),
      });
      const chunks: string[] = [];
      for await (const chunk of result.textStream) chunks.push(chunk);
      expect(await result.finishReason).toBe("stop");
      return chunks;
    };
    const live = await read();
    expect(live.join("|")).toBe("One two three.|Done now.");
    journal.replay();
    expect(await read()).toEqual(live);
    expect(inner.calls).toHaveLength(2);
    expect(journal.outcomes[0]?.record).toMatchObject({
      inputTokens: 10,
      finishReason: "tool-calls",
    });
    expect(journal.calls[0]?.identity).toMatchObject({ operation: "stream" });
  });

  function streaming(...parts: LanguageModelV4StreamPart[]): LanguageModelV4 {
    return {
      ...scriptedModel([]),
      doStream: () =>
        Promise.resolve({
          stream: ReadableStream.from(parts),
        }),
    };
  }

  const finish: LanguageModelV4StreamPart = {
    type: "finish",
    usage: {
      inputTokens: {
        total: undefined,
        noCache: undefined,
        cacheRead: undefined,
        cacheWrite: undefined,
      },
      outputTokens: { total: 3, text: 3, reasoning: 0 },
    },
    finishReason: { unified: "stop", raw: undefined },
  };

  test("deltas join unless they differ; raw parts and pings are dropped", async () => {
    const journal = new Journal();
    const model = journal.durableModel(
      streaming(
        { type: "text-start", id: "1" },
        { type: "text-delta", id: "1", delta: "a" },
        { type: "raw", rawValue: () => 1 },
        { type: "text-delta", id: "1", delta: "b" },
        { type: "ping" },
        { type: "text-delta", id: "2", delta: "c" },
        { type: "text-delta", id: "2", delta: "d", providerMetadata: { x: { y: 1 } } },
        { type: "reasoning-delta", id: "2", delta: "e" },
        finish,
      ),
    );
    const { stream } = await model.doStream({ prompt: [] });
    expect(await collect(stream)).toMatchObject([
      { type: "text-start" },
      { type: "text-delta", id: "1", delta: "ab" },
      { type: "text-delta", id: "2", delta: "c" },
      { type: "text-delta", id: "2", delta: "d", providerMetadata: { x: { y: 1 } } },
      { type: "reasoning-delta", delta: "e" },
      { type: "finish" },
    ]);
    expect(journal.outcomes[0]?.record).toMatchObject({ outputTokens: 3, totalTokens: 3 });
    expect(journal.outcomes[0]?.record).not.toHaveProperty("inputTokens");
  });

  test("that fails or breaks off is a failure", async () => {
    const { durableModel } = new Journal();
    const failed = durableModel(
      streaming({ type: "error", error: new Error("overloaded") }, finish),
    );
    expect((await failure(failed.doStream({ prompt: [] }))).message).toMatch(
      /durableModel\(\) got no answer from scripted\/script: overloaded/,
    );
    const broken = durableModel(streaming({ type: "text-start", id: "1" }));
    expect((await failure(broken.doStream({ prompt: [] }))).message).toMatch(
      /The stream ended before the answer was complete/,
    );
  });
});

describe("what is stored", () => {
  test("no request, no headers, no body; files and times come back as they were", async () => {
    const journal = new Journal();
    const content = [
      {
        type: "file" as const,
        mediaType: "image/png",
        data: { type: "url" as const, url: new URL("https://a/b") },
      },
      {
        type: "file" as const,
        mediaType: "image/png",
        data: { type: "data" as const, data: new Uint8Array([1]) },
      },
    ];
    const timestamp = new Date(5);
    const model = journal.durableModel({
      ...scriptedModel([]),
      doGenerate: () =>
        Promise.resolve({
          content,
          finishReason: { unified: "stop", raw: "end" },
          usage: {
            inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
            outputTokens: { total: 1, text: 1, reasoning: 0 },
          },
          warnings: [],
          request: { body: "private" },
          response: { id: "r", timestamp, headers: { "set-cookie": "private" }, body: "private" },
        }),
    });
    const first = await model.doGenerate({ prompt: [] });
    journal.replay();
    expect(await model.doGenerate({ prompt: [] })).toEqual(first);
    expect(first).toMatchObject({ content, response: { id: "r", timestamp } });
    expect(JSON.stringify(journal.outcomes)).not.toMatch(/private/);
  });
});

describe("trouble", () => {
  function callError(status: number, headers = {}): APICallError {
    return new APICallError({
      message: "no",
      url: "https://a/",
      requestBodyValues: {},
      statusCode: status,
      responseHeaders: headers,
    });
  }

  test("is retried within one recorded call, after the delay the provider names", async () => {
    const journal = new Journal();
    const inner = scriptedModel([
      { error: callError(429, { "retry-after-ms": "1" }) },
      { error: callError(503) },
      "At last.",
    ]);
    const model = journal.durableModel(inner, { retryDelayMs: 1 });
    expect((await generateText({ model, prompt: "Hi" })).text).toBe("At last.");
    expect([inner.calls.length, journal.calls.length]).toEqual([3, 1]);
  });

  test("that stays is one error, which the AI SDK does not retry", async () => {
    const journal = new Journal();
    const inner = scriptedModel(() => ({ error: callError(500) }));
    const model = journal.durableModel(inner, { retries: 1, retryDelayMs: 1 });
    const error = await failure(generateText({ model, prompt: "Hi" }));
    expect(error.message).toMatch(
      /durableModel\(\) got no answer from scripted\/script after 2 tries: HTTP 500, no\./,
    );
    expect(hasCode(error, "model")).toBe(true);
    expect([inner.calls.length, journal.calls.length]).toEqual([2, 1]);
  });

  test("that cannot pass is not retried", async () => {
    const inner = scriptedModel([{ error: callError(401) }]);
    const error = await failure(
      generateText({ model: new Journal().durableModel(inner), prompt: "Hi" }),
    );
    expect(error.message).toMatch(/HTTP 401.*Check the credentials/);
    expect(inner.calls).toHaveLength(1);
  });

  test("the default delays are two and four seconds", async () => {
    vi.useFakeTimers();
    const inner = scriptedModel(() => ({ error: callError(500) }));
    const asked = failure(new Journal().durableModel(inner).doGenerate({ prompt: [] }));
    await vi.advanceTimersByTimeAsync(1999);
    expect(inner.calls).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(inner.calls).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(4000);
    expect((await asked).message).toMatch(/after 3 tries/);
  });

  test("an abort of the engine's ends the asking and the waiting", async () => {
    const reason = new Error("cancelled");
    const slow = (signal: AbortSignal): Promise<string> => delay(10_000, "late", { signal });
    for (const answer of [slow, () => ({ error: callError(500) })]) {
      const journal = new Journal();
      const { signal } = journal.controller;
      const inner = scriptedModel(() => answer(signal));
      const asked = failure(journal.durableModel(inner).doGenerate({ prompt: [] }));
      await delay(20);
      journal.controller.abort(reason);
      expect(await asked).toBe(reason);
      expect(inner.calls).toHaveLength(1);
    }
  });

  test("an abort of the harness' own is passed on", async () => {
    const controller = new AbortController();
    const inner = scriptedModel(() => delay(10_000, "late", { signal: controller.signal }));
    const model = new Journal().durableModel(inner);
    const asked = failure(model.doGenerate({ prompt: [], abortSignal: controller.signal }));
    await delay(5);
    controller.abort(new Error("stop"));
    expect((await asked).message).toBe("stop");
  });
});

describe("models", () => {
  test("of a real provider, over a socket", async () => {
    await using server = await modelServer();
    const journal = new Journal();
    const provider = createOpenAICompatible({
      name: "local",
      baseURL: `${server.url}/v1`,
      includeUsage: true,
    });
    const model = journal.durableModel(provider.chatModel("some"));
    for (const _ of [1, 2]) {
      journal.replay();
      expect((await generateText({ model, prompt: "Hi" })).text).toBe("You said: Hi");
      const streamed = streamText({ model, prompt: "Ho" });
      expect(await streamed.text).toBe("You said: Ho");
      expect((await streamed.usage).totalTokens).toBe(18);
    }
    expect(server.requests).toHaveLength(2);
    expect(
      journal.outcomes.map(({ record }) => [record.resolvedModel, record.totalTokens]),
    ).toEqual([
      ["local/some", 18],
      ["local/some", 18],
    ]);
  });

  test("keep their version, names and URLs", async () => {
    const { durableModel } = new Journal();
    const urls = { "image/*": [/^https:/] };
    const inner = {
      ...scriptedModel([]),
      provider: "openai.responses",
      modelId: "gpt-5",
      supportedUrls: urls,
    };
    expect(durableModel(inner)).toMatchObject({
      specificationVersion: "v4",
      provider: "openai.responses",
      modelId: "gpt-5",
      supportedUrls: urls,
    });
  });

  test("of versions 2 and 3", async () => {
    const journal = new Journal();
    const { specificationVersion: _, doGenerate: _g, doStream: _s, ...rest } = scriptedModel([]);
    const v2: LanguageModelV2 = {
      ...rest,
      specificationVersion: "v2",
      doGenerate: () =>
        Promise.resolve({
          content: [{ type: "text", text: "Two." }],
          finishReason: "stop",
          usage: { inputTokens: 1, outputTokens: 2, totalTokens: 4 },
          warnings: [],
        }),
      doStream: () => Promise.reject(new Error("unused")),
    };
    expect((await generateText({ model: journal.durableModel(v2), prompt: "Hi" })).text).toBe(
      "Two.",
    );
    expect(journal.outcomes[0]?.record).toMatchObject({
      inputTokens: 1,
      outputTokens: 2,
      totalTokens: 4,
      finishReason: "stop",
    });
    const v3: LanguageModelV3 = {
      ...rest,
      specificationVersion: "v3",
      doGenerate: () => Promise.resolve(JSON.parse('{"content":[],"warnings":[]}')),
      doStream: () => Promise.reject(new Error("unused")),
    };
    await journal.durableModel(v3).doGenerate({ prompt: [] });
    expect(journal.outcomes[1]?.record).not.toHaveProperty("totalTokens");
    expect(journal.outcomes[1]?.record).not.toHaveProperty("finishReason");
  });

  test.each([
    ["a name", '"gpt-5"', /not "gpt-5"/],
    ["nothing", "null", /not object/],
    ["another version", '{"specificationVersion":"v1"}', /not object/],
    ["half a model", '{"specificationVersion":"v4"}', /not object/],
  ])("%s is refused", (_, json, message) => {
    const { durableModel } = new Journal();
    expect(() => durableModel(JSON.parse(json))).toThrow(message);
  });
});
