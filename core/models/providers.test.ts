import { readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { hasCode } from "../errors.ts";
import {
  awsChainPackage,
  findProvider,
  missingPackage,
  ollamaUrl,
  providers,
} from "./providers.ts";
import type { OpenModel } from "./providers.ts";

interface Manifest {
  readonly peerDependencies: Record<string, string>;
  readonly peerDependenciesMeta: Record<string, { optional?: boolean }>;
}
const manifest = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as Manifest;

/** What makes each provider open without asking anybody. */
const settings: Record<string, Omit<OpenModel, "model">> = {
  openai: { values: { OPENAI_API_KEY: "k" } },
  anthropic: { values: { ANTHROPIC_API_KEY: "k" } },
  google: { values: { GEMINI_API_KEY: "k" } },
  bedrock: { values: { AWS_BEARER_TOKEN_BEDROCK: "k", AWS_REGION: "eu-west-1" } },
  openrouter: { values: { OPENROUTER_API_KEY: "k" } },
  ollama: { values: {} },
  "openai-compatible": { values: {}, baseUrl: "http://127.0.0.1:1/v1" },
};

const online = providers.filter((provider) => provider.package !== undefined);

describe("the table", () => {
  test("names each prefix once, in the form a model is written", () => {
    const prefixes = providers.map((provider) => provider.prefix);
    expect(new Set(prefixes).size).toBe(prefixes.length);
    for (const prefix of prefixes) expect(prefix).toMatch(/^[a-z][a-z-]*$/);
    expect(findProvider("openai")?.label).toBe("OpenAI");
    expect(findProvider("acme")).toBeUndefined();
  });

  test.each(online.map((provider) => [provider.prefix, provider] as const))(
    "%s",
    async (prefix, provider) => {
      const name = provider.package ?? "";
      expect(manifest.peerDependencies).toHaveProperty([name]);
      expect(manifest.peerDependenciesMeta[name]?.optional).toBe(true);
      expect(provider.docs).toMatch(/^https:\/\//);
      for (const key of provider.keys.flat()) expect(key).toMatch(/^[A-Z][A-Z0-9_]+$/);
      const model = await provider.open({
        model: "some-model",
        ...(settings[prefix] ?? { values: {} }),
      });
      expect(model.modelId).toBe("some-model");
      expect(model.specificationVersion).toBe("v4");
    },
  );

  test("the offline provider is never opened", async () => {
    const offline = findProvider("offline");
    await expect(offline?.open({ model: "extract", values: {} })).rejects.toThrow(/built in/);
  });
});

describe("protocols", () => {
  test.each([
    [undefined, "openai.responses"],
    ["https://api.openai.com/v1", "openai.responses"],
    ["https://eu.api.openai.com/v1", "openai.responses"],
    ["http://localhost:8000/v1", "openai.chat"],
    ["https://api.openai.com.evil.example/v1", "openai.chat"],
  ])("openai at %s speaks %s", async (baseUrl, provider) => {
    const values = { OPENAI_API_KEY: "k", OPENAI_ORG_ID: "o" };
    const model = await findProvider("openai")?.open({
      model: "m",
      values,
      ...(baseUrl === undefined ? {} : { baseUrl }),
    });
    expect(model?.provider).toBe(provider);
  });

  test.each([
    [undefined, "http://127.0.0.1:11434/v1"],
    ["", "http://127.0.0.1:11434/v1"],
    ["gpu", "http://gpu:11434/v1"],
    ["gpu:80", "http://gpu/v1"],
    ["0.0.0.0:5000", "http://127.0.0.1:5000/v1"],
    ["https://ollama.example", "https://ollama.example/v1"],
    ["https://ollama.example/proxy/v1/", "https://ollama.example/proxy/v1"],
  ])("OLLAMA_HOST %s is %s", (host, url) => {
    expect(ollamaUrl(host)).toBe(url);
  });

  test("an OLLAMA_HOST that is no address", () => {
    expect(() => ollamaUrl("a b")).toThrow(/OLLAMA_HOST is "a b", which is no address/);
  });
});

describe("Bedrock", () => {
  const bedrock = findProvider("bedrock");
  test("needs a region", async () => {
    const opened = bedrock?.open({ model: "m", values: { AWS_BEARER_TOKEN_BEDROCK: "k" } });
    await expect(opened).rejects.toThrow(/bedrock\/m needs an AWS region. Set AWS_REGION/);
  });

  test.each([
    [{ AWS_ACCESS_KEY_ID: "i", AWS_SECRET_ACCESS_KEY: "s", AWS_REGION: "r" }],
    [
      {
        AWS_ACCESS_KEY_ID: "i",
        AWS_SECRET_ACCESS_KEY: "s",
        AWS_SESSION_TOKEN: "t",
        AWS_DEFAULT_REGION: "r",
      },
    ],
  ])("takes keys: %o", async (values) => {
    expect((await bedrock?.open({ model: "m", values }))?.provider).toMatch(/bedrock/);
  });

  test("profiles and roles need one more package, and the error names every remedy", async () => {
    const opened = bedrock?.open({ model: "m", values: { AWS_REGION: "r" } });
    await expect(opened).rejects.toThrow(
      /Set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID.*secret.*npm install @aws-sdk\/credential-providers/,
    );
  });
});

test("Bedrock takes AWS' own chain from that package", async () => {
  const chain = vi.fn<() => () => Promise<object>>(
    () => () => Promise.resolve({ accessKeyId: "i", secretAccessKey: "s" }),
  );
  vi.doMock(awsChainPackage, () => ({ fromNodeProviderChain: chain }));
  const opened = await findProvider("bedrock")?.open({ model: "m", values: { AWS_REGION: "r" } });
  vi.doUnmock(awsChainPackage);
  expect(opened?.modelId).toBe("m");
  expect(chain).toHaveBeenCalledOnce();
});

describe("missingPackage", () => {
  function thrownBy(cause: unknown): Error {
    try {
      return missingPackage("@ai-sdk/openai", "ai")(cause);
    } catch (error) {
      return error as Error;
    }
  }

  test("names the command that installs", () => {
    const cause = Object.assign(new Error("Cannot find"), { code: "ERR_MODULE_NOT_FOUND" });
    const error = thrownBy(cause);
    expect(error.message).toMatch(
      /needs the package @ai-sdk\/openai, which is not installed. Run: npm install @ai-sdk\/openai ai$/,
    );
    expect(hasCode(error, "usage")).toBe(true); // a checkpoint that asks is not tried again
    expect(error.cause).toBe(cause);
  });

  test("tells a broken package from a missing one", () => {
    expect(thrownBy(new SyntaxError("bad")).message).toMatch(/does not load: bad\. Reinstall/);
    expect(thrownBy("odd").message).toMatch(/does not load: odd/);
  });
});
