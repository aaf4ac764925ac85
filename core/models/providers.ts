import type { LanguageModelV4 } from "@ai-sdk/provider";
import { KitaruBackendError, messageOf } from "../errors.ts";
import { explainMissing } from "../ports/on-demand.ts";

/** What opening a model needs. */
export interface OpenModel {
  /** Model name without the provider's prefix. */
  readonly model: string;
  /** Credentials and settings by their environment-style names. */
  readonly values: Readonly<Record<string, string>>;
  readonly baseUrl?: string;
}

/** How one provider is named, paid for and loaded. */
export interface Provider {
  /** What stands before the first slash of `provider/model`. */
  readonly prefix: string;
  /** Name for people. */
  readonly label: string;
  /** Package that speaks the provider's protocol; absent for the built-in offline provider. */
  readonly package?: string;
  /** Where the provider lists its models; the built-in one's only model. */
  readonly docs: string;
  /** Alternatives; every name of one of them is needed. Empty: no credentials. */
  readonly keys: readonly (readonly string[])[];
  /** Whether a call without any of `keys` may go ahead. @default false */
  readonly keyOptional?: boolean;
  /**
   * Present when the provider finds credentials by itself as a last resort: variables that show the
   * environment means it to, and that therefore win over a secret.
   */
  readonly ambient?: readonly string[];
  /** Names handed on when they are set, never required. */
  readonly settings?: readonly string[];
  /** Name of the variable that holds another base URL. */
  readonly baseUrlName?: string;
  /** Whether a base URL must be given, because there is no usual one. @default false */
  readonly baseUrlRequired?: boolean;
  readonly open: (settings: OpenModel) => Promise<LanguageModelV4>;
}

/** Package that finds AWS credentials in profiles, roles and instance metadata; needed only for those. */
export const awsChainPackage: string = "@aws-sdk/credential-providers";

/**
 * Every provider llm() knows. The packages are optional peers: each is loaded when a call needs it.
 * The specifiers are literal so that a bundler finds them, and each `.catch` lets it build without them.
 */
export const providers: readonly Provider[] = [
  {
    prefix: "openai",
    label: "OpenAI",
    package: "@ai-sdk/openai",
    docs: "https://platform.openai.com/docs/models",
    keys: [["OPENAI_API_KEY"]],
    settings: ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID"],
    baseUrlName: "OPENAI_BASE_URL",
    open: openOpenAi,
  },
  {
    prefix: "anthropic",
    label: "Anthropic",
    package: "@ai-sdk/anthropic",
    docs: "https://docs.claude.com/en/docs/about-claude/models",
    keys: [["ANTHROPIC_API_KEY"], ["ANTHROPIC_AUTH_TOKEN"]],
    baseUrlName: "ANTHROPIC_BASE_URL",
    open: openAnthropic,
  },
  {
    prefix: "google",
    label: "Google Gemini",
    package: "@ai-sdk/google",
    docs: "https://ai.google.dev/gemini-api/docs/models",
    keys: [["GOOGLE_GENERATIVE_AI_API_KEY"], ["GEMINI_API_KEY"]],
    baseUrlName: "GOOGLE_GEMINI_BASE_URL",
    open: openGoogle,
  },
  {
    prefix: "bedrock",
    label: "Amazon Bedrock",
    package: "@ai-sdk/amazon-bedrock",
    docs: "https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html",
    keys: [["AWS_BEARER_TOKEN_BEDROCK"], ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]],
    ambient: [
      "AWS_PROFILE",
      "AWS_WEB_IDENTITY_TOKEN_FILE",
      "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
      "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ],
    settings: ["AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"],
    baseUrlName: "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    open: openBedrock,
  },
  {
    prefix: "openrouter",
    label: "OpenRouter",
    package: "@openrouter/ai-sdk-provider",
    docs: "https://openrouter.ai/models",
    keys: [["OPENROUTER_API_KEY"]],
    baseUrlName: "OPENROUTER_BASE_URL",
    open: openOpenRouter,
  },
  {
    prefix: "ollama",
    label: "Ollama",
    package: "@ai-sdk/openai-compatible",
    docs: "https://docs.ollama.com",
    keys: [["OLLAMA_API_KEY"]],
    keyOptional: true,
    baseUrlName: "OLLAMA_HOST",
    open: ({ model, values, baseUrl }) =>
      openCompatible("ollama", model, ollamaUrl(baseUrl), values["OLLAMA_API_KEY"]),
  },
  {
    prefix: "openai-compatible",
    label: "an OpenAI-compatible server",
    package: "@ai-sdk/openai-compatible",
    docs: "https://ai-sdk.dev/providers/openai-compatible-providers",
    keys: [["OPENAI_COMPATIBLE_API_KEY"]],
    keyOptional: true,
    baseUrlName: "OPENAI_COMPATIBLE_BASE_URL",
    baseUrlRequired: true,
    open: ({ model, values, baseUrl = "" }) =>
      openCompatible("openai-compatible", model, baseUrl, values["OPENAI_COMPATIBLE_API_KEY"]),
  },
  {
    prefix: "offline",
    label: "the built-in extractor, which needs no network and no key",
    docs: "offline/extract",
    keys: [],
    open: () =>
      Promise.reject(new KitaruBackendError("The offline provider is built in and never opened.")),
  },
];

