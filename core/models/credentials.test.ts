import { describe, expect, test } from "vitest";
import { hasCode } from "../errors.ts";
import type { SecretStore } from "../ports/secrets.ts";
import { isSecretName, resolveCredentials } from "./credentials.ts";
import type { Credentials } from "./credentials.ts";
import { defineModels, resolveModel } from "./registry.ts";
import type { Env } from "./registry.ts";
import type { ModelAlias } from "../ports/model.ts";

function secretsOf(values: Record<string, string> = {}): SecretStore {
  return {
    get: (name) => Promise.resolve(values[name]),
    list: () => Promise.resolve(Object.keys(values)),
    location: "the .env file in /app",
  };
}

function resolve(
  alias: string | ModelAlias,
  env: Env = {},
  secrets: Record<string, string> = {},
): Promise<Credentials> {
  const model = resolveModel("a", defineModels({ a: alias }));
  return resolveCredentials(model, env, secretsOf(secrets));
}

async function failure(...args: Parameters<typeof resolve>): Promise<string> {
  const error: unknown = await resolve(...args).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(hasCode(error, "credentials")).toBe(true);
  return (error as Error).message;
}

describe("where keys come from", () => {
  test.each([
    ["openai/x", { OPENAI_API_KEY: "k" }],
    ["anthropic/x", { ANTHROPIC_API_KEY: "k" }],
    ["anthropic/x", { ANTHROPIC_AUTH_TOKEN: "k" }],
    ["google/x", { GOOGLE_GENERATIVE_AI_API_KEY: "k" }],
    ["google/x", { GEMINI_API_KEY: "k" }],
    ["bedrock/x", { AWS_BEARER_TOKEN_BEDROCK: "k", AWS_REGION: "r" }],
    ["bedrock/x", { AWS_ACCESS_KEY_ID: "i", AWS_SECRET_ACCESS_KEY: "k", AWS_SESSION_TOKEN: "t" }],
    ["openrouter/x/y", { OPENROUTER_API_KEY: "k" }],
    ["ollama/x", { OLLAMA_API_KEY: "k" }],
  ])("%s takes the environment's %o", async (model, env) => {
    expect(await resolve(model, { ...env, OTHER: "no" })).toEqual({
      source: "environment",
      values: env,
    });
  });

  test("the environment wins over the secret, and is not changed", async () => {
    const env = Object.freeze({ OPENAI_API_KEY: "env" });
    const found = await resolve({ model: "openai/x", secret: "s" }, env, { s: "secret" });
    expect(found).toEqual({ source: "environment", values: { OPENAI_API_KEY: "env" } });
  });

  test("a blank variable counts as none", async () => {
    const found = await resolve(
      { model: "openai/x", secret: "s" },
      { OPENAI_API_KEY: " " },
      { s: " bare \n" },
    );
    expect(found).toEqual({ source: "secret", values: { OPENAI_API_KEY: "bare" } });
  });

  test("half a pair of keys counts as none", async () => {
    const found = await resolve(
      { model: "bedrock/x", secret: "s" },
      { AWS_ACCESS_KEY_ID: "i" },
      { s: "bearer" },
    );
    expect(found.values).toEqual({ AWS_BEARER_TOKEN_BEDROCK: "bearer" });
  });

  test("a secret may be an object of names to values; other fields are left out", async () => {
    const s = JSON.stringify({
      ANTHROPIC_API_KEY: "k",
      OTHER: "no",
      ANTHROPIC_BASE_URL: "https://proxy/v1",
    });
    expect(await resolve({ model: "anthropic/x", secret: "s" }, {}, { s })).toEqual({
      source: "secret",
      values: { ANTHROPIC_API_KEY: "k", ANTHROPIC_BASE_URL: "https://proxy/v1" },
      baseUrl: "https://proxy/v1",
    });
  });

  test("with a secret's keys the region may be the environment's, a session token may not", async () => {
    const s = JSON.stringify({ AWS_ACCESS_KEY_ID: "i", AWS_SECRET_ACCESS_KEY: "k" });
    const env = { AWS_REGION: "eu-west-1", AWS_SESSION_TOKEN: "of other keys" };
    expect((await resolve({ model: "bedrock/x", secret: "s" }, env, { s })).values).toEqual({
      AWS_ACCESS_KEY_ID: "i",
      AWS_SECRET_ACCESS_KEY: "k",
      AWS_REGION: "eu-west-1",
    });
  });

  test("signs of AWS' own chain win over a secret; without any sign the chain is the last resort", async () => {
    const alias = { model: "bedrock/x", secret: "s" };
    const env = { AWS_PROFILE: "dev", AWS_REGION: "r" };
    expect(await resolve(alias, env, { s: "k" })).toEqual({
      source: "environment",
      values: { AWS_REGION: "r" },
    });
    expect(await resolve("bedrock/x", {})).toEqual({ source: "environment", values: {} });
  });

  test("providers that need none", async () => {
    expect(await resolve("offline/extract")).toEqual({ source: "none", values: {} });
    expect(await resolve("ollama/x", { OLLAMA_HOST: "gpu:1234" })).toEqual({
      source: "none",
      values: {},
      baseUrl: "gpu:1234",
    });
    expect(await resolve({ model: "openai-compatible/x", baseUrl: "http://a/v1" })).toEqual({
      source: "none",
      values: {},
      baseUrl: "http://a/v1",
    });
  });

  test("an optional key is taken from a secret when the alias names one", async () => {
    const alias = { model: "openai-compatible/x", baseUrl: "http://a/v1", secret: "s" };
    expect((await resolve(alias, {}, { s: "k" })).values).toEqual({
      OPENAI_COMPATIBLE_API_KEY: "k",
    });
  });
});

