import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { NonRetryableError } from "../../errors.ts";
import type { Entry } from "../../journal/entry.ts";
import { load, log, save } from "../../primitives/artifact.ts";
import { type CheckpointOptions, checkpoint } from "../../primitives/checkpoint.ts";
import { failureOf, twice } from "../../primitives/fixtures/twice.ts";
import { flow } from "../../primitives/flow.ts";
import { checkpointContext } from "../../primitives/scope.ts";
import { type TestStack, testStack } from "../../../testing/test-stack.ts";
import { registry } from "../definitions.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

const isolated = (options: CheckpointOptions = {}): CheckpointOptions => ({
  ...options,
  runtime: "isolated",
});
const tick = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const kindsOf = (journal: readonly Entry[]): string[] =>
  journal.map(({ t }) => t).filter((t) => t !== "advance");

test("is scheduled, runs on its own, and its outcome is adopted once", async () => {
  const work = checkpoint("work", isolated(), (x: { n: number }) => ({ n: x.n * 2 }));
  const f = flow("f", async () => Promise.all([work({ n: 1 }), work({ n: 2 })]));
  expect(await twice(stack, f, undefined, { id: "e" })).toEqual([{ n: 2 }, { n: 4 }]);
  expect(kindsOf(await stack.journal("e"))).toEqual([
    "started",
    "scheduled",
    "scheduled",
    "completed",
    "completed",
    "ended",
  ]);
});

test("large arguments and results, logs and artifacts", async () => {
  const large = "x".repeat(50_000);
  const work = checkpoint("work", isolated(), (text: string) => {
    save("copy", text, { type: "context" });
    log({ length: text.length });
    return text;
  });
  const read = checkpoint("read", () => load("e", "copy"));
  const f = flow("f", async () => [await work(large), await read()]);
  expect(await twice(stack, f, undefined, { id: "e" })).toEqual([large, large]);
  expect(kindsOf(await stack.journal("e"))).toContain("log");
});

test("loads what others saved", async () => {
  const write = checkpoint("write", () => save("notes", 5));
  const read = checkpoint("read", isolated(), () => load(checkpointContext().executionId, "notes"));
  const f = flow("f", async () => {
    await write();
    return read();
  });
  expect(await twice(stack, f, undefined)).toBe(5);
});

test("a failed attempt is followed by another as the policy says", async () => {
  const seen: number[] = [];
  const work = checkpoint(
    "work",
    isolated({ retries: { attempts: 2, initialDelay: "20s", jitter: false } }),
    () => {
      const { attempt } = checkpointContext();
      seen.push(attempt);
      if (attempt < 3) throw new RangeError(`no ${attempt}`);
      return "third";
    },
  );
  const f = flow("f", async () => work());
  expect(await twice(stack, f, undefined, { id: "e" })).toBe("third");
  expect(seen).toEqual([1, 2, 3]);
  const journal = await stack.journal("e");
  const attempts = journal.filter((entry) => entry.t === "attempt");
  expect(attempts.map(({ no, at, retryAt = 0, err }) => [no, retryAt - at, err?.message])).toEqual([
    [1, 20_000, "no 1"],
    [2, 40_000, "no 2"],
  ]);
  expect(journal.findLast(({ t }) => t === "completed")).toMatchObject({ tries: 3 });
});

test("failures: out of tries, final, unstorable", async () => {
  const tired = checkpoint("tired", isolated({ retries: { attempts: 1, initialDelay: 1 } }), () => {
    throw new RangeError(`no ${checkpointContext().attempt}`);
  });
  const final = checkpoint("final", isolated({ retries: 5 }), () => {
    throw new NonRetryableError("final");
  });
  const odd = checkpoint("odd", isolated({ retries: 5 }), (): unknown => ({ fn: () => 1 }));
  const f = flow("f", async () => {
    const errors = [await failureOf(tired()), await failureOf(final()), await failureOf(odd())];
    return errors.map(({ message }) => message);
  });
  expect(await twice(stack, f, undefined)).toEqual([
    "no 2",
    "final",
    expect.stringContaining("the result of odd:0: fn is a function"),
  ]);
});