/** Find a provider by what stands before the first slash of a model. */
export function findProvider(prefix: string): Provider | undefined {
  return providers.find((provider) => provider.prefix === prefix);
}

/** Make the function that turns a failed import of `packages[0]` into advice. */
export function missingPackage(...packages: readonly string[]): (cause: unknown) => never {
  return (cause) => {
    const [wanted = ""] = packages;
    const command = `npm install ${packages.join(" ")}`;
    const error = explainMissing(
      cause,
      `A model call needs the package ${wanted}, which is not installed. Run: ${command}`,
    );
    if (error !== cause) throw error;
    throw new KitaruBackendError(
      `The package ${wanted}, which a model call needs, does not load: ${messageOf(cause)}. ` +
        `Reinstall it with: ${command}`,
      { cause },
    );
  };
}

/** Base URL of an Ollama server from the forms `OLLAMA_HOST` takes: `host`, `host:port`, a URL. */
export function ollamaUrl(host: string | undefined): string {
  const given = host?.trim() || "127.0.0.1:11434";
  const text = given.includes("://") ? given : `http://${given}`;
  if (!URL.canParse(text)) {
    throw new KitaruBackendError(
      `OLLAMA_HOST is "${given}", which is no address. Write host, host:port or a URL.`,
      { code: "credentials" },
    );
  }
  const url = new URL(text);
  if (text !== given && !/:\d+$/.test(given)) url.port = "11434";
  // What Ollama listens on is not always what can be connected to.
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  const path = url.pathname.replace(/\/+$/, "");
  return `${url.origin}${path === "" ? "/v1" : path}`;
}

/** Whether a base URL is OpenAI itself, which has more to offer than chat completions. */
function isOpenAi(baseUrl: string): boolean {
  const { hostname } = new URL(baseUrl);
  return hostname === "api.openai.com" || hostname.endsWith(".api.openai.com");
}

