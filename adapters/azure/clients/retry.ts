import { codeOf, statusOf } from "../failure.ts";

/** How often a request is tried, the first time included, and how long each try may take. */
export interface RetryRule {
  readonly tries: number;
  readonly tryMs: number;
}

/** One try of a request. */
export interface Try {
  /** Aborts when the try has had its time. */
  readonly signal: AbortSignal;
  /** Whether an earlier try may have been carried out, and only its reply been lost. */
  readonly isRepeated: boolean;
}

const firstDelayMs = 100;
const longestDelayMs = 5000;

/**
 * Try a request until it succeeds or is refused: exponential delays with full jitter after throttling, 5xx, broken
 * connections and silence; as long as the service asks for, when it does. The SDKs' own retries are off: they do not tell
 * whether a request was repeated, which decides whether a failed condition may be one's own doing.
 */
export async function repeated<T>(
  { tries, tryMs }: RetryRule,
  request: (attempt: Try) => Promise<T>,
): Promise<T> {
  for (let number = 1; ; number++) {
    const signal = AbortSignal.timeout(tryMs);
    try {
      return await request({ signal, isRepeated: number > 1 });
    } catch (error) {
      if (number >= tries || !(signal.aborted || isTransient(error))) throw error;
      await delay(retryAfterMs(error) ?? Math.random() * backoffMs(number));
    }
  }
}

/** Longest wait before the try after `number`. */
function backoffMs(number: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** (number - 1));
}

/** Whether trying again may help: nobody answered, or the service says that it is busy or broken. */
function isTransient(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined) return status === 408 || status === 429 || status >= 500;
  return brokenConnection.test(codeOf(error));
}

const brokenConnection =
  /^(?:REQUEST_SEND_ERROR|PARSE_ERROR|ECONNRESET|ECONNREFUSED|ETIMEDOUT|EPIPE|EAI_AGAIN|UND_ERR_SOCKET)$/;

function retryAfterMs(error: unknown): number | undefined {
  const headers = (error as { response?: { headers?: { get?: (name: string) => unknown } } } | null)
    ?.response?.headers;
  const seconds = Number(headers?.get?.("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(seconds * 1000, longestDelayMs) : undefined;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