test("a timeout aborts its signal and is a failure like another", async () => {
  const work = checkpoint(
    "work",
    isolated({ timeout: 2000, retries: { attempts: 1, initialDelay: 1 } }),
    () => {
      const { attempt } = checkpointContext();
      return attempt === 1 ? new Promise<string>(() => undefined) : "second";
    },
  );
  expect(
    await twice(
      stack,
      flow("f", async () => work()),
      undefined,
      { id: "e" },
    ),
  ).toBe("second");
  const attempt = (await stack.journal("e")).find((entry) => entry.t === "attempt");
  expect(attempt).toMatchObject({ err: { code: "timeout" } });
});

describe("an attempt that leaves no outcome", () => {
  /** A checkpoint whose first attempt never ends, in a process that dies. */
  async function crashing(options: CheckpointOptions) {
    const seen: number[] = [];
    const work = checkpoint("work", isolated(options), async () => {
      const { attempt } = checkpointContext();
      seen.push(attempt);
      if (seen.length === 1) await new Promise(() => undefined);
      return attempt;
    });
    const f = flow("f", async () => work());
    const handle = f.run(undefined, { id: "e" });
    while (seen.length === 0) await tick();
    await stack.crash();
    const [outcome] = await Promise.allSettled([stack.finish(handle)]);
    return { outcome, seen };
  }

  test("has crashed once its deadline has passed, and is followed by another", async () => {
    const { outcome } = await crashing({
      timeout: "1 minute",
      retries: { attempts: 1, initialDelay: 1 },
    });
    expect(outcome.status).toBe("fulfilled");
  });

  test("of an at-most-once call is interrupted", async () => {
    const { outcome, seen } = await crashing({ timeout: "1 minute", semantics: "at-most-once" });
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "interrupted" } });
    expect(seen).toEqual([1]);
  });

  test("is told by who ran it: crashed, retried as the policy says", async () => {
    const { host } = stack.runtime;
    const work = checkpoint(
      "work",
      isolated({ retries: { attempts: 1, initialDelay: 1 } }),
      async () => {
        const { attempt, executionId, callId } = checkpointContext();
        await host.crashed({ executionId, callId, attempt }, "its process was killed");
        return attempt;
      },
    );
    const f = flow("f", async () => failureOf(work()).then(({ message }) => message));
    expect(await twice(stack, f, undefined, { id: "e" })).toBe(
      "Attempt 2 of work:0 ended without an outcome: its process was killed.",
    );
    const attempt = (await stack.journal("e")).find((entry) => entry.t === "attempt");
    expect(attempt).toMatchObject({ no: 1, err: { code: "crashed" } });
  });

  test("of an at-most-once call that is told: interrupted, not retried", async () => {
    const { host } = stack.runtime;
    const work = checkpoint("work", isolated({ semantics: "at-most-once" }), async () => {
      const { attempt, executionId, callId } = checkpointContext();
      await host.crashed({ executionId, callId, attempt }, "its process was killed");
    });
    const f = flow("f", async () => work());
    expect(await failureOf(twice(stack, f, undefined))).toMatchObject({ code: "interrupted" });
  });
});

test("cancelling aborts it", async () => {
  let reason: unknown;
  const running = Promise.withResolvers<void>();
  const work = checkpoint("work", isolated(), async () => {
    const { signal } = checkpointContext();
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        reason = signal.reason;
        reject(signal.reason as Error);
      });
      running.resolve();
    });
  });
  const f = flow("f", async () => work());
  const handle = f.run(undefined, { id: "e" });
  await running.promise;
  await handle.cancel();
  expect(await failureOf(stack.finish(handle))).toMatchObject({ code: "cancelled" });
  expect(reason).toBeDefined();
});

test("a stack that cannot isolate runs it inline", async () => {
  const plain = await testStack({ config: {}, capabilities: { isolated: false } });
  const work = checkpoint("work", isolated(), (x: number) => x + 1);
  expect(
    await plain.run(
      flow("f", async () => work(1)),
      undefined,
      { id: "e" },
    ),
  ).toBe(2);
  expect(kindsOf(await plain.journal("e"))).toEqual(["started", "completed", "ended"]);
  await plain.close();
});
