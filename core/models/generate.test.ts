import { setTimeout as delay } from "node:timers/promises";
import { tool } from "ai";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { modelServer } from "../../testing/model-server.ts";
import type { ModelRequest, ModelReply, ModelServer } from "../../testing/model-server.ts";
import { KitaruTimeoutError, hasCode } from "../errors.ts";
import type { SecretStore } from "../ports/secrets.ts";
import { generate } from "./generate.ts";
import type { GenerateContext } from "./generate.ts";
import { defineModels } from "./registry.ts";
import type { Env, ModelsConfig } from "./registry.ts";
import { toMessages } from "./request.ts";
import type { LlmRequest } from "./request.ts";
import type { LlmOutcome } from "../ports/model.ts";

const key = "sk-test-0123456789abcdef";
const servers: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(
  respond?: (request: ModelRequest) => ModelReply | Promise<ModelReply>,
): Promise<ModelServer> {
  const server = await modelServer(respond === undefined ? {} : { respond });
  servers.push(server);
  return server;
}

function secretsOf(values: Record<string, string>): SecretStore {
  return {
    get: (name) => Promise.resolve(values[name]),
    list: () => Promise.resolve(Object.keys(values)),
    location: "the test",
  };
}

interface Setup {
  readonly models?: ModelsConfig;
  readonly env?: Env;
  readonly secrets?: Record<string, string>;
  readonly signal?: AbortSignal;
}

function contextOf({ models, env = {}, secrets = {}, signal }: Setup): GenerateContext {
  return {
    models: defineModels(models),
    env,
    secrets: secretsOf(secrets),
    signal: signal ?? new AbortController().signal,
  };
}

function ask(setup: Setup, request: Partial<LlmRequest> = {}): Promise<LlmOutcome> {
  return generate({ messages: toMessages("Say hello"), ...request }, contextOf(setup));
}

/** An alias `m` for a server that speaks OpenAI's protocol. */
function compatible(server: ModelServer, settings: object = {}): Setup {
  return {
    models: { m: { model: "openai-compatible/test", baseUrl: `${server.url}/v1`, ...settings } },
  };
}

async function failure(
  promise: Promise<unknown>,
  code: "model" | "usage" | "credentials" | "backend" = "model",
): Promise<Error> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  expect([code, error]).toEqual([hasCode(error, code) ? code : "another code", error]);
  return error as Error;
}

