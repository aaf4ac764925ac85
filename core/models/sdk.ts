import type { JSONSchema7 } from "@ai-sdk/provider";
import type { ModelMessage, SystemModelMessage, ToolSet } from "ai";
import { KitaruBackendError } from "../errors.ts";
import { isSecretName } from "./credentials.ts";
import type { Credentials } from "./credentials.ts";
import { modelError } from "./failure.ts";
import { missingPackage } from "./providers.ts";
import type { ResolvedModel } from "./registry.ts";
import type { LlmMessage, LlmRequest } from "./request.ts";
import { toPlain } from "./plain.ts";
import type { JsonSchema } from "./structured.ts";

/** Most times a model is asked in one llm call that has tools, unless the call says otherwise. */
const defaultMaxSteps = 20;

/** More tries after a rate limit or a failure of the provider, unless the call says otherwise. */
const defaultRetries = 2;

/** One question for the AI SDK. */
export interface SdkQuestion {
  readonly request: LlmRequest;
  readonly model: ResolvedModel;
  readonly credentials: Credentials;
  /** Asks for JSON of this form. */
  readonly schema?: JsonSchema;
  readonly signal: AbortSignal;
}

/** What the AI SDK answered, over all steps. */
export interface SdkAnswer {
  readonly text: string;
  readonly finishReason: string;
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly totalTokens: number | undefined;
  /** Tool calls and results, one entry per time the model was asked; storable. */
  readonly steps: unknown;
  readonly warnings: readonly unknown[];
}

/**
 * Ask a model through the AI SDK, which is loaded here and not before.
 *
 * @throws {@link KitaruBackendError} with code `model`; an abort throws the signal's reason.
 */
export async function askSdk(question: SdkQuestion): Promise<SdkAnswer> {
  const { model, credentials, signal } = question;
  try {
    const answer = await generateText(question);
    checkFinish(answer, question);
    return answer;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw modelError(error, {
      caller: "llm()",
      model: model.id,
      hidden: hiddenOf(credentials),
      docs: model.provider.docs,
      ...keySourceOf(model, credentials),
    });
  }
}

async function generateText(question: SdkQuestion): Promise<SdkAnswer> {
  const { request, model, credentials, schema, signal } = question;
  const ai = await import("ai").catch(missingPackage("ai", model.provider.package ?? ""));
  const language = await model.provider.open({
    model: model.name,
    values: credentials.values,
    ...(credentials.baseUrl === undefined ? {} : { baseUrl: credentials.baseUrl }),
  });
  let chosen: string | undefined;
  const format =
    schema === undefined
      ? ai.Output.text()
      : ai.Output.object({ schema: ai.jsonSchema(schema as JSONSchema7) });
  const result = await ai.generateText({
    model: language,
    ...splitSystem(request.messages),
    // The list comes from the flow's own code; a provider that minds says so itself.
    allowSystemInMessages: true,
    maxRetries: request.retries ?? defaultRetries,
    abortSignal: signal,
    ...settingsOf(request),
    ...(request.tools === undefined
      ? {}
      : {
          // LlmTool describes the same objects without naming a type of `ai`.
          tools: request.tools as unknown as ToolSet,
          stopWhen: ai.isStepCount(request.maxSteps ?? defaultMaxSteps),
        }),
    output: {
      ...ai.Output.text(),
      responseFormat: format.responseFormat,
      // Parsing happens in our hands: it keeps the usage of an answer that does not fit and names the field.
      parseCompleteOutput: ({ text }) => {
        chosen = text;
        return Promise.resolve(text);
      },
    },
  });
  return {
    text: chosen ?? result.finalStep.text,
    finishReason: result.finishReason,
    inputTokens: result.usage.inputTokens,
    outputTokens: result.usage.outputTokens,
    totalTokens: result.usage.totalTokens,
    steps: toPlain(
      result.steps.map((step) => step.content.map(toolPart).filter((part) => part !== undefined)),
    ),
    warnings: (result.warnings ?? []).map(toPlain),
  };
}

function settingsOf(request: LlmRequest): { temperature?: number; maxOutputTokens?: number } {
  const { temperature, maxOutputTokens } = request;
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
  };
}

/** Leading system messages are instructions; providers treat those best. */
function splitSystem(messages: readonly LlmMessage[]): {
  messages: ModelMessage[];
  instructions?: SystemModelMessage[];
} {
  const first = messages.findIndex((message) => message.role !== "system");
  const rest = messages.slice(first) as ModelMessage[];
  return first === 0
    ? { messages: rest }
    : { messages: rest, instructions: messages.slice(0, first) as SystemModelMessage[] };
}

/** What was said, asked and answered; reasoning and sources are left out. */
function toolPart(part: { readonly type: string }): unknown {
  if (part.type !== "text" && !part.type.startsWith("tool-")) return undefined;
  const fields: Readonly<Record<string, unknown>> = { ...part };
  const { type, text, toolCallId, toolName, input, output, error } = fields;
  return { type, text, toolCallId, toolName, input, output, error };
}

function checkFinish(answer: SdkAnswer, { request, model }: SdkQuestion): void {
  const { finishReason, text } = answer;
  const usage = {
    inputTokens: answer.inputTokens,
    outputTokens: answer.outputTokens,
  };
  if (finishReason === "tool-calls") {
    throw new KitaruBackendError(
      `llm(): ${model.id} still called tools when its ${request.maxSteps ?? defaultMaxSteps} steps were used up ` +
        "(or a tool waits for an approval). Raise maxSteps, or ask for less at once.",
      { code: "model", details: { model: model.id, usage } },
    );
  }
  if (text === "" && (finishReason === "content-filter" || finishReason === "error")) {
    throw new KitaruBackendError(
      `llm(): ${model.id} refused to answer (${finishReason}). Change the prompt or the model.`,
      { code: "model", details: { model: model.id, usage } },
    );
  }
}

function hiddenOf({ values }: Credentials): readonly string[] {
  return Object.entries(values)
    .filter(([name]) => isSecretName(name))
    .map(([, value]) => value);
}

function keySourceOf(
  { settings }: ResolvedModel,
  { source, values }: Credentials,
): { readonly keySource?: string } {
  if (source === "secret") return { keySource: `the secret "${settings.secret}"` };
  const names = Object.keys(values).filter(isSecretName);
  return names.length === 0 ? {} : { keySource: names.join(" and ") };
}
