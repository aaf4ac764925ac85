import { describe, expect, test } from "vitest";
import { hasCode } from "../errors.ts";
import { defineModels, isHttpUrl, resolveModel } from "./registry.ts";
import type { ModelsConfig } from "./registry.ts";

const models = defineModels({
  fast: { model: "anthropic/claude-haiku-4-5", secret: "anthropic" },
  smart: "openai/gpt-5",
});

function messageOfThrown(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (hasCode(error, "usage")) return error.message;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("defineModels", () => {
  test("takes names and settings, and the first alias as the default", () => {
    expect(models).toEqual({
      aliases: {
        fast: { model: "anthropic/claude-haiku-4-5", secret: "anthropic" },
        smart: { model: "openai/gpt-5" },
      },
      defaultAlias: "fast",
    });
  });

  test("takes another default", () => {
    expect(defineModels({ a: "openai/x", b: "openai/y" }, "b").defaultAlias).toBe("b");
  });

  test("without models there are no aliases and no default", () => {
    expect(defineModels()).toEqual({ aliases: {} });
  });

  test("takes every setting", () => {
    const settings = {
      model: "openai-compatible/llama",
      secret: "vllm",
      baseUrl: "https://models.example.com/v1",
      temperature: 0,
      maxOutputTokens: 100,
      price: { input: 0, output: 1.5 },
      record: "metadata",
    } as const;
    expect(defineModels({ local: settings }).aliases["local"]).toEqual(settings);
  });

  test.each<[string, ModelsConfig, string | undefined, RegExp]>([
    ["upper-case alias", { Fast: "openai/x" }, undefined, /alias "Fast" does not fit/],
    ["alias with a slash", { "a/b": "openai/x" }, undefined, /alias "a\/b"/],
    ["unknown default", { a: "openai/x" }, "b", /defaultModel is "b".*Aliases: a\./],
    ["default without aliases", {}, "b", /No aliases are configured/],
    [
      "no provider",
      { a: "gpt-5" },
      undefined,
      /models\.a\.model is "gpt-5", which has no provider/,
    ],
    [
      "unsupported provider",
      { a: "acme/x" },
      undefined,
      /"acme" is not a supported provider. Supported: openai, /,
    ],
    ["no model name", { a: "openai/ " }, undefined, /names no model after the slash/],
    [
      "other offline model",
      { a: "offline/x" },
      undefined,
      /only offline model is offline\/extract/,
    ],
    ["null", JSON.parse('{"a":null}'), undefined, /models\.a must be .*not null/],
    ["a number", JSON.parse('{"a":3}'), undefined, /not 3/],
    ["no model", JSON.parse('{"a":{}}'), undefined, /not \{\}/],
    [
      "unknown setting",
      JSON.parse('{"a":{"model":"openai/x","temp":1}}'),
      undefined,
      /models\.a\.temp is not a setting/,
    ],
    [
      "empty secret",
      { a: { model: "openai/x", secret: " " } },
      undefined,
      /models\.a\.secret must be the name of a secret/,
    ],
    [
      "secret of the offline provider",
      { a: { model: "offline/extract", secret: "x" } },
      undefined,
      /secret must be left out/,
    ],
    [
      "bad URL",
      { a: { model: "openai/x", baseUrl: "ftp://x" } },
      undefined,
      /baseUrl must be an http or https URL/,
    ],
    [
      "negative temperature",
      { a: { model: "openai/x", temperature: -1 } },
      undefined,
      /temperature must be a number from 0, not -1/,
    ],
    [
      "no tokens",
      { a: { model: "openai/x", maxOutputTokens: 0 } },
      undefined,
      /maxOutputTokens must be a whole number from 1, not 0/,
    ],
    [
      "half a price",
      JSON.parse('{"a":{"model":"openai/x","price":{"input":1}}}'),
      undefined,
      /price must be/,
    ],
    [
      "a price that is no object",
      JSON.parse('{"a":{"model":"openai/x","price":1}}'),
      undefined,
      /price must be/,
    ],
    [
      "record",
      JSON.parse('{"a":{"model":"openai/x","record":"no"}}'),
      undefined,
      /record must be "full" or "metadata"/,
    ],
  ])("refuses %s", (_, config, defaultModel, message) => {
    expect(messageOfThrown(() => defineModels(config, defaultModel))).toMatch(message);
  });
});

describe("resolveModel", () => {
  test("an alias", () => {
    const model = resolveModel("smart", models);
    expect(model).toMatchObject({ id: "openai/gpt-5", name: "gpt-5", alias: "smart" });
    expect(model.provider.prefix).toBe("openai");
  });

  test("a raw model, whose name may have slashes", () => {
    const model = resolveModel("openrouter/meta/llama", models);
    expect(model).toMatchObject({ id: "openrouter/meta/llama", name: "meta/llama" });
    expect(model.alias).toBeUndefined();
  });

  test("explicit beats the environment, the environment beats the default alias", () => {
    const env = { KITARU_DEFAULT_MODEL: "smart" };
    expect(resolveModel("fast", models, env).alias).toBe("fast");
    expect(resolveModel(undefined, models, env).alias).toBe("smart");
    expect(resolveModel(undefined, models, {}).alias).toBe("fast");
  });

  test("the environment may name a raw model", () => {
    const env = { KITARU_DEFAULT_MODEL: " ollama/llama3.2 " };
    expect(resolveModel(undefined, models, env)).toMatchObject({ id: "ollama/llama3.2" });
  });

  test.each([
    [
      "blank environment",
      undefined,
      { KITARU_DEFAULT_MODEL: " " },
      /KITARU_DEFAULT_MODEL is set but empty/,
    ],
    [
      "bad environment",
      undefined,
      { KITARU_DEFAULT_MODEL: "gpt" },
      /KITARU_DEFAULT_MODEL is "gpt"/,
    ],
    ["unknown alias", "slow", {}, /model is "slow", which has no provider.*Aliases: fast, smart\./],
    ["unsupported provider", "acme/x", {}, /"acme" is not a supported provider/],
    ["inherited names", "constructor", {}, /has no provider/],
  ])("refuses %s", (_, requested, env, message) => {
    expect(messageOfThrown(() => resolveModel(requested, models, env))).toMatch(message);
  });

  test("with nothing to go by it names the remedies", () => {
    const message = messageOfThrown(() => resolveModel(undefined, defineModels()));
    expect(message).toMatch(/llm\(prompt, \{ model: .*KITARU_DEFAULT_MODEL.*kitaru\.config\.ts/);
  });
});

test("isHttpUrl", () => {
  expect(["http://a", "https://a/b", "a", "file:///a", 3].map(isHttpUrl)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
