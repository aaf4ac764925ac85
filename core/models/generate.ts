import type { StandardSchemaV1 } from "@standard-schema/spec";
import { KitaruBackendError } from "../errors.ts";
import { validate } from "../schema.ts";
import { resolveCredentials } from "./credentials.ts";
import { extractAnswer } from "./offline.ts";
import { resolveModel } from "./registry.ts";
import type { Env, ResolvedModel } from "./registry.ts";
import type { LlmRequest } from "./request.ts";
import { askSdk } from "./sdk.ts";
import { toPlain } from "./plain.ts";
import { answerSchema, jsonSchemaOf, parseJsonText } from "./structured.ts";
import type { LlmOutcome, LlmRecord, LlmRunContext } from "../ports/model.ts";
import { costOf } from "./usage.ts";

/** What answering a request may use. */
export interface GenerateContext extends LlmRunContext {
  /** Environment variables. @default process.env */
  readonly env?: Env;
}

/** An answer, before it is recorded. */
interface Answer {
  readonly value: unknown;
  /** Kept as the response: the value, and the steps when there were tools. */
  readonly response: unknown;
  readonly credentialSource: LlmRecord["credentialSource"];
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly totalTokens: number | undefined;
  readonly finishReason: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** The model of an answer, as it is recorded. */
type ModelNames = Pick<LlmRecord, "alias" | "resolvedModel">;

/**
 * Ask a model.
 *
 * With `KITARU_LLM_MOCK_RESPONSE` set, that text is the answer: no credentials, no package, no network.
 *
 * @throws {@link KitaruUsageError} when the call can never work.
 * @throws {@link KitaruBackendError} `credentials` when keys are missing, `model` when the provider fails.
 */
export async function generate(request: LlmRequest, context: GenerateContext): Promise<LlmOutcome> {
  const env = context.env ?? process.env;
  const started = performance.now();
  const mock = env["KITARU_LLM_MOCK_RESPONSE"];
  if (mock !== undefined && mock !== "") {
    const names = mockNames(request, context, env);
    return toOutcome(request, names, await mockAnswer(request, mock), started);
  }
  const model = resolveModel(request.model, context.models, env);
  const settled = withAliasDefaults(request, model);
  const answer =
    model.provider.prefix === "offline"
      ? offlineAnswer(settled)
      : await modelAnswer(settled, model, context, env);
  return toOutcome(settled, namesOf(model), priced(answer, model), started);
}

function withAliasDefaults(request: LlmRequest, { settings }: ResolvedModel): LlmRequest {
  const { temperature, maxOutputTokens, record } = settings;
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(record === undefined ? {} : { record }),
    ...request,
  };
}

function namesOf({ alias, id }: ResolvedModel): ModelNames {
  return alias === undefined ? { resolvedModel: id } : { alias, resolvedModel: id };
}

/** A mock answers also where no model could: unknown providers, nothing configured. */
function mockNames(request: LlmRequest, { models }: GenerateContext, env: Env): ModelNames {
  try {
    return namesOf(resolveModel(request.model, models, env));
  } catch {
    return { resolvedModel: request.model ?? "mock" };
  }
}

async function mockAnswer(request: LlmRequest, text: string): Promise<Answer> {
  const value = await valueOf(text, request, { model: "KITARU_LLM_MOCK_RESPONSE" });
  return {
    value,
    response: value,
    credentialSource: "none",
    inputTokens: 0,
    outputTokens: 0,
    totalTokens: 0,
    finishReason: "stop",
    metadata: { mock: true },
  };
}

function offlineAnswer({ messages, schema, maxOutputTokens }: LlmRequest): Answer {
  const { text, inputTokens, outputTokens, metadata } = extractAnswer(messages, {
    schema,
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
  });
  return {
    value: text,
    response: text,
    credentialSource: "none",
    inputTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    finishReason: "stop",
    metadata,
  };
}