function withoutUndefined<T extends object>(
  fields: T,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

async function openOpenAi({ model, values, baseUrl }: OpenModel): Promise<LanguageModelV4> {
  const { createOpenAI } = await import("@ai-sdk/openai").catch(
    missingPackage("@ai-sdk/openai", "ai"),
  );
  const provider = createOpenAI(
    withoutUndefined({
      apiKey: values["OPENAI_API_KEY"] ?? "",
      organization: values["OPENAI_ORG_ID"],
      project: values["OPENAI_PROJECT_ID"],
      // Given always: the package would otherwise read process.env on its own.
      baseURL: baseUrl ?? "https://api.openai.com/v1",
    }),
  );
  return baseUrl === undefined || isOpenAi(baseUrl) ? provider(model) : provider.chat(model);
}

async function openAnthropic({ model, values, baseUrl }: OpenModel): Promise<LanguageModelV4> {
  const { createAnthropic } = await import("@ai-sdk/anthropic").catch(
    missingPackage("@ai-sdk/anthropic", "ai"),
  );
  const apiKey = values["ANTHROPIC_API_KEY"];
  const credentials =
    apiKey === undefined ? { authToken: values["ANTHROPIC_AUTH_TOKEN"] ?? "" } : { apiKey };
  return createAnthropic({
    ...credentials,
    baseURL: anthropicUrl(baseUrl ?? "https://api.anthropic.com"),
  })(model);
}

/** Anthropic's own tools write the base URL without the version, the AI SDK with it. */
function anthropicUrl(baseUrl: string): string {
  const url = new URL(baseUrl);
  return url.pathname === "/" ? `${url.origin}/v1` : baseUrl;
}

async function openGoogle({ model, values, baseUrl }: OpenModel): Promise<LanguageModelV4> {
  const { createGoogle } = await import("@ai-sdk/google").catch(
    missingPackage("@ai-sdk/google", "ai"),
  );
  const apiKey = values["GOOGLE_GENERATIVE_AI_API_KEY"] ?? values["GEMINI_API_KEY"] ?? "";
  return createGoogle(withoutUndefined({ apiKey, baseURL: baseUrl }))(model);
}

async function openBedrock({ model, values, baseUrl }: OpenModel): Promise<LanguageModelV4> {
  const { createAmazonBedrock } = await import("@ai-sdk/amazon-bedrock").catch(
    missingPackage("@ai-sdk/amazon-bedrock", "ai"),
  );
  const region = values["AWS_REGION"] ?? values["AWS_DEFAULT_REGION"];
  if (region === undefined) {
    throw new KitaruBackendError(
      `bedrock/${model} needs an AWS region. Set AWS_REGION in the environment, or in the alias' secret.`,
      { code: "credentials" },
    );
  }
  const credentials = await bedrockCredentials(values);
  return createAmazonBedrock(withoutUndefined({ region, baseURL: baseUrl, ...credentials }))(model);
}

type BedrockCredentials =
  | { readonly apiKey: string }
  | {
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken?: string;
    }
  | { readonly credentialProvider: AwsCredentialProvider };

type AwsCredentialProvider = () => Promise<{
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}>;

async function bedrockCredentials(
  values: Readonly<Record<string, string>>,
): Promise<BedrockCredentials> {
  const apiKey = values["AWS_BEARER_TOKEN_BEDROCK"];
  if (apiKey !== undefined) return { apiKey };
  const accessKeyId = values["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = values["AWS_SECRET_ACCESS_KEY"];
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    const sessionToken = values["AWS_SESSION_TOKEN"];
    return {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    };
  }
  return { credentialProvider: await awsChain() };
}

interface AwsChainModule {
  readonly fromNodeProviderChain: () => AwsCredentialProvider;
}

async function awsChain(): Promise<AwsCredentialProvider> {
  const loaded = (await import(awsChainPackage).catch((cause: unknown) => {
    throw new KitaruBackendError(
      "No credentials for Amazon Bedrock. Set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and " +
        "AWS_SECRET_ACCESS_KEY, in the environment, or give the alias a secret that holds them. " +
        `Profiles, roles and instance metadata need one more package: npm install ${awsChainPackage}`,
      { code: "credentials", cause },
    );
  })) as AwsChainModule;
  return loaded.fromNodeProviderChain();
}

async function openOpenRouter({ model, values, baseUrl }: OpenModel): Promise<LanguageModelV4> {
  const { createOpenRouter } = await import("@openrouter/ai-sdk-provider").catch(
    missingPackage("@openrouter/ai-sdk-provider", "ai"),
  );
  const apiKey = values["OPENROUTER_API_KEY"] ?? "";
  return createOpenRouter(withoutUndefined({ apiKey, baseURL: baseUrl })).chat(model);
}

async function openCompatible(
  name: string,
  model: string,
  baseURL: string,
  apiKey: string | undefined,
): Promise<LanguageModelV4> {
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible").catch(
    missingPackage("@ai-sdk/openai-compatible", "ai"),
  );
  const provider = createOpenAICompatible(
    withoutUndefined({
      name,
      baseURL,
      apiKey,
      includeUsage: true,
      // Ollama, vLLM, LM Studio and llama.cpp take a JSON schema; without this it would be dropped.
      supportsStructuredOutputs: true,
    }),
  );
  return provider.chatModel(model);
}
