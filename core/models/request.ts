import type { StandardSchemaV1 } from "@standard-schema/spec";
import { KitaruUsageError } from "../errors.ts";

/** Text in a message. */
export interface LlmTextPart {
  readonly type: "text";
  readonly text: string;
}

/** A picture in a message: bytes, base64 text or a URL. */
export interface LlmImagePart {
  readonly type: "image";
  readonly image: unknown;
  readonly mediaType?: string | undefined;
}

/** A file in a message: bytes, base64 text or a URL. */
export interface LlmFilePart {
  readonly type: "file";
  readonly data: unknown;
  readonly mediaType: string;
  readonly filename?: string | undefined;
}

/** A tool call in an assistant's message. */
export interface LlmToolCallPart {
  readonly type: "tool-call";
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
}

/** A tool's answer in a tool message. */
export interface LlmToolResultPart {
  readonly type: "tool-result";
  readonly toolCallId: string;
  readonly toolName: string;
  readonly output: unknown;
}

/** Any other part the AI SDK knows, such as reasoning. */
export interface LlmOtherPart {
  readonly type:
    | "reasoning"
    | "reasoning-file"
    | "custom"
    | "tool-approval-request"
    | "tool-approval-response";
}

/** One part of a message. */
export type LlmPart =
  | LlmTextPart
  | LlmImagePart
  | LlmFilePart
  | LlmToolCallPart
  | LlmToolResultPart
  | LlmOtherPart;

/** One message of a conversation; every `ModelMessage` of the AI SDK is one. */
export interface LlmMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string | readonly LlmPart[];
}

/** A tool the model may call; every AI SDK tool with `execute` is one. */
export interface LlmTool {
  readonly description?: unknown;
  readonly inputSchema?: unknown;
  readonly type?: string | undefined;
  execute?(input: never, options: never): unknown;
}

/** Tools by the name the model sees. */
export type LlmTools = Readonly<Record<string, LlmTool>>;

/** A checked llm call, ready to be answered by any provider. */
export interface LlmRequest {
  /** Alias or `provider/model`, as the caller wrote it. */
  readonly model?: string;
  /** System messages first. */
  readonly messages: readonly LlmMessage[];
  readonly schema?: StandardSchemaV1;
  readonly temperature?: number;
  readonly maxOutputTokens?: number;
  readonly tools?: LlmTools;
  /** Most times the model is asked when it calls tools. @default 20 */
  readonly maxSteps?: number;
  /** More tries after a rate limit or a failure of the provider. @default 2 */
  readonly retries?: number;
  /** `metadata` keeps prompt and response out of the store. */
  readonly record?: "full" | "metadata";
}

const roles = new Set(["system", "user", "assistant", "tool"]);

/**
 * Bring a prompt into the form of messages.
 *
 * @throws {@link KitaruUsageError} when something is empty or is no message.
 */
export function toMessages(
  prompt: string | readonly LlmMessage[],
  system?: string,
): readonly LlmMessage[] {
  const messages = typeof prompt === "string" ? [userMessage(prompt)] : checkMessages(prompt);
  if (system === undefined) return messages;
  if (typeof system !== "string" || system.trim() === "") {
    throw new KitaruUsageError("llm(): system is empty. Give it text, or leave it out.");
  }
  return [{ role: "system", content: system }, ...messages];
}

/**
 * Check the numbers and tools of a request.
 *
 * @throws {@link KitaruUsageError} naming the option and the value received.
 */
export function checkRequest(request: LlmRequest): LlmRequest {
  const { model, temperature, maxOutputTokens, maxSteps, retries, record, tools } = request;
  check(model === undefined || isText(model), "model", "an alias or provider/model", model);
  check(
    temperature === undefined || (Number.isFinite(temperature) && temperature >= 0),
    "temperature",
    "a number from 0",
    temperature,
  );
  check(isWhole(maxOutputTokens, 1), "maxOutputTokens", "a whole number from 1", maxOutputTokens);
  check(isWhole(maxSteps, 1), "maxSteps", "a whole number from 1", maxSteps);
  check(isWhole(retries, 0), "retries", "a whole number from 0", retries);
  check(
    record === undefined || record === "full" || record === "metadata",
    "record",
    '"full" or "metadata"',
    record,
  );
  checkTools(tools);
  return request;
}

function userMessage(prompt: string): LlmMessage {
  if (prompt.trim() === "") {
    throw new KitaruUsageError("llm(): the prompt is empty. Pass the text the model is to answer.");
  }
  return { role: "user", content: prompt };
}

function checkMessages(messages: readonly LlmMessage[]): readonly LlmMessage[] {
  if (!Array.isArray(messages)) {
    throw new KitaruUsageError(
      `llm(): the prompt must be text or a list of messages, not ${describe(messages)}.`,
    );
  }
  if (messages.length === 0) {
    throw new KitaruUsageError("llm(): the list of messages is empty. Pass at least one message.");
  }
  messages.forEach(checkMessage);
  if (messages.every((message) => message.role === "system")) {
    throw new KitaruUsageError(
      "llm(): there are only system messages. Add a user message to answer.",
    );
  }
  return messages;
}

function checkMessage(message: unknown, index: number): void {
  const place = `llm(): messages[${index}]`;
  if (typeof message !== "object" || message === null) {
    throw new KitaruUsageError(`${place} must be { role, content }, not ${describe(message)}.`);
  }
  const { role, content } = message as Partial<LlmMessage>;
  if (role === undefined || !roles.has(role)) {
    throw new KitaruUsageError(
      `${place}.role must be one of ${[...roles].join(", ")}, not ${describe(role)}.`,
    );
  }
  if (typeof content !== "string" && !Array.isArray(content)) {
    throw new KitaruUsageError(
      `${place}.content must be text or a list of parts, not ${describe(content)}.`,
    );
  }
  if (content.length === 0) throw new KitaruUsageError(`${place}.content is empty.`);
}

function checkTools(tools: LlmTools | undefined): void {
  for (const [name, tool] of Object.entries(tools ?? {})) {
    // Tools a provider runs on its own side have a type and no execute.
    if (typeof tool.execute === "function" || tool.type === "provider") continue;
    throw new KitaruUsageError(
      `llm(): the tool "${name}" has no execute function, so nobody could answer the model. ` +
        "Add one, or use durableModel() with your own tool loop.",
    );
  }
}

function check(ok: boolean, option: string, wanted: string, got: unknown): void {
  if (!ok) throw new KitaruUsageError(`llm(): ${option} must be ${wanted}, not ${describe(got)}.`);
}

function isWhole(value: number | undefined, least: number): boolean {
  return value === undefined || (Number.isInteger(value) && value >= least);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.trim() !== "";
}

function describe(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
