import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { registry } from "../engine/definitions.ts";
import { NonRetryableError, RetryAfterError } from "../errors.ts";
import type { AttemptEntry, Entry } from "../journal/entry.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { type CheckpointOptions, checkpoint } from "./checkpoint.ts";
import { failureOf, twice } from "./fixtures/twice.ts";
import { flow } from "./flow.ts";
import { checkpointContext } from "./scope.ts";
import { sleep } from "./sleep.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

const tick = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const attemptsOf = (journal: readonly Entry[]): AttemptEntry[] =>
  journal.filter((entry) => entry.t === "attempt");
const delaysOf = (journal: readonly Entry[]): number[] =>
  attemptsOf(journal).map(({ retryAt = 0, at }) => retryAt - at);

/** A flow of one checkpoint that fails as often as told, and what became of it. */
async function failing(
  times: number,
  options: CheckpointOptions,
  error: (attempt: number) => unknown = (attempt) => new Error(`failure ${attempt}`),
) {
  const seen: number[] = [];
  const work = checkpoint("work", options, () => {
    const { attempt } = checkpointContext();
    seen.push(attempt);
    if (attempt <= times) throw error(attempt);
    return "done";
  });
  const f = flow("f", async () => work());
  const [outcome] = await Promise.allSettled([twice(stack, f, undefined, { id: "e" })]);
  return { outcome, seen, journal: await stack.journal("e") };
}

