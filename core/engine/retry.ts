import { type ErrorCode, isKitaruError } from "../errors.ts";

/** When and how often a failed attempt is followed by another. All durations in milliseconds. */
export interface RetryPolicy {
  /** Tries after the first. */
  readonly attempts: number;
  readonly initialDelayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  /** Draw the delay evenly between 0 and its full length, so that many failures do not come back at once. */
  readonly jitter: boolean;
  readonly retryIf?: (error: unknown) => boolean;
}

/** No second try. */
export const neverRetry: RetryPolicy = {
  attempts: 0,
  initialDelayMs: 1000,
  factor: 2,
  maxDelayMs: 60_000,
  jitter: true,
};

/** What to do after a failed attempt: try again after so many milliseconds, or give up. */
export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number }
  | { readonly retry: false };

/** Decide whether attempt number `attempt` (from 1), which failed with `error`, is followed by another. */
export function decideRetry(
  policy: RetryPolicy,
  attempt: number,
  error: unknown,
  random: () => number,
): RetryDecision {
  if (attempt > policy.attempts || isFinal(error)) return { retry: false };
  if (policy.retryIf !== undefined && !policy.retryIf(error)) return { retry: false };
  const asked = askedDelay(error);
  if (asked !== undefined) return { retry: true, delayMs: asked };
  const full = Math.min(policy.maxDelayMs, policy.initialDelayMs * policy.factor ** (attempt - 1));
  return { retry: true, delayMs: Math.round(policy.jitter ? full * random() : full) };
}

/** Errors that say the code is wrong; trying again cannot mend that. */
const finalCodes: ReadonlySet<ErrorCode> = new Set([
  "usage",
  "context",
  "serialization",
  "cancelled",
]);

function isFinal(error: unknown): boolean {
  if (isKitaruError(error) && finalCodes.has(error.code)) return true;
  return isObject(error) && error["retryable"] === false;
}

function askedDelay(error: unknown): number | undefined {
  if (!isObject(error)) return undefined;
  const ms = error["retryAfterMs"];
  return typeof ms === "number" && ms >= 0 && Number.isFinite(ms) ? ms : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