describe("every provider over a socket", () => {
  test.each<[string, (url: string) => Setup, RegExp, string]>([
    [
      "openai",
      (url) => ({
        env: { OPENAI_API_KEY: key, OPENAI_BASE_URL: `${url}/v1` },
        models: { m: "openai/some" },
      }),
      /^\/v1\/chat\/completions$/,
      `Bearer ${key}`,
    ],
    [
      "openai by alias",
      (url) => ({
        env: { OPENAI_API_KEY: key },
        models: { m: { model: "openai/some", baseUrl: `${url}/v1` } },
      }),
      /^\/v1\/chat\/completions$/,
      `Bearer ${key}`,
    ],
    [
      "anthropic",
      (url) => ({
        env: { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: url },
        models: { m: "anthropic/some" },
      }),
      /^\/v1\/messages$/,
      key,
    ],
    [
      "anthropic with a token",
      (url) => ({
        env: { ANTHROPIC_AUTH_TOKEN: key, ANTHROPIC_BASE_URL: `${url}/v1` },
        models: { m: "anthropic/some" },
      }),
      /^\/v1\/messages$/,
      `Bearer ${key}`,
    ],
    [
      "google",
      (url) => ({
        env: { GEMINI_API_KEY: key, GOOGLE_GEMINI_BASE_URL: `${url}/v1beta` },
        models: { m: "google/some" },
      }),
      /^\/v1beta\/models\/some:generateContent$/,
      key,
    ],
    [
      "bedrock",
      (url) => ({
        env: {
          AWS_BEARER_TOKEN_BEDROCK: key,
          AWS_REGION: "r",
          AWS_ENDPOINT_URL_BEDROCK_RUNTIME: url,
        },
        models: { m: "bedrock/some" },
      }),
      /^\/model\/some\/converse$/,
      `Bearer ${key}`,
    ],
    [
      "openrouter",
      (url) => ({
        env: { OPENROUTER_API_KEY: key, OPENROUTER_BASE_URL: `${url}/api/v1` },
        models: { m: "openrouter/some" },
      }),
      /^\/api\/v1\/chat\/completions$/,
      `Bearer ${key}`,
    ],
    [
      "ollama",
      (url) => ({ env: { OLLAMA_HOST: url.replace("http://", "") }, models: { m: "ollama/some" } }),
      /^\/v1\/chat\/completions$/,
      "",
    ],
    [
      "openai-compatible",
      (url) => ({
        models: { m: { model: "openai-compatible/some", baseUrl: `${url}/v1`, secret: "s" } },
        secrets: { s: key },
      }),
      /^\/v1\/chat\/completions$/,
      `Bearer ${key}`,
    ],
  ])("%s", async (_, setup, path, sent) => {
    const server = await serve();
    const outcome = await ask(setup(server.url), { temperature: 0.5, maxOutputTokens: 50 });
    expect(outcome.value).toBe("You said: Say hello");
    expect(outcome.record).toMatchObject({
      alias: "m",
      credentialSource:
        sent === ""
          ? "none"
          : path.source.includes("v1") && setup(server.url).secrets
            ? "secret"
            : "environment",
      inputTokens: 11,
      outputTokens: 7,
      totalTokens: 18,
      finishReason: "stop",
    });
    expect(server.requests).toHaveLength(1);
    const [request] = server.requests;
    expect(request?.path).toMatch(path);
    const {
      authorization,
      "x-api-key": apiKey,
      "x-goog-api-key": googleKey,
    } = request?.headers ?? {};
    expect(authorization ?? apiKey ?? googleKey ?? "").toBe(sent);
  });
});