async function modelAnswer(
  request: LlmRequest,
  model: ResolvedModel,
  context: GenerateContext,
  env: Env,
): Promise<Answer> {
  const { schema } = request;
  const wanted = schema === undefined ? undefined : answerSchema(jsonSchemaOf(schema));
  const credentials = await resolveCredentials(model, env, context.secrets);
  const answer = await askSdk({
    request,
    model,
    credentials,
    ...(wanted === undefined ? {} : { schema: wanted.shown }),
    signal: context.signal,
  });
  const { text, steps, warnings, ...figures } = answer;
  const { inputTokens, outputTokens, finishReason } = figures;
  const value = await valueOf(text, request, {
    model: model.id,
    finishReason,
    usage: { inputTokens, outputTokens },
    ...(wanted === undefined ? {} : { unwrap: wanted.unwrap }),
  });
  return {
    ...figures,
    value,
    response: request.tools === undefined ? value : { value, steps },
    credentialSource: credentials.source,
    ...(warnings.length === 0 ? {} : { metadata: { warnings } }),
  };
}

/** Where a text came from, for the error when it does not fit. */
interface TextSource {
  readonly model: string;
  readonly finishReason?: string;
  readonly usage?: Readonly<Record<string, number | undefined>>;
  readonly unwrap?: (answer: unknown) => unknown;
}

async function valueOf(text: string, request: LlmRequest, source: TextSource): Promise<unknown> {
  const { schema } = request;
  return schema === undefined ? text : await toSchema(text, schema, request, source);
}

async function toSchema(
  text: string,
  schema: StandardSchemaV1,
  request: LlmRequest,
  source: TextSource,
): Promise<unknown> {
  const parsed = parseJsonText(text);
  if (parsed === undefined) throw unfit("is not JSON", text, request, source);
  const unwrap = source.unwrap ?? ((answer: unknown) => answer);
  const result = await validate(schema, unwrap(parsed.value));
  if (result.ok) return result.value;
  throw unfit(`does not fit the schema (${result.issues})`, text, request, source);
}

function unfit(what: string, text: string, request: LlmRequest, source: TextSource): Error {
  const { model, finishReason, usage } = source;
  const advice =
    finishReason === "length"
      ? "It was cut off: raise maxOutputTokens."
      : "Simplify the schema, describe its fields, use a stronger model, or give the checkpoint retries.";
  // Issues of a schema may quote the answer, but only its short pieces; the answer itself is a response.
  const got = request.record === "metadata" ? "" : ` Received: ${excerpt(text)}.`;
  return new KitaruBackendError(`llm(): the answer of ${model} ${what}. ${advice}${got}`, {
    code: "model",
    details: {
      model,
      ...(finishReason === undefined ? {} : { finishReason }),
      ...(usage === undefined ? {} : { usage }),
    },
  });
}

function excerpt(text: string): string {
  return JSON.stringify(text.length <= 200 ? text : `${text.slice(0, 200)}…`);
}

function priced(answer: Answer, { settings }: ResolvedModel): Answer & { readonly cost?: number } {
  if (settings.price === undefined) return answer;
  const { inputTokens, outputTokens } = answer;
  const cost = costOf(settings.price, {
    ...(inputTokens === undefined ? {} : { inputTokens }),
    ...(outputTokens === undefined ? {} : { outputTokens }),
  });
  return cost === undefined ? answer : { ...answer, cost };
}

function toOutcome(
  request: LlmRequest,
  names: ModelNames,
  answer: Answer & { readonly cost?: number },
  started: number,
): LlmOutcome {
  const { inputTokens, outputTokens, totalTokens, cost, metadata } = answer;
  const record: LlmRecord = {
    ...(request.model === undefined ? {} : { requestedModel: request.model }),
    ...names,
    credentialSource: answer.credentialSource,
    ...(inputTokens === undefined ? {} : { inputTokens }),
    ...(outputTokens === undefined ? {} : { outputTokens }),
    ...(totalTokens === undefined ? {} : { totalTokens }),
    latencyMs: Math.round(performance.now() - started),
    finishReason: answer.finishReason,
    ...(cost === undefined ? {} : { cost }),
    ...(metadata === undefined ? {} : { metadata }),
  };
  if (request.record === "metadata") return { value: answer.value, record };
  return {
    value: answer.value,
    record,
    prompt: toPlain(request.messages),
    response: toPlain(answer.response),
  };
}
