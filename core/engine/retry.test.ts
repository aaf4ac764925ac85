import { expect, test } from "vitest";
import {
  KitaruBackendError,
  KitaruCancelledError,
  KitaruContextError,
  KitaruSerializationError,
  KitaruTimeoutError,
  KitaruUsageError,
  NonRetryableError,
  RetryAfterError,
} from "../errors.ts";
import { type RetryPolicy, decideRetry, neverRetry } from "./retry.ts";

const policy: RetryPolicy = { ...neverRetry, attempts: 3, jitter: false };
const half = (): number => 0.5;

test("so many tries after the first, each after twice the delay, up to the longest", () => {
  const delays = [1, 2, 3, 4].map((attempt) =>
    decideRetry({ ...policy, maxDelayMs: 3000 }, attempt, new Error("x"), half),
  );
  expect(delays).toEqual([
    { retry: true, delayMs: 1000 },
    { retry: true, delayMs: 2000 },
    { retry: true, delayMs: 3000 },
    { retry: false },
  ]);
  expect(decideRetry(neverRetry, 1, new Error("x"), half)).toEqual({ retry: false });
});

test("jitter draws between nothing and the full delay", () => {
  const jittered = { ...policy, jitter: true };
  expect(decideRetry(jittered, 2, new Error("x"), half)).toEqual({ retry: true, delayMs: 1000 });
  expect(decideRetry(jittered, 2, new Error("x"), () => 0)).toEqual({ retry: true, delayMs: 0 });
});

test.each([
  new KitaruUsageError("x"),
  new KitaruContextError("x"),
  new KitaruSerializationError("x"),
  new KitaruCancelledError("x"),
  new NonRetryableError("x"),
  { retryable: false },
])("final: %o", (error) => {
  expect(decideRetry(policy, 1, error, half)).toEqual({ retry: false });
});

test.each([new KitaruTimeoutError("x"), new KitaruBackendError("x"), "text", null, undefined])(
  "tried again: %o",
  (error) => {
    expect(decideRetry(policy, 1, error, half)).toEqual({ retry: true, delayMs: 1000 });
  },
);

test("a predicate decides which errors are worth it", () => {
  const retryIf = (error: unknown): boolean => error instanceof TypeError;
  expect(decideRetry({ ...policy, retryIf }, 1, new TypeError("x"), half).retry).toBe(true);
  expect(decideRetry({ ...policy, retryIf }, 1, new RangeError("x"), half).retry).toBe(false);
});

test("an error may ask for a delay of its own; one that makes no sense is ignored", () => {
  const ask = (error: unknown) => decideRetry(policy, 1, error, half);
  expect(ask(new RetryAfterError("x", 90_000))).toEqual({ retry: true, delayMs: 90_000 });
  for (const retryAfterMs of [-1, Number.NaN, Infinity, "soon"])
    expect(ask({ retryAfterMs })).toEqual({ retry: true, delayMs: 1000 });
});
