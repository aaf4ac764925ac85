import type { LanguageModelV2, LanguageModelV3, LanguageModelV4 } from "@ai-sdk/provider";
import { KitaruUsageError } from "../errors.ts";
import { isRetryable, modelError, retryAfterMs } from "./failure.ts";
import { fromPlain, toPlain } from "./plain.ts";
import type { LlmCall, LlmOutcome, LlmRecord, LlmRunContext, ModelPrice } from "../ports/model.ts";
import { costOf } from "./usage.ts";

/** Options of {@link DurableModel}. */
export interface DurableModelOptions {
  /** Name of the recorded calls. @default "llm" */
  readonly name?: string;
  /** `metadata` keeps prompt and response artifacts out of the store; the outcome itself stays, for replay. @default "full" */
  readonly record?: "full" | "metadata";
  /** More tries after a rate limit or a failure of the provider, within one recorded call. @default 2 */
  readonly retries?: number;
  /** Milliseconds before the second try; doubles, unless the provider names a delay. @default 2000 */
  readonly retryDelayMs?: number;
  /** Price for the recorded cost. @default the price of the config alias with this model */
  readonly price?: ModelPrice;
}

/**
 * Wrap an AI SDK language model, so that every question a harness puts to it (generateText, streamText,
 * agents, tool loops) is a recorded llm call: answered from the journal on a re-run, never asked twice.
 *
 * A streamed answer is read to its end, recorded, and only then handed on as a stream. Trouble at the provider is
 * retried inside the recorded call and then thrown as an error the AI SDK does not retry, so that a re-run
 * asks the same number of times.
 */
export interface DurableModel {
  (model: LanguageModelV4, options?: DurableModelOptions): LanguageModelV4;
  (model: LanguageModelV3, options?: DurableModelOptions): LanguageModelV3;
  (model: LanguageModelV2, options?: DurableModelOptions): LanguageModelV2;
}

/** What all versions of the AI SDK's language models have in common. */
interface AnyModel {
  readonly specificationVersion: string;
  readonly provider: string;
  readonly modelId: string;
  readonly supportedUrls: unknown;
  doGenerate(options: CallOptions): PromiseLike<object>;
  doStream(options: CallOptions): PromiseLike<{ readonly stream: ReadableStream<StreamPart> }>;
}

interface CallOptions {
  readonly prompt?: unknown;
  readonly abortSignal?: AbortSignal | undefined;
  readonly headers?: unknown;
}

interface StreamPart {
  readonly type: string;
}

interface Wrapped {
  readonly model: AnyModel;
  readonly options: DurableModelOptions;
  readonly recordLlm: (call: LlmCall) => Promise<unknown>;
}

/** One question: how it is asked, and what of the answer counts. */
interface Question {
  readonly operation: "generate" | "stream";
  readonly callOptions: CallOptions;
  readonly ask: (callOptions: CallOptions) => Promise<RawAnswer>;
}

/** An answer of either kind: what replay needs and what the record shows. */
interface RawAnswer {
  readonly value: unknown;
  readonly usage: unknown;
  readonly finishReason: unknown;
}

const versions = new Set(["v2", "v3", "v4"]);

/** Make {@link DurableModel} over the function that records calls. */
export function createDurableModel(recordLlm: (call: LlmCall) => Promise<unknown>): DurableModel {
  const durable = (model: unknown, options: DurableModelOptions = {}): unknown => {
    if (!isModel(model)) {
      throw new KitaruUsageError(
        "durableModel(): pass an AI SDK language model object (specification v2, v3 or v4), " +
          `such as openai("gpt-5"), not ${typeof model === "string" ? JSON.stringify(model) : typeof model}.`,
      );
    }
    return wrap({ model, options, recordLlm });
  };
  return durable as DurableModel;
}

function isModel(value: unknown): value is AnyModel {
  if (typeof value !== "object" || value === null) return false;
  const { specificationVersion, doGenerate, doStream } = value as Partial<AnyModel>;
  return (
    versions.has(String(specificationVersion)) &&
    typeof doGenerate === "function" &&
    typeof doStream === "function"
  );
}

function wrap(wrapped: Wrapped): AnyModel {
  const { model } = wrapped;
  return {
    specificationVersion: model.specificationVersion,
    provider: model.provider,
    modelId: model.modelId,
    get supportedUrls() {
      return model.supportedUrls;
    },
    doGenerate: async (callOptions) =>
      (await record(wrapped, {
        operation: "generate",
        callOptions,
        ask: async (asked) => generateAnswer(await model.doGenerate(asked)),
      })) as object,
    doStream: async (callOptions) => {
      const value = await record(wrapped, {
        operation: "stream",
        callOptions,
        ask: async (asked) => streamAnswer((await model.doStream(asked)).stream),
      });
      return { stream: replayParts((value as { readonly parts: readonly StreamPart[] }).parts) };
    },
  };
}

async function record(wrapped: Wrapped, question: Question): Promise<unknown> {
  const { model, options, recordLlm } = wrapped;
  const { callOptions, operation } = question;
  const { abortSignal: _signal, headers: _headers, ...asked } = callOptions;
  const { provider, modelId } = model;
  const value = await recordLlm({
    name: options.name ?? "llm",
    identity: toPlain({ provider, modelId, operation, ...asked }),
    run: (context) => run(wrapped, question, context),
  });
  return fromPlain(value);
}

