import type { SecretStore } from "./secrets.ts";

/** What an llm call recorded beside its value. */
export interface LlmRecord {
  /** What the caller asked for: an alias, `provider/model`, or nothing. */
  readonly requestedModel?: string;
  /** The alias that was used, when one was. */
  readonly alias?: string;
  /** `provider/model` that answered. */
  readonly resolvedModel: string;
  readonly credentialSource: "environment" | "secret" | "none" | "caller";
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly totalTokens?: number;
  /** Milliseconds from request to complete response. */
  readonly latencyMs: number;
  readonly finishReason?: string;
  /** In US dollars, when a price per million tokens is configured for the alias. */
  readonly cost?: number;
  /** Facts a provider adds about its answer, such as `offline: true`. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** One finished llm call. */
export interface LlmOutcome {
  /** What the call returns to the flow; storable. */
  readonly value: unknown;
  readonly record: LlmRecord;
  /** Normalised messages, kept as an artifact of type `prompt`; absent with `record: "metadata"`. */
  readonly prompt?: unknown;
  /** The answer, kept as an artifact of type `response`; absent with `record: "metadata"`. */
  readonly response?: unknown;
}

/** An llm call, as a primitive hands it to the engine. */
export interface LlmCall {
  /** Name of the call: `llm` unless the user named it. */
  readonly name: string;
  /** Everything that determines the answer, storable; its hash decides whether a recorded outcome fits. */
  readonly identity: unknown;
  /** Ask the model. Called at most once per attempt, never when a recorded outcome is reused. */
  readonly run: (context: LlmRunContext) => Promise<LlmOutcome>;
  /** The same call with another model or prompt, for a replay; absent where the caller chose both by other means. */
  readonly with?: (change: LlmChange) => LlmCall;
}

/** What a replay may put into an llm call. */
export interface LlmChange {
  /** Alias or `provider/model`. */
  readonly model?: string;
  readonly prompt?: string;
}

/** What an llm call may use while it runs. */
export interface LlmRunContext {
  /** Aborts on timeout and cancel. */
  readonly signal: AbortSignal;
  readonly models: ModelRegistry;
  readonly secrets: SecretStore;
}

/** US dollars per million tokens. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
}

/** A configured model. */
export interface ModelAlias {
  /** `provider/model`. */
  readonly model: string;
  /** Name of the secret that holds the credentials, for when the environment has none. */
  readonly secret?: string;
  /** Base URL of an OpenAI-compatible server. */
  readonly baseUrl?: string;
  readonly temperature?: number;
  readonly maxOutputTokens?: number;
  readonly price?: ModelPrice;
  /** `metadata` keeps prompts and responses out of the store. @default "full" */
  readonly record?: "full" | "metadata";
}

/** Aliases by name, from the stack config. */
export interface ModelRegistry {
  readonly aliases: Readonly<Record<string, ModelAlias>>;
  /** Alias used when a call names no model. */
  readonly defaultAlias?: string;
}