describe("what is recorded", () => {
  test("everything known about the call", async () => {
    const server = await serve();
    const setup = compatible(server, { price: { input: 1_000_000, output: 2_000_000 } });
    const outcome = await ask(setup, { model: "m", messages: toMessages("Say hello", "Be kind.") });
    expect(outcome).toEqual({
      value: "You said: Say hello",
      record: {
        requestedModel: "m",
        alias: "m",
        resolvedModel: "openai-compatible/test",
        credentialSource: "none",
        inputTokens: 11,
        outputTokens: 7,
        totalTokens: 18,
        latencyMs: expect.any(Number) as number,
        finishReason: "stop",
        cost: 25,
      },
      prompt: [
        { role: "system", content: "Be kind." },
        { role: "user", content: "Say hello" },
      ],
      response: "You said: Say hello",
    });
  });

  test("a raw model has no alias; metadata keeps prompt and response out", async () => {
    const server = await serve();
    const env = { OPENAI_COMPATIBLE_BASE_URL: `${server.url}/v1` };
    const outcome = await ask({ env }, { model: "openai-compatible/x", record: "metadata" });
    expect(Object.keys(outcome)).toEqual(["value", "record"]);
    expect(outcome.record).not.toHaveProperty("alias");
  });

  test("an alias gives defaults, the call's own options win", async () => {
    const server = await serve();
    const setup = compatible(server, { temperature: 0.1, maxOutputTokens: 10, record: "metadata" });
    expect(await ask(setup)).not.toHaveProperty("prompt");
    expect(
      await ask(setup, { temperature: 1, maxOutputTokens: 20, record: "full" }),
    ).toHaveProperty("prompt");
    expect(server.requests.map(({ body }) => [body["temperature"], body["max_tokens"]])).toEqual([
      [0.1, 10],
      [1, 20],
    ]);
  });

  test("no cost where the provider does not count", async () => {
    const raw = JSON.stringify({
      choices: [{ message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
    });
    const server = await serve(() => ({ raw }));
    const { record } = await ask(compatible(server, { price: { input: 1, output: 1 } }));
    expect(record).not.toHaveProperty("cost");
    expect(record).not.toHaveProperty("inputTokens");
  });

  test("warnings of the provider", async () => {
    const server = await serve();
    const setup = { env: { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: server.url } };
    const outcome = await ask(setup, { model: "anthropic/claude-haiku-4-5", temperature: 1.9 });
    expect(outcome.record.metadata).toMatchObject({ warnings: [{ feature: "temperature" }] });
  });

  test("process.env is the default environment and stays as it is", async () => {
    const before = { ...process.env };
    const { env: _, ...context } = contextOf({});
    const outcome = await generate(
      { model: "offline/extract", messages: toMessages("Hi.") },
      context,
    );
    expect(outcome.value).toBe("Hi.");
    expect({ ...process.env }).toEqual(before);
  });
});

describe("messages", () => {
  test("conversations, interleaved system messages and pictures arrive", async () => {
    const server = await serve();
    await ask(compatible(server), {
      messages: toMessages(
        [
          { role: "user", content: "One" },
          { role: "assistant", content: "Two" },
          { role: "system", content: "Three" },
          {
            role: "user",
            content: [
              { type: "text", text: "Four" },
              { type: "image", image: new URL("data:image/png;base64,iVBORw0KGgo=") },
            ],
          },
        ],
        "Zero",
      ),
    });
    const messages = server.requests[0]?.body["messages"] as { role: string }[];
    expect(messages.map(({ role }) => role)).toEqual([
      "system",
      "user",
      "assistant",
      "system",
      "user",
    ]);
    expect(JSON.stringify(messages.at(-1))).toMatch(/data:image\/png;base64,iVBORw0KGgo=/);
  });
});

describe("structured output", () => {
  const schema = z.object({ city: z.string(), people: z.number().transform((n) => n * 2) });

  test("is asked for by JSON Schema and returned as the schema's output", async () => {
    const server = await serve(() => '{"city":"Ulm","people":2}');
    const outcome = await ask(compatible(server), { schema });
    expect(outcome.value).toEqual({ city: "Ulm", people: 4 });
    expect(outcome.response).toEqual({ city: "Ulm", people: 4 });
    expect(server.requests[0]?.body["response_format"]).toMatchObject({
      type: "json_schema",
      json_schema: {
        schema: { type: "object", additionalProperties: false, required: ["city", "people"] },
      },
    });
  });

  test.each<[string, Setup["env"]]>([
    ["openai/x", { OPENAI_API_KEY: key, OPENAI_BASE_URL: "/v1" }],
    ["anthropic/claude-haiku-4-5", { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: "" }],
    ["google/gemini-x", { GEMINI_API_KEY: key, GOOGLE_GEMINI_BASE_URL: "/v1beta" }],
    ["openrouter/x", { OPENROUTER_API_KEY: key, OPENROUTER_BASE_URL: "/v1" }],
  ])("works with %s", async (model, env = {}) => {
    const server = await serve(() => '{"city":"Ulm","people":2}');
    const local = Object.entries(env).map(([name, value = ""]) => [
      name,
      name.endsWith("URL") ? server.url + value : value,
    ]);
    const outcome = await ask({ env: Object.fromEntries(local) as Env }, { model, schema });
    expect(outcome.value).toEqual({ city: "Ulm", people: 4 });
    expect(JSON.stringify(server.requests[0]?.body)).toMatch(/"city"/);
  });

  test("of any form, also null", async () => {
    const answers = ['{"result":["a"]}', '{"result":null}', '```json\n{"result":true}\n```'];
    const server = await serve(({ index }) => answers[index] ?? "");
    const setup = compatible(server);
    expect((await ask(setup, { schema: z.array(z.string()) })).value).toEqual(["a"]);
    expect((await ask(setup, { schema: z.string().nullable() })).value).toBeNull();
    expect((await ask(setup, { schema: z.boolean() })).value).toBe(true);
  });

  test("an answer that does not fit names the field, what came, and keeps the usage", async () => {
    const server = await serve(() => '{"city":5,"people":2}');
    const error = await failure(ask(compatible(server), { schema }));
    expect(error.message).toMatch(
      /the answer of openai-compatible\/test does not fit the schema \(city: .*string.*\)\. Simplify.*Received: "\{/,
    );
    expect(error).toMatchObject({
      details: { finishReason: "stop", usage: { inputTokens: 11, outputTokens: 7 } },
    });
    const quiet = await failure(ask(compatible(server), { schema, record: "metadata" }));
    expect(quiet.message).not.toMatch(/Received/);
  });

  test("an answer that is no JSON, or was cut off", async () => {
    const server = await serve(({ index }) =>
      index === 0 ? "x".repeat(500) : { text: '{"city":', finishReason: "length" },
    );
    expect((await failure(ask(compatible(server), { schema }))).message).toMatch(
      /is not JSON.*Received: "x{200}…"/,
    );
    expect((await failure(ask(compatible(server), { schema }))).message).toMatch(
      /It was cut off: raise maxOutputTokens/,
    );
  });

  test("a schema without JSON Schema support is found before anybody is asked", async () => {
    const server = await serve();
    const plain = {
      "~standard": {
        version: 1 as const,
        vendor: "acme",
        validate: (value: unknown) => ({ value }),
      },
    };
    expect((await failure(ask(compatible(server), { schema: plain }), "usage")).message).toMatch(
      /acme/,
    );
    expect(server.requests).toHaveLength(0);
  });
});

describe("tools", () => {
  const weather = tool({
    description: "Weather of a city",
    inputSchema: z.object({ city: z.string() }),
    execute: ({ city }) => ({ city, celsius: 21, at: new URL("https://w.example/") }),
  });

  const reasoningAndCall = JSON.stringify({
    choices: [
      {
        message: {
          role: "assistant",
          content: null,
          reasoning_content: "private thoughts",
          tool_calls: [
            {
              id: "c",
              type: "function",
              function: { name: "weather", arguments: '{"city":"Ulm"}' },
            },
          ],
        },
        finish_reason: "tool_calls",
      },
    ],
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
  });

  test("run between the steps of one call, whose tokens add up", async () => {
    const server = await serve(({ index }) =>
      index === 0 ? { raw: reasoningAndCall } : "It is 21 °C.",
    );
    const outcome = await ask(compatible(server), { tools: { weather } });
    expect(outcome.value).toBe("It is 21 °C.");
    expect(outcome.record).toMatchObject({ inputTokens: 22, outputTokens: 14 });
    expect(server.requests).toHaveLength(2);
    expect(JSON.stringify(server.requests[1]?.body)).toMatch(/celsius/);
    expect(outcome.response).toMatchObject({
      value: "It is 21 °C.",
      steps: [
        [
          { type: "tool-call", toolName: "weather", input: { city: "Ulm" } },
          {
            type: "tool-result",
            output: { city: "Ulm", celsius: 21, at: { $url: "https://w.example/" } },
          },
        ],
        [{ type: "text", text: "It is 21 °C." }],
      ],
    });
  });

  test("together with a schema", async () => {
    const server = await serve(({ index }) =>
      index === 0 ? { toolCalls: [{ name: "weather", input: { city: "Ulm" } }] } : '{"warm":true}',
    );
    const outcome = await ask(compatible(server), {
      tools: { weather },
      schema: z.object({ warm: z.boolean() }),
    });
    expect(outcome.value).toEqual({ warm: true });
  });

  test("that never end are stopped", async () => {
    const server = await serve(() => ({
      text: "Let me see",
      toolCalls: [{ name: "weather", input: { city: "Ulm" } }],
    }));
    const error = await failure(ask(compatible(server), { tools: { weather }, maxSteps: 3 }));
    expect(error.message).toMatch(
      /still called tools when its 3 steps were used up.*Raise maxSteps/,
    );
    expect(server.requests).toHaveLength(3);
    expect(error).toMatchObject({ details: { usage: { inputTokens: 33 } } });
    await failure(ask(compatible(server), { tools: { weather } }));
    expect(server.requests).toHaveLength(23);
  });

  test("that throw are told to the model, and seen in the record", async () => {
    const server = await serve(({ index }) =>
      index === 0 ? { toolCalls: [{ name: "weather", input: { city: "Ulm" } }] } : "Sorry.",
    );
    const broken = { ...weather, execute: () => Promise.reject(new Error("offline")) };
    const outcome = await ask(compatible(server), { tools: { weather: broken } });
    expect(outcome.value).toBe("Sorry.");
    expect(JSON.stringify(outcome.response)).toMatch(/tool-error.*offline/);
  });
});

describe("trouble", () => {
  const soon = { "retry-after-ms": "1" };

  test("a rate limit is retried twice, then clear", async () => {
    const server = await serve(() => ({ status: 429, text: "Too many", headers: soon }));
    const error = await failure(ask(compatible(server)));
    expect(error.message).toMatch(
      /no answer from openai-compatible\/test after 3 tries: HTTP 429, Too many\. Wait/,
    );
    expect(server.requests).toHaveLength(3);
  });

  test("retries: 0 asks once; a failure that passes is not seen", async () => {
    const server = await serve(({ index }) =>
      index < 2 ? { status: 500, headers: soon } : "Back.",
    );
    const error = await failure(ask(compatible(server), { retries: 0 }));
    expect(error.message).toMatch(/HTTP 500, injected\. The provider is in trouble/);
    expect((await ask(compatible(server))).value).toBe("Back.");
    expect(server.requests).toHaveLength(3);
  });

  test.each<[string, number, string, (url: string) => Setup, RegExp]>([
    [
      "openai",
      401,
      "openai/x",
      (url) => ({ env: { OPENAI_API_KEY: key, OPENAI_BASE_URL: `${url}/v1` } }),
      /credentials in OPENAI_API_KEY/,
    ],
    [
      "anthropic",
      404,
      "anthropic/x",
      (url) => ({ env: { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: url } }),
      /Check the model's name \(https:/,
    ],
    [
      "google",
      403,
      "google/x",
      (url) => ({ env: { GEMINI_API_KEY: key, GOOGLE_GEMINI_BASE_URL: url } }),
      /credentials in GEMINI_API_KEY/,
    ],
    [
      "bedrock",
      400,
      "bedrock/x",
      (url) => ({
        env: {
          AWS_ACCESS_KEY_ID: "AKIAABCDEFGH1234",
          AWS_SECRET_ACCESS_KEY: key,
          AWS_REGION: "r",
          AWS_ENDPOINT_URL_BEDROCK_RUNTIME: url,
        },
      }),
      /Mend the request/,
    ],
    [
      "openrouter",
      402,
      "openrouter/x",
      (url) => ({ env: { OPENROUTER_API_KEY: key, OPENROUTER_BASE_URL: url } }),
      /Mend the request/,
    ],
    ["ollama", 404, "ollama/x", (url) => ({ env: { OLLAMA_HOST: url } }), /Check the model's name/],
  ])(
    "of %s with status %i is asked once and shows no key",
    async (_, status, model, setup, advice) => {
      const server = await serve(() => ({ status, text: `No: ${key}` }));
      const error = await failure(ask(setup(server.url), { model }));
      expect(error.message).toMatch(new RegExp(`${model}: HTTP ${status}, No: \\*\\*\\*`));
      expect(error.message).toMatch(advice);
      expect(server.requests).toHaveLength(1);
      const shown = JSON.stringify([
        error,
        error.message,
        error.stack,
        error.cause,
        String(error.cause),
      ]);
      expect(shown).not.toContain(key);
      expect(shown).not.toContain("Say hello");
    },
  );

  test("a secret's key that is refused", async () => {
    const server = await serve(() => ({ status: 401, text: "No" }));
    const setup = { ...compatible(server, { secret: "vllm" }), secrets: { vllm: key } };
    expect((await failure(ask(setup))).message).toMatch(/credentials in the secret "vllm"/);
  });

  test("garbage with status 200", async () => {
    const server = await serve(({ index }) => ({ raw: index === 0 ? "<html>" : '{"choices":[]}' }));
    expect((await failure(ask(compatible(server)))).message).toMatch(
      /does not speak this protocol as expected. Check the base URL/,
    );
    expect((await failure(ask(compatible(server)))).message).toMatch(/got no answer/);
    expect(server.requests).toHaveLength(2);
  });

  test("nobody at the address, and a connection that breaks", async () => {
    const server = await serve(() => ({ drop: true }));
    expect((await failure(ask(compatible(server), { retries: 0 }))).message).toMatch(
      /Check that http:\/\/127\.0\.0\.1:\d+ can be reached/,
    );
    const gone = compatible(server);
    await server.close();
    expect((await failure(ask(gone, { retries: 0 }))).message).toMatch(
      /can be reached from here and that the base URL is right/,
    );
  });

  test("a content filter is an error, but for text that came anyway", async () => {
    const server = await serve(({ index }) => ({
      text: index === 0 ? "" : "Part",
      finishReason: "content_filter",
    }));
    const error = await failure(ask(compatible(server)));
    expect(error.message).toMatch(/refused to answer \(content-filter\)/);
    const outcome = await ask(compatible(server));
    expect([outcome.value, outcome.record.finishReason]).toEqual(["Part", "content-filter"]);
  });

  test("an empty answer is an answer", async () => {
    const server = await serve(() => "");
    expect((await ask(compatible(server))).value).toBe("");
  });

  test("an abort throws its own reason, at once", async () => {
    const server = await serve(() => ({ hang: true }));
    const controller = new AbortController();
    const reason = new KitaruTimeoutError("two minutes passed");
    const asked = ask({ ...compatible(server), signal: controller.signal });
    while (server.requests.length === 0) await delay(5);
    controller.abort(reason);
    await expect(asked).rejects.toBe(reason);
    expect(server.requests).toHaveLength(1);
  });

  test("an abort before the start asks nobody", async () => {
    const reason = new Error("too late");
    const setup = { env: { GEMINI_API_KEY: key }, signal: AbortSignal.abort(reason) };
    await expect(ask(setup, { model: "google/some" })).rejects.toBe(reason);
  });

  test("a slow answer is waited for", async () => {
    const server = await serve(() => ({ text: "At last.", delayMs: 60 }));
    const { value, record } = await ask(compatible(server));
    expect(value).toBe("At last.");
    expect(record.latencyMs).toBeGreaterThanOrEqual(50);
  });

  test("without credentials nobody is asked", async () => {
    const error = await failure(ask({}, { model: "openai/gpt-5" }), "credentials");
    expect(error.message).toMatch(/OPENAI_API_KEY.*secret/);
  });
});

describe("without a provider", () => {
  test("offline/extract answers, and says what it is", async () => {
    const outcome = await ask(
      { models: { m: "offline/extract" } },
      { messages: toMessages("Sum up:\nA. B. C. D."), maxOutputTokens: 50 },
    );
    expect(outcome.value).toBe("A. B. C.");
    expect(outcome.record).toMatchObject({
      alias: "m",
      resolvedModel: "offline/extract",
      credentialSource: "none",
      totalTokens: 7,
      finishReason: "stop",
      metadata: { offline: true },
    });
    expect(
      (await failure(ask({}, { model: "offline/extract", schema: z.string() }), "usage")).message,
    ).toMatch(/only writes text/);
  });

  test("a mock needs neither credentials nor a provider, and is recorded", async () => {
    const env = { KITARU_LLM_MOCK_RESPONSE: "Mocked." };
    const outcome = await ask({ env, models: { m: "openai/x" } }, { model: "acme/none" });
    expect(outcome).toMatchObject({
      value: "Mocked.",
      record: {
        requestedModel: "acme/none",
        resolvedModel: "acme/none",
        credentialSource: "none",
        metadata: { mock: true },
      },
      response: "Mocked.",
    });
    expect((await ask({ env, models: { m: "openai/x" } })).record).toMatchObject({
      alias: "m",
      resolvedModel: "openai/x",
    });
    expect((await ask({ env })).record.resolvedModel).toBe("mock");
  });

  test("a mock is held to the schema", async () => {
    const schema = z.object({ ok: z.boolean() });
    expect(
      (await ask({ env: { KITARU_LLM_MOCK_RESPONSE: '{"ok":true}' } }, { schema })).value,
    ).toEqual({ ok: true });
    const error = await failure(ask({ env: { KITARU_LLM_MOCK_RESPONSE: "ok" } }, { schema }));
    expect(error.message).toMatch(/the answer of KITARU_LLM_MOCK_RESPONSE is not JSON/);
    expect(
      (await failure(ask({ env: { KITARU_LLM_MOCK_RESPONSE: "" } }), "usage")).message,
    ).toMatch(/No model to ask/);
  });
});