async function run(
  wrapped: Wrapped,
  question: Question,
  context: LlmRunContext,
): Promise<LlmOutcome> {
  const started = performance.now();
  const { callOptions } = question;
  const signals = [context.signal, callOptions.abortSignal].filter(
    (signal) => signal !== undefined,
  );
  const signal = AbortSignal.any(signals);
  const answer = await askWithRetries(wrapped, signal, () =>
    question.ask({ ...callOptions, abortSignal: signal }),
  );
  const outcome = {
    value: answer.value,
    record: recordOf(wrapped, answer, context, Math.round(performance.now() - started)),
  };
  if (wrapped.options.record === "metadata") return outcome;
  return { ...outcome, prompt: toPlain(callOptions.prompt), response: answer.value };
}

async function askWithRetries(
  { model, options }: Wrapped,
  signal: AbortSignal,
  ask: () => Promise<RawAnswer>,
): Promise<RawAnswer> {
  const { retries = 2, retryDelayMs = 2000 } = options;
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (tries > retries || !isRetryable(error)) {
        throw modelError(error, { caller: "durableModel()", model: idOf(model), tries });
      }
      await pause(retryAfterMs(error) ?? retryDelayMs * 2 ** (tries - 1), signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

function generateAnswer(result: object): RawAnswer {
  const { request: _request, response, ...kept } = result as Record<string, unknown>;
  const { usage, finishReason } = kept;
  return {
    value: toPlain({ ...kept, response: responseMeta(response) }),
    usage,
    finishReason,
  };
}

/** Headers and bodies of a response are for debugging, large, and may hold what must not be stored. */
function responseMeta(response: unknown): unknown {
  if (typeof response !== "object" || response === null) return undefined;
  const { headers: _headers, body: _body, ...meta } = response as Record<string, unknown>;
  return meta;
}

async function streamAnswer(stream: ReadableStream<StreamPart>): Promise<RawAnswer> {
  const parts: StreamPart[] = [];
  for await (const part of stream) {
    if ("error" in part && part.type === "error") throw part.error;
    if (part.type !== "raw" && part.type !== "ping") addPart(parts, part);
  }
  const finish = parts.findLast((part) => part.type === "finish");
  if (finish === undefined) throw new Error("The stream ended before the answer was complete");
  const { usage, finishReason } = finish as unknown as Record<string, unknown>;
  return { value: toPlain({ parts }), usage, finishReason };
}

/** A delta joins the one before it: nobody watches a recorded stream, and one part a token is costly to store. */
function addPart(parts: StreamPart[], part: StreamPart): void {
  const last = parts.at(-1);
  if (last !== undefined && isPlainDelta(last) && isPlainDelta(part)) {
    if (last.type === part.type && last.id === part.id) {
      parts[parts.length - 1] = { ...last, delta: last.delta + part.delta } as StreamPart;
      return;
    }
  }
  parts.push(part);
}

interface Delta extends StreamPart {
  readonly id: string;
  readonly delta: string;
}

function isPlainDelta(part: StreamPart): part is Delta {
  const { delta, providerMetadata } = part as {
    readonly delta?: unknown;
    readonly providerMetadata?: unknown;
  };
  return (
    part.type.endsWith("-delta") && typeof delta === "string" && providerMetadata === undefined
  );
}

function replayParts(parts: readonly StreamPart[]): ReadableStream<StreamPart> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}

function recordOf(
  { model, options }: Wrapped,
  answer: RawAnswer,
  context: LlmRunContext,
  latencyMs: number,
): LlmRecord {
  const tokens = tokensOf(answer.usage);
  const price = options.price ?? priceOf(model, context);
  const cost = price === undefined ? undefined : costOf(price, tokens);
  const finishReason = finishReasonOf(answer.finishReason);
  return {
    requestedModel: model.modelId,
    resolvedModel: idOf(model),
    credentialSource: "caller",
    ...tokens,
    latencyMs,
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(cost === undefined ? {} : { cost }),
  };
}

/** `openai.responses` and `anthropic.messages` name a protocol after the provider. */
function idOf({ provider, modelId }: AnyModel): string {
  return `${provider.split(".")[0]}/${modelId}`;
}

function priceOf(model: AnyModel, { models }: LlmRunContext): ModelPrice | undefined {
  const id = idOf(model);
  return Object.values(models.aliases).find((alias) => alias.model === id)?.price;
}

type Tokens = Pick<LlmRecord, "inputTokens" | "outputTokens" | "totalTokens">;

/** Version 2 counts in numbers, versions 3 and 4 in objects with a total. */
function tokensOf(usage: unknown): Tokens {
  const { inputTokens, outputTokens, totalTokens } = (usage ?? {}) as Record<string, unknown>;
  const input = countOf(inputTokens);
  const output = countOf(outputTokens);
  const sum =
    input === undefined && output === undefined ? undefined : (input ?? 0) + (output ?? 0);
  const total = countOf(totalTokens) ?? sum;
  return {
    ...(input === undefined ? {} : { inputTokens: input }),
    ...(output === undefined ? {} : { outputTokens: output }),
    ...(total === undefined ? {} : { totalTokens: total }),
  };
}

function countOf(count: unknown): number | undefined {
  if (typeof count === "number") return count;
  if (typeof count !== "object" || count === null || !("total" in count)) return undefined;
  return typeof count.total === "number" ? count.total : undefined;
}

function finishReasonOf(reason: unknown): string | undefined {
  if (typeof reason === "string") return reason;
  if (typeof reason !== "object" || reason === null || !("unified" in reason)) return undefined;
  return String(reason.unified);
}
