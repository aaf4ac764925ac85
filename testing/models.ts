import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
} from "@ai-sdk/provider";

/** One scripted answer. */
export interface ScriptedAnswer {
  readonly text?: string;
  readonly toolCalls?: readonly { readonly name: string; readonly input: unknown }[];
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Thrown instead of answering. */
  readonly error?: unknown;
}

/**
 * Answers in order, or a function of the prompt's last text, the number of the call, from 0, and all that was asked.
 * In a flow a recorded call is not asked again, so a script that may be re-run decides by the conversation, not by number.
 */
export type Script =
  | readonly (string | ScriptedAnswer)[]
  | ((
      prompt: string,
      call: number,
      asked: LanguageModelV4CallOptions,
    ) => string | ScriptedAnswer | Promise<string | ScriptedAnswer>);

/** An AI SDK language model that says what it is told to. */
export interface ScriptedModel extends LanguageModelV4 {
  /** Options of every call so far, in order. */
  readonly calls: readonly LanguageModelV4CallOptions[];
}

/**
 * Make a model that answers from a script; a list that runs out is an error that says so.
 * Tokens are 10 in and 5 out unless the answer says otherwise.
 */
export function scriptedModel(script: Script): ScriptedModel {
  const calls: LanguageModelV4CallOptions[] = [];
  const next = async (
    options: LanguageModelV4CallOptions,
  ): Promise<LanguageModelV4GenerateResult> => {
    const call = calls.push(options) - 1;
    options.abortSignal?.throwIfAborted();
    const answer = await pick(script, options, call);
    if (answer.error !== undefined) throw answer.error;
    return toResult(answer, options);
  };
  return {
    specificationVersion: "v4",
    provider: "scripted",
    modelId: "script",
    supportedUrls: {},
    calls,
    doGenerate: next,
    doStream: async (options) => ({ stream: toStream(await next(options)) }),
  };
}

/** Text of the last message that has any. */
export function lastText({ prompt }: LanguageModelV4CallOptions): string {
  const texts = prompt.map(({ content }) =>
    typeof content === "string"
      ? content
      : content.map((part) => (part.type === "text" ? part.text : "")).join(""),
  );
  return texts.findLast((text) => text !== "") ?? "";
}

async function pick(
  script: Script,
  options: LanguageModelV4CallOptions,
  call: number,
): Promise<ScriptedAnswer> {
  const answer =
    typeof script === "function" ? await script(lastText(options), call, options) : script[call];
  if (answer === undefined) {
    throw new Error(
      `scriptedModel: call ${call + 1} has no answer; the script has ${script.length}. It was asked: ${lastText(options)}`,
    );
  }
  return typeof answer === "string" ? { text: answer } : answer;
}

function toResult(
  answer: ScriptedAnswer,
  { prompt }: LanguageModelV4CallOptions,
): LanguageModelV4GenerateResult {
  const { text, toolCalls = [], inputTokens = 10, outputTokens = 5 } = answer;
  const content: LanguageModelV4Content[] = text === undefined ? [] : [{ type: "text", text }];
  // By the conversation, so that it is the same in every process that holds it.
  const turn = prompt.filter(({ role }) => role === "assistant").length;
  for (const [index, { name, input }] of toolCalls.entries()) {
    content.push({
      type: "tool-call",
      toolCallId: `call-${turn}-${index}`,
      toolName: name,
      input: JSON.stringify(input),
    });
  }
  return {
    content,
    finishReason: { unified: toolCalls.length > 0 ? "tool-calls" : "stop", raw: undefined },
    usage: {
      inputTokens: { total: inputTokens, noCache: inputTokens, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: outputTokens, text: outputTokens, reasoning: 0 },
    },
    warnings: [],
  };
}

function toStream(
  result: LanguageModelV4GenerateResult,
): ReadableStream<LanguageModelV4StreamPart> {
  const parts: LanguageModelV4StreamPart[] = [
    { type: "stream-start", warnings: [] },
    ...result.content.flatMap(toParts),
    { type: "finish", usage: result.usage, finishReason: result.finishReason },
  ];
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}

function toParts(content: LanguageModelV4Content, index: number): LanguageModelV4StreamPart[] {
  if (content.type === "tool-call") return [content];
  const id = String(index);
  const words = content.type === "text" ? (content.text.match(/\S+\s*|\s+/g) ?? []) : [];
  return [
    { type: "text-start", id },
    ...words.map((delta) => ({ type: "text-delta" as const, id, delta })),
    { type: "text-end", id },
  ];
}
