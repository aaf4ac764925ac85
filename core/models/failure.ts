import { KitaruBackendError, isKitaruError, messageOf } from "../errors.ts";

/** What is known about a model call that failed. */
export interface FailureContext {
  /** What the user called: `llm()` or `durableModel()`. */
  readonly caller: string;
  /** `provider/model`. */
  readonly model: string;
  /** Where the credentials came from, for advice: `OPENAI_API_KEY`, `the secret "openai"`. */
  readonly keySource?: string;
  /** Values that must not appear in any message. */
  readonly hidden?: readonly string[];
  readonly docs?: string;
  /** How often the provider was asked, when the caller counted. */
  readonly tries?: number;
}

/**
 * Turn whatever a provider or the AI SDK threw into one clear error.
 *
 * The cause is a copy of its name, message and stack alone: provider errors carry the whole request and
 * response, and a recorded error must hold neither prompts nor keys.
 */
export function modelError(thrown: unknown, context: FailureContext): Error {
  if (isKitaruError(thrown)) return thrown;
  const { last, tries } = unwrapRetries(thrown);
  const status = statusOf(last);
  const said = redact(shorten(messageOf(last)), context.hidden);
  const asked = context.tries ?? tries;
  const after = asked > 1 ? ` after ${asked} tries` : "";
  const what = status === undefined || isSuccess(status) ? said : `HTTP ${status}, ${said}`;
  return new KitaruBackendError(
    `${context.caller} got no answer from ${context.model}${after}: ${endSentence(what)} ${advice(last, status, context)}`,
    {
      code: "model",
      cause: safeCause(last, context.hidden),
      details: { model: context.model, ...(status === undefined ? {} : { status }) },
    },
  );
}

/** Whether asking again may help: rate limits, trouble at the provider, a broken connection. */
export function isRetryable(thrown: unknown): boolean {
  return field(thrown, "isRetryable") === true;
}

/** Milliseconds the provider asks to wait, when it does and it is under a minute. */
export function retryAfterMs(thrown: unknown): number | undefined {
  const headers = field(thrown, "responseHeaders");
  const milliseconds = Number.parseFloat(String(field(headers, "retry-after-ms")));
  const seconds = Number.parseFloat(String(field(headers, "retry-after")));
  const wait = Number.isNaN(milliseconds) ? seconds * 1000 : milliseconds;
  return wait >= 0 && wait < 60_000 ? wait : undefined;
}

/** Take out what looks like a key, and the given values, which are keys. */
export function redact(text: string, hidden: readonly string[] = []): string {
  const known = hidden.filter((value) => value.length >= 4);
  const cleared = known.reduce((rest, value) => rest.replaceAll(value, "***"), text);
  return cleared.replaceAll(keyPattern, "***");
}

/** Keys as OpenAI, Anthropic, OpenRouter, Google and AWS write them, also partly masked, and bearer tokens. */
const keyPattern =
  /\b(?:sk-[\w*.-]{6,}|AIza[\w*-]{6,}|(?:AKIA|ASIA)[A-Z0-9]{8,}|Bearer\s+[\w*.~+/=-]{8,})/g;

const longestMessage = 500;

function unwrapRetries(thrown: unknown): { readonly last: unknown; readonly tries: number } {
  const errors = field(thrown, "errors");
  const last = field(thrown, "lastError");
  return Array.isArray(errors) && last !== undefined
    ? { last, tries: errors.length }
    : { last: thrown, tries: 1 };
}

function statusOf(error: unknown): number | undefined {
  const status = field(error, "statusCode");
  return typeof status === "number" ? status : undefined;
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function advice(error: unknown, status: number | undefined, context: FailureContext): string {
  const { keySource, docs } = context;
  if (status === undefined) return adviceWithoutStatus(error);
  if (isSuccess(status)) {
    return `The server at ${originOf(error)} does not speak this protocol as expected. Check the base URL.`;
  }
  if (status === 401 || status === 403) {
    const key = keySource === undefined ? "the credentials" : `the credentials in ${keySource}`;
    return `Check ${key}, and that they may use this model.`;
  }
  if (status === 404) {
    return `Check the model's name${docs === undefined ? "" : ` (${docs})`} and the base URL.`;
  }
  if (status === 408 || status === 429) {
    return "Wait, raise the provider's limit, ask less at once (concurrency), or give the checkpoint retries.";
  }
  if (status >= 500)
    return "The provider is in trouble. Try later, or give the checkpoint retries.";
  return "Mend the request: the provider refused its content or its options.";
}

function adviceWithoutStatus(error: unknown): string {
  return field(error, "url") === undefined
    ? "Mend what it says, then retry the execution."
    : `Check that ${originOf(error)} can be reached from here and that the base URL is right.`;
}

function originOf(error: unknown): string {
  const url = field(error, "url");
  return typeof url === "string" && URL.canParse(url) ? new URL(url).origin : "the base URL";
}

function safeCause(error: unknown, hidden: readonly string[] | undefined): Error {
  const cause = new Error(redact(shorten(messageOf(error)), hidden));
  if (!(error instanceof Error)) return cause;
  cause.name = error.name;
  const frames = error.stack?.split("\n").filter((line) => /^\s+at /.test(line)) ?? [];
  cause.stack = [`${cause.name}: ${cause.message}`, ...frames].join("\n");
  return cause;
}

function shorten(text: string): string {
  return text.length <= longestMessage ? text : `${text.slice(0, longestMessage)}…`;
}

function endSentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