describe("base URLs", () => {
  test("the alias' beats the environment's", async () => {
    const env = { OPENAI_API_KEY: "k", OPENAI_BASE_URL: "http://env/v1" };
    expect((await resolve("openai/x", env)).baseUrl).toBe("http://env/v1");
    expect((await resolve({ model: "openai/x", baseUrl: "http://alias/v1" }, env)).baseUrl).toBe(
      "http://alias/v1",
    );
  });

  test("one that is no URL, or is missing where it is needed", async () => {
    const env = { OPENAI_API_KEY: "k", OPENAI_BASE_URL: "localhost" };
    expect(await failure("openai/x", env)).toMatch(
      /base URL of openai\/x is "localhost".*Mend OPENAI_BASE_URL/,
    );
    expect(await failure("openai-compatible/x")).toMatch(
      /Set baseUrl on its alias.*OPENAI_COMPATIBLE_BASE_URL/,
    );
  });
});

describe("what is missing", () => {
  test("nothing at all: both remedies", async () => {
    expect(await failure("google/x")).toMatch(
      /No credentials for google\/x. Set GOOGLE_GENERATIVE_AI_API_KEY, or GEMINI_API_KEY in the environment, or give its alias a secret.*the \.env file in \/app/,
    );
  });

  test("the secret", async () => {
    const alias = { model: "openai/x", secret: "s" };
    expect(await failure(alias)).toMatch(
      /The secret "s" of alias "a" is missing. Put OPENAI_API_KEY into the \.env file/,
    );
    expect(await failure(alias, {}, { s: "  " })).toMatch(/is empty/);
  });

  test("the key in the secret: names what it holds, never a value", async () => {
    const alias = { model: "openai/x", secret: "s" };
    const message = await failure(
      alias,
      {},
      { s: '{"ANTHROPIC_API_KEY":"hush","OPENAI_API_KEY":""}' },
    );
    expect(message).toMatch(
      /holds ANTHROPIC_API_KEY, OPENAI_API_KEY, but openai\/x needs OPENAI_API_KEY/,
    );
    expect(message).not.toMatch(/hush/);
    expect(await failure(alias, {}, { s: "{}" })).toMatch(/holds nothing/);
    expect(await failure(alias, {}, { s: '{"OPENAI_API_KEY":5}' })).toMatch(/needs OPENAI_API_KEY/);
  });

  test("valid JSON: the text is not quoted", async () => {
    const message = await failure(
      { model: "openai/x", secret: "s" },
      {},
      { s: '{"OPENAI_API_KEY": hush' },
    );
    expect(message).toMatch(/not valid JSON/);
    expect(message).not.toMatch(/hush/);
  });
});

test("isSecretName", () => {
  expect(["OPENAI_API_KEY", "AWS_REGION", "AWS_SESSION_TOKEN"].map(isSecretName)).toEqual([
    true,
    false,
    true,
  ]);
});