describe("retries", () => {
  test("without the option there is one attempt", async () => {
    const { outcome, seen, journal } = await failing(1, {});
    expect(outcome).toMatchObject({ status: "rejected", reason: { message: "failure 1" } });
    expect(seen).toEqual([1]);
    expect(attemptsOf(journal)).toEqual([]);
    expect(journal.find((entry) => entry.t === "failed")).not.toHaveProperty("tries");
  });

  test("a count means that many more tries, each journaled with number, times and error", async () => {
    const { outcome, seen, journal } = await failing(3, { retries: 3 });
    expect(outcome).toMatchObject({ status: "fulfilled", value: "done" });
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(attemptsOf(journal).map(({ no, err }) => [no, err?.message])).toEqual([
      [1, "failure 1"],
      [2, "failure 2"],
      [3, "failure 3"],
    ]);
    for (const { s, at } of attemptsOf(journal)) expect(s).toBeLessThanOrEqual(at);
    expect(journal.find((entry) => entry.t === "completed")).toMatchObject({ tries: 4 });
  });

  test("the last failure is the call's when tries run out", async () => {
    const { outcome, seen, journal } = await failing(9, { retries: 2 });
    expect(outcome).toMatchObject({ status: "rejected", reason: { message: "failure 3" } });
    expect(seen).toEqual([1, 2, 3]);
    expect(journal.find((entry) => entry.t === "failed")).toMatchObject({ tries: 3 });
  });

  test("delays double from one second to at most a minute, without jitter exactly", async () => {
    const { journal } = await failing(9, { retries: { attempts: 8, jitter: false } });
    expect(delaysOf(journal)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  test("initialDelay, factor and maxDelay shape the delays", async () => {
    const { journal } = await failing(9, {
      retries: { attempts: 4, initialDelay: "2s", factor: 3, maxDelay: "30s", jitter: false },
    });
    expect(delaysOf(journal)).toEqual([2000, 6000, 18_000, 30_000]);
  });

  test("jitter draws each delay between nothing and its full length", async () => {
    const { journal } = await failing(41, {
      retries: { attempts: 40, initialDelay: 1000, factor: 1 },
    });
    const delays = delaysOf(journal);
    expect(delays).toHaveLength(40);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1000);
    expect(new Set(delays).size).toBeGreaterThan(10);
  });

  test("a delay above five seconds suspends, a shorter one holds", async () => {
    const advances = (journal: readonly Entry[]) => journal.filter(({ t }) => t === "advance");
    const held = await failing(1, { retries: { attempts: 1, initialDelay: 5000, jitter: false } });
    expect(advances(held.journal)).toHaveLength(1);
    registry.clear();
    stack = await testStack({ config: {} });
    const suspended = await failing(1, {
      retries: { attempts: 1, initialDelay: 5001, jitter: false },
    });
    expect(suspended.outcome).toMatchObject({ value: "done" });
    expect(advances(suspended.journal).length).toBeGreaterThan(1);
  });

  test("retryIf decides", async () => {
    const asked: unknown[] = [];
    const { seen } = await failing(9, {
      retries: {
        attempts: 5,
        initialDelay: 1,
        retryIf: (error) => {
          asked.push((error as Error).message);
          return asked.length < 2;
        },
      },
    });
    expect(seen).toEqual([1, 2]);
    expect(asked).toEqual(["failure 1", "failure 2"]);
  });

  test("a retryIf that throws is a no, and the failure stands", async () => {
    const { outcome, seen } = await failing(9, {
      retries: {
        attempts: 5,
        retryIf: (error) => (error as { response: { status: number } }).response.status === 503,
      },
    });
    expect(seen).toEqual([1]);
    expect(outcome).toMatchObject({ status: "rejected", reason: { message: "failure 1" } });
  });

  test("NonRetryableError and what says retryable: false end it at once", async () => {
    const first = await failing(9, { retries: 5 }, () => new NonRetryableError("final"));
    expect(first.seen).toEqual([1]);
    expect(first.outcome).toMatchObject({ reason: expect.any(NonRetryableError) });
    registry.clear();
    stack = await testStack({ config: {} });
    const second = await failing(9, { retries: 5 }, () =>
      Object.assign(new Error("sdk"), { retryable: false }),
    );
    expect(second.seen).toEqual([1]);
  });

  test("RetryAfterError sets the delay, whatever the policy", async () => {
    const { journal, outcome } = await failing(
      2,
      { retries: { attempts: 2, maxDelay: 10 } },
      (attempt) => new RetryAfterError("busy", attempt === 1 ? 90_000 : 3),
    );
    expect(outcome).toMatchObject({ value: "done" });
    expect(delaysOf(journal)).toEqual([90_000, 3]);
  });

  test("what is thrown need not be an error", async () => {
    const { outcome } = await failing(
      9,
      { retries: { attempts: 1, initialDelay: 1 } },
      () => "text",
    );
    expect(outcome).toEqual({ status: "rejected", reason: "text" });
  });

  test("every attempt gets its own copy of the arguments, as they were asked", async () => {
    const seen: number[][] = [];
    const work = checkpoint(
      "work",
      { retries: { attempts: 1, initialDelay: 1 } },
      (list: number[]) => {
        seen.push([...list]);
        list.push(99);
        if (seen.length === 1) throw new Error("again");
        return list;
      },
    );
    const f = flow("f", async () => {
      const mine = [1];
      const pending = work(mine);
      mine.push(2);
      return { result: await pending, mine };
    });
    expect(await twice(stack, f, undefined)).toEqual({ result: [1, 99], mine: [1, 2] });
    expect(seen).toEqual([[1], [1]]);
  });
});

describe("timeout", () => {
  test("aborts the signal with the error, and is a failure like another", async () => {
    const reasons: unknown[] = [];
    const slow = checkpoint(
      "slow",
      { timeout: "5s", retries: { attempts: 1, initialDelay: 1 } },
      () => {
        const { signal, attempt } = checkpointContext();
        if (attempt === 2) return "second";
        return new Promise<string>(() => {
          signal.addEventListener("abort", () => reasons.push(signal.reason));
        });
      },
    );
    const f = flow("f", async () => slow());
    expect(await twice(stack, f, undefined, { id: "e" })).toBe("second");
    expect(reasons).toMatchObject([{ code: "timeout" }]);
    const [attempt] = attemptsOf(await stack.journal("e"));
    expect(attempt).toMatchObject({ err: { code: "timeout" } });
    expect((attempt?.at ?? 0) - (attempt?.s ?? 0)).toBe(5000);
  });

  test("uncaught, its message names the call and the limit", async () => {
    const slow = checkpoint("slow", { timeout: 1500 }, () => new Promise<string>(() => undefined));
    const error = await failureOf(
      twice(
        stack,
        flow("f", async () => slow()),
        undefined,
      ),
    );
    expect(error).toMatchObject({
      code: "timeout",
      message: "slow:0 did not finish within its timeout of 1500 ms.",
    });
  });

  test("what finishes in time is not disturbed, and leaves no timer", async () => {
    const quick = checkpoint("quick", { timeout: "1h" }, () => checkpointContext().signal.aborted);
    expect(
      await twice(
        stack,
        flow("f", async () => quick()),
        undefined,
      ),
    ).toBe(false);
    await stack.clock.settle();
    expect(stack.clock.next).toBeUndefined();
  });
});

describe("at most once", () => {
  test("a start without an outcome is the failure interrupted, which the flow may catch", async () => {
    const runs: number[] = [];
    const charge = checkpoint("charge", { semantics: "at-most-once" }, async (amount: number) => {
      runs.push(amount);
      if (runs.length === 1) await new Promise(() => undefined);
      return amount;
    });
    const f = flow("f", async () => {
      try {
        return await charge(5);
      } catch (error) {
        const { code, message } = error as Error & { code: string };
        return { code, message, next: await charge(6) };
      }
    });
    const handle = f.run();
    await handle.started;
    while (runs.length === 0) await tick();
    await stack.crash();
    expect(await stack.finish(handle)).toEqual({
      code: "interrupted",
      message: expect.stringMatching(/^charge:0 was started .* find out whether it took effect\.$/),
      next: 6,
    });
    expect(runs).toEqual([5, 6]);
  });

  test("its start is durable before the function runs", async () => {
    let journaled: readonly Entry[] = [];
    const charge = checkpoint("charge", { semantics: "at-most-once" }, async () => {
      journaled = await stack.journal("e");
      return 1;
    });
    expect(
      await twice(
        stack,
        flow("f", async () => charge()),
        undefined,
        { id: "e" },
      ),
    ).toBe(1);
    expect(journaled.at(-1)).toMatchObject({ t: "attempt", id: "charge:0", open: true, no: 1 });
  });

  test("a thrown failure is its outcome", async () => {
    const charge = checkpoint("charge", { semantics: "at-most-once" }, (): number => {
      throw new RangeError("declined");
    });
    const error = await failureOf(
      twice(
        stack,
        flow("f", async () => charge()),
        undefined,
      ),
    );
    expect(error).toBeInstanceOf(RangeError);
  });

  test("excludes retries and is never cached", async () => {
    expect(() => checkpoint("c", { semantics: "at-most-once", retries: 1 }, () => 1)).toThrow(
      /at-most-once and retries exclude each other/,
    );
    let runs = 0;
    const c = checkpoint("c", { semantics: "at-most-once", cache: true }, () => ++runs);
    const f = flow("f", async () => c());
    expect([await twice(stack, f, undefined), await twice(stack, f, undefined)]).toEqual([1, 2]);
  });
});

test("an at-least-once call that was interrupted runs again, as the same attempt", async () => {
  const seen: string[] = [];
  const work = checkpoint("work", async () => {
    const { attempt, idempotencyKey } = checkpointContext();
    seen.push(`${attempt} ${idempotencyKey}`);
    if (seen.length === 1) await new Promise(() => undefined);
    return "done";
  });
  const handle = flow("f", async () => work()).run(undefined, { id: "e" });
  while (seen.length === 0) await tick();
  await stack.crash();
  expect(await stack.finish(handle)).toBe("done");
  expect(seen).toEqual(["1 e/work:0", "1 e/work:0"]);
});

describe("map", () => {
  test("keeps the order of the items, whatever order they finish in", async () => {
    const work = checkpoint("work", async (ms: number) => {
      await tick(ms);
      return ms;
    });
    const f = flow("f", async () => work.map([12, 1, 6]));
    expect(await twice(stack, f, undefined)).toEqual([12, 1, 6]);
  });

  test("never has more open than the limit, and uses it", async () => {
    let open = 0;
    let most = 0;
    const work = checkpoint("work", async (x: number) => {
      most = Math.max(most, ++open);
      await tick(2);
      open -= 1;
      return x;
    });
    const items = Array.from({ length: 12 }, (_, index) => index);
    const f = flow("f", async () => work.map(items, { concurrency: 3 }));
    expect(await twice(stack, f, undefined)).toEqual(items);
    expect(most).toBe(3);
  });

  test("the first failure rejects once what runs has ended; nothing more starts, what finished is kept", async () => {
    const started: number[] = [];
    const ended: number[] = [];
    const work = checkpoint("work", async (x: number) => {
      started.push(x);
      if (x === 1) throw new Error("one");
      await tick(5);
      ended.push(x);
      return x;
    });
    const f = flow("f", async () => work.map([0, 1, 2, 3, 4, 5], { concurrency: 3 }));
    const error = await failureOf(twice(stack, f, undefined, { id: "e" }));
    expect(error.message).toBe("one");
    expect(started).toEqual([0, 1, 2]);
    expect(ended).toEqual([0, 2]);
    const kept = (await stack.journal("e")).filter((entry) => entry.t === "completed");
    expect(kept.map(({ id }) => id)).toEqual(["work:0", "work:2"]);
  });

  test("settle reports every outcome in order", async () => {
    const work = checkpoint("work", (x: number) => {
      if (x % 2 === 1) throw new Error(`odd ${x}`);
      return x;
    });
    const f = flow("f", async () => {
      const results = await work.map([0, 1, 2, 3], { settle: true, concurrency: 2 });
      return results.map((result) =>
        result.status === "fulfilled" ? result.value : (result.reason as Error).message,
      );
    });
    expect(await twice(stack, f, undefined)).toEqual([0, "odd 1", 2, "odd 3"]);
  });

  test("takes nothing, generators and sets", async () => {
    const work = checkpoint("work", (x: string) => x.toUpperCase());
    const f = flow("f", async () => ({
      none: await work.map([]),
      settled: await work.map([], { settle: true }),
      generator: await work.map(
        (function* () {
          yield "a";
          yield "b";
        })(),
      ),
      set: await work.map(new Set(["c"])),
    }));
    const expected = { none: [], settled: [], generator: ["A", "B"], set: ["C"] };
    expect(await twice(stack, f, undefined)).toEqual(expected);
  });

  test.each([0, -1, Number.NaN, 1.5])("concurrency %s is a usage error", async (concurrency) => {
    const work = checkpoint("work", (x: number) => x);
    const f = flow("f", async () => work.map([1], { concurrency }));
    expect(await failureOf(twice(stack, f, undefined))).toMatchObject({
      code: "usage",
      message: expect.stringContaining(`not ${String(concurrency)}`),
    });
  });

  test("outside a flow it is a context error like a call", async () => {
    const work = checkpoint("work", (x: number) => x);
    expect(await failureOf(work.map([1]))).toMatchObject({ code: "context" });
  });
});

describe("cache", () => {
  function counted(options: CheckpointOptions) {
    const counter = { runs: 0 };
    const work = checkpoint("work", options, (x: number) => ({ x, run: ++counter.runs }));
    return { counter, work };
  }

  test("an outcome of the same code and input is taken from another execution, and says so", async () => {
    const { counter, work } = counted({ cache: true });
    const f = flow("f", async (x: number) => work(x));
    expect(await twice(stack, f, 1)).toEqual({ x: 1, run: 1 });
    expect(await twice(stack, f, 1, { id: "hit" })).toEqual({ x: 1, run: 1 });
    expect(await twice(stack, f, 2)).toEqual({ x: 2, run: 2 });
    expect(counter.runs).toBe(2);
    const execution = await stack.client.executions.get("hit");
    expect(execution.calls[0]).toMatchObject({ id: "work:0", disposition: "cached" });
  });

  test("for as long as its ttl says", async () => {
    const { counter, work } = counted({ cache: { ttl: "1h" } });
    const f = flow("f", async () => work(1));
    await stack.run(f, undefined);
    await stack.clock.advanceBy("59m");
    await stack.run(f, undefined);
    expect(counter.runs).toBe(1);
    await stack.clock.advanceBy("2m");
    await stack.run(f, undefined);
    expect(counter.runs).toBe(2);
    await stack.clock.advanceBy("59m"); // the newer outcome has taken its place
    await stack.run(f, undefined);
    expect(counter.runs).toBe(2);
  });

  test("not for other code under the same name", async () => {
    const one = checkpoint("work", { cache: true }, () => "one");
    expect(
      await stack.run(
        flow("f", async () => one()),
        undefined,
      ),
    ).toBe("one");
    registry.clear();
    const two = checkpoint("work", { cache: true }, () => "two");
    expect(
      await stack.run(
        flow("f", async () => two()),
        undefined,
      ),
    ).toBe("two");
  });

  test("never a failure", async () => {
    let runs = 0;
    const work = checkpoint("work", { cache: true }, () => {
      runs += 1;
      if (runs === 1) throw new Error("first");
      return runs;
    });
    const f = flow("f", async () => work());
    await expect(stack.run(f, undefined)).rejects.toThrow("first");
    expect(await stack.run(f, undefined)).toBe(2);
  });

  test("a flow sets it for checkpoints without a setting of their own", async () => {
    const runs = { plain: 0, off: 0 };
    const plain = checkpoint("plain", () => ++runs.plain);
    const off = checkpoint("off", { cache: false }, () => ++runs.off);
    const f = flow("f", { cache: true }, async () => [await plain(), await off()]);
    expect(await twice(stack, f, undefined)).toEqual([1, 1]);
    expect(await twice(stack, f, undefined)).toEqual([1, 2]);
  });

  test("a store that fails costs a later miss and nothing else", async () => {
    let broken = false;
    const flaky = await testStack({
      config: {},
      records: {
        before: ({ verb, key }) => {
          if (broken && verb === "put" && key.partition.startsWith("cache/"))
            throw new Error("no cache today");
        },
      },
    });
    const { counter, work } = counted({ cache: true });
    const f = flow("f", async () => work(1));
    broken = true;
    expect(await flaky.run(f, undefined)).toEqual({ x: 1, run: 1 });
    broken = false;
    expect(await flaky.run(f, undefined)).toEqual({ x: 1, run: 2 });
    expect(await flaky.run(f, undefined)).toEqual({ x: 1, run: 2 });
    expect(counter.runs).toBe(2);
    await flaky.close();
  });
});

describe("checkpointContext()", () => {
  test("tells execution, call, attempt and key", async () => {
    const facts = checkpoint("facts", () => {
      const { signal, ...rest } = checkpointContext();
      return { ...rest, aborted: signal.aborted };
    });
    const f = flow("f", async () => [await facts(), await facts()]);
    const common = { executionId: "e", attempt: 1, isReplay: false, aborted: false };
    expect(await twice(stack, f, undefined, { id: "e" })).toEqual([
      { ...common, callId: "facts:0", idempotencyKey: "e/facts:0" },
      { ...common, callId: "facts:1", idempotencyKey: "e/facts:1" },
    ]);
  });
});

describe("handles", () => {
  test("carry their name, their plain function and overrides", async () => {
    const add = checkpoint("add", (a: number, b: number) => a + b);
    expect(add.name).toBe("add");
    expect(add.fn(1, 2)).toBe(3);
    expect(add.as(7)).toEqual({
      kind: "override",
      target: "checkpoint.add",
      field: "output",
      output: 7,
    });
    expect(add.at(2).as(7)).toEqual({
      kind: "override",
      target: "add:2",
      field: "output",
      output: 7,
    });
  });

  test.each<[string, CheckpointOptions, RegExp]>([
    ["a negative count", { retries: -1 }, /retries must be a whole number/],
    [
      "a text",
      { retries: "3" as never },
      /retries must be a whole number of at least 0, not "3"\./,
    ],
    [
      "nothing",
      { retries: null as never },
      /retries must be a whole number of at least 0, not null\./,
    ],
    ["half a try", { retries: 0.5 }, /not 0\.5/],
    ["a policy without attempts", { retries: JSON.parse("{}") }, /not undefined/],
    ["a factor below 1", { retries: { attempts: 1, factor: 0.5 } }, /factor must be at least 1/],
    ["an infinite factor", { retries: { attempts: 1, factor: Infinity } }, /factor must be/],
    [
      "a bad delay",
      { retries: { attempts: 1, initialDelay: -1 } },
      /initialDelay of checkpoint "c"/,
    ],
    ["a bad longest delay", { retries: { attempts: 1, maxDelay: Number.NaN } }, /maxDelay of/],
    ["a bad timeout", { timeout: JSON.parse('"soon"') }, /timeout of checkpoint "c": "soon"/],
    ["no time at all", { timeout: 0 }, /must be longer than 0/],
    ["a bad ttl", { cache: { ttl: -5 } }, /cache ttl of checkpoint "c"/],
    ["an unknown runtime", JSON.parse('{"runtime":"remote"}'), /unknown runtime "remote"/],
    ["unknown semantics", JSON.parse('{"semantics":"once"}'), /unknown semantics "once"/],
  ])("%s is a usage error at the definition", (_, options, message) => {
    expect(() => checkpoint("c", options, () => 1)).toThrow(message);
    expect(() => checkpoint("c", options, () => 1)).toThrow(
      expect.objectContaining({ code: "usage" }),
    );
  });

  test("a function is needed", () => {
    expect(() => checkpoint("c", JSON.parse("{}"), JSON.parse("null"))).toThrow(
      /last argument must be the function/,
    );
  });

  test("a result without await runs all the same, and a synchronous function is fine", async () => {
    const log: string[] = [];
    const note = checkpoint("note", (text: string) => {
      log.push(text);
    });
    const f = flow("f", async () => {
      const first = note("a");
      await note("b");
      return first;
    });
    expect(await twice(stack, f, undefined)).toBeUndefined();
    expect(log).toEqual(["a", "b"]);
  });

  test("a call whose arguments cannot be stored names the path, and is not counted", async () => {
    const work = checkpoint("work", (x: unknown) => typeof x);
    const f = flow("f", async () => {
      const error = await failureOf(work({ client: { send: () => 1 } }));
      await sleep("1 day");
      return [error["code"], error.message, await work(1)];
    });
    expect(await twice(stack, f, undefined, { id: "e" })).toEqual([
      "serialization",
      expect.stringMatching(/argument 1 of work:0: client\.send is a function/),
      "number",
    ]);
  });
});
