import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { KitaruExecutionError } from "../errors.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { failureOf, twice } from "../primitives/fixtures/twice.ts";
import { flow } from "../primitives/flow.ts";
import { checkpointContext } from "../primitives/scope.ts";
import { sleep } from "../primitives/sleep.ts";
import { wait } from "../primitives/wait.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "./definitions.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

const tick = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** A checkpoint that takes `ms` milliseconds and says when its signal aborts. */
function slowly(aborted: string[] = []) {
  return checkpoint("slow", async (name: string, ms: number) => {
    const { signal } = checkpointContext();
    signal.addEventListener("abort", () => aborted.push(name));
    await tick(ms);
    return name;
  });
}

describe("ordinary code just works", () => {
  test("Promise.all, in the order of the calls", async () => {
    const slow = slowly();
    const f = flow("f", async () => Promise.all([slow("a", 8), slow("b", 1), slow("c", 4)]));
    expect(await twice(stack, f, undefined)).toEqual(["a", "b", "c"]);
  });

  test("Promise.all rejects with the first failure; the others' outcomes stand where they came before the end", async () => {
    const fail = checkpoint("fail", async () => {
      await tick(3);
      throw new Error("no");
    });
    const slow = slowly();
    const f = flow("f", async () => Promise.all([slow("a", 1), fail(), slow("b", 60)]));
    const error = await failureOf(twice(stack, f, undefined, { id: "e" }));
    expect(error.message).toBe("no");
    const outcomes = (await stack.journal("e")).filter(({ t }) => t === "completed");
    expect(outcomes).toMatchObject([{ id: "slow:0" }]);
  });

  test("a branch that takes a turn of the event loop of its own asks at the same place every time", async () => {
    const slow = slowly();
    const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const f = flow("f", async () => {
      const steps = async (): Promise<void> => {
        for (let n = 0; n < 8; n += 1) await slow("steady", 2);
      };
      const breathing = async (): Promise<void> => {
        await slow("breathing", 1);
        await breath();
        await slow("breathing", 1);
      };
      await Promise.all([steps(), breathing()]);
      return "done";
    });
    expect(await twice(stack, f, undefined)).toBe("done");
  });

  test("Promise.race has the same winner every time; the loser's signal aborts and it leaves no outcome", async () => {
    const aborted: string[] = [];
    const slow = slowly(aborted);
    const f = flow("f", async () => Promise.race([slow("slow", 2000), slow("quick", 1)]));
    const result = await twice(stack, f, undefined, { id: "e" });
    expect(result).toBe("quick");
    expect(aborted).toContain("slow");
    const journal = await stack.journal("e");
    expect(journal.some((entry) => "id" in entry && entry.id === "slow:0")).toBe(false);
  });

  test("a loser that ends while the flow goes on is recorded and disturbs nothing", async () => {
    const slow = slowly();
    const f = flow("f", async () => {
      const winner = await Promise.race([slow("late", 6), slow("early", 1)]);
      await sleep("1 day");
      return [winner, await slow("after", 1)];
    });
    expect(await twice(stack, f, undefined)).toEqual(["early", "after"]);
  });

  test("a race against a sleep is a timeout of one's own", async () => {
    const gate = wait("gate");
    const f = flow("f", async () =>
      Promise.race([gate().then(() => "answered"), sleep("1h").then(() => "too late")]),
    );
    expect(await twice(stack, f, undefined)).toBe("too late");
  });

  test("Promise.any and Promise.allSettled", async () => {
    const work = checkpoint("work", async (x: number) => {
      if (x < 2) throw new Error(`no ${x}`);
      return x;
    });
    const f = flow("f", async () => ({
      any: await Promise.any([work(0), work(2), work(1)]),
      settled: (await Promise.allSettled([work(0), work(5)])).map(({ status }) => status),
      none: await Promise.any([work(0), work(1)]).catch((error: AggregateError) =>
        error.errors.map((each: Error) => each.message),
      ),
    }));
    expect(await twice(stack, f, undefined)).toEqual({
      any: 2,
      settled: ["rejected", "fulfilled"],
      none: ["no 0", "no 1"],
    });
  });

  test("loops, recursion and helpers", async () => {
    const add = checkpoint("add", (a: number, b: number) => a + b);
    const sum = async (list: readonly number[]): Promise<number> => {
      const [first = 0, ...rest] = list;
      return rest.length === 0 ? first : add(first, await sum(rest));
    };
    const f = flow("f", async () => {
      let total = 0;
      for (let round = 0; round < 3; round += 1) total = await add(total, await sum([1, 2, 3]));
      return total;
    });
    expect(await twice(stack, f, undefined)).toBe(18);
  });

  test("try, catch and finally take the same way, also across a suspension", async () => {
    const steps: string[] = [];
    const step = checkpoint("step", (name: string) => {
      steps.push(name);
      if (name === "fails") throw new TypeError("as it does");
      return name;
    });
    const f = flow("f", async () => {
      try {
        await step("fails");
        return "unreachable";
      } catch (error) {
        await sleep("1 day");
        return await step(`caught ${(error as Error).name}`);
      } finally {
        await sleep("1 day");
        await step("finally");
      }
    });
    expect(await twice(stack, f, undefined)).toBe("caught TypeError");
    expect(steps).toEqual(["fails", "caught TypeError", "finally"]);
  });

  test("branches that take different numbers of hops interleave the same way every time", async () => {
    const order: string[] = [];
    const mark = checkpoint("mark", async (name: string) => {
      order.push(name);
      return name;
    });
    const hops = async (name: string, count: number): Promise<void> => {
      await mark(`${name}1`);
      for (let hop = 0; hop < count; hop += 1) await Promise.resolve();
      await mark(`${name}2`);
    };
    const f = flow("f", async () => {
      await Promise.all([hops("a", 40), hops("b", 0), hops("c", 7)]);
    });
    await twice(stack, f, undefined);
    expect(order).toHaveLength(6);
  });

  test("thousands of calls in a row and at once", async () => {
    const one = checkpoint("one", (x: number) => x);
    const f = flow("f", async () => {
      let total = 0;
      for (let index = 0; index < 300; index += 1) total += await one(1);
      const rest = await Promise.all(Array.from({ length: 1000 }, () => one(1)));
      return total + rest.length;
    });
    expect(await twice(stack, f, undefined)).toBe(1300);
  });

  test("an unawaited call that fails after the flow has returned disturbs nobody", async () => {
    const fail = checkpoint("fail", async () => {
      await tick(2);
      throw new Error("unheard");
    });
    const quick = checkpoint("quick", () => 1);
    const f = flow("f", async () => {
      void fail().catch(() => undefined);
      return quick();
    });
    expect(await twice(stack, f, undefined)).toBe(1);
    await tick(5);
  });
});

describe("failures are thrown again as they were", () => {
  class ApiError extends Error {
    override readonly name = "ApiError";
    readonly code = "E_API";
    readonly status = 503;
    readonly seen = new Map([["when", new Date(7)]]);
    readonly socket = { destroy: () => undefined };
  }

  test.each<[string, () => unknown, unknown]>([
    [
      "an error of the language",
      () => new RangeError("range"),
      { name: "RangeError", message: "range" },
    ],
    [
      "a custom error with fields and causes",
      () => new ApiError("api", { cause: new TypeError("cause", { cause: { deep: 1n } }) }),
      {
        name: "ApiError",
        code: "E_API",
        status: 503,
        seen: new Map([["when", new Date(7)]]),
        cause: { name: "TypeError", message: "cause", cause: { deep: 1n } },
      },
    ],
    ["an error of kitaru's", () => new KitaruExecutionError("mine"), { code: "execution" }],
    [
      "an aggregate",
      () => new AggregateError([new Error("a"), "b"], "all"),
      { errors: [{ message: "a" }, "b"] },
    ],
    ["a text", () => "just text", "just text"],
    ["an object", () => ({ plain: [1, 2] }), { plain: [1, 2] }],
    ["nothing", () => undefined, undefined],
    ["null", () => null, null],
  ])("%s", async (_, make, expected) => {
    const seen: unknown[] = [];
    const fail = checkpoint("fail", (): void => {
      throw make();
    });
    const f = flow("f", async () => {
      try {
        await fail();
      } catch (error) {
        seen.push(error);
        await sleep("1 day");
      }
    });
    await twice(stack, f, undefined);
    expect(seen.length).toBeGreaterThanOrEqual(3);
    for (const error of seen) {
      expect([error]).toMatchObject([expected]);
      expect(Object.keys(Object(error))).not.toContain("socket");
    }
  });

  test("a flow that changes a caught error changes nothing for a re-run", async () => {
    const fail = checkpoint("fail", (): void => {
      throw Object.assign(new Error("original"), { count: 1 });
    });
    const seen: unknown[] = [];
    const f = flow("f", async () => {
      const error = await failureOf(fail());
      seen.push([error.message, error["count"]]);
      error.message = "changed";
      Object.assign(error, { count: 2 });
      await sleep("1 day");
    });
    await twice(stack, f, undefined);
    for (const each of seen) expect(each).toEqual(["original", 1]);
  });
});

describe("values", () => {
  const cyclic: Record<string, unknown> = { name: "cycle" };
  cyclic["self"] = cyclic;
  const table: [string, unknown][] = [
    ["undefined", undefined],
    ["null", null],
    ["0", 0],
    ["empty text", ""],
    ["false", false],
    ["NaN", Number.NaN],
    ["-0", -0],
    ["Infinity", Infinity],
    ["Date", new Date(1234)],
    [
      "Map",
      new Map<unknown, unknown>([
        ["a", { b: 1 }],
        [2, new Set([3])],
      ]),
    ],
    ["Set", new Set([1, "a"])],
    ["BigInt", 12345678901234567890n],
    ["bytes", new Uint8Array([0, 255, 10])],
    ["floats", new Float64Array([0.5, -0])],
    ["Error", new RangeError("inside", { cause: "why" })],
    ["cycle", cyclic],
    ["emoji", "👩‍🚀"],
    ["NUL", "a\u0000b"],
    ["lone surrogates", "\uD800 and \uDC00"],
    ["nested undefined", { a: undefined, b: [undefined, null] }],
    ["__proto__", JSON.parse('{"__proto__":{"x":1}}')],
    ["deep", JSON.parse(`${"[".repeat(100)}1${"]".repeat(100)}`)],
  ];

  test.each(table)("%s goes in, comes out and is read back the same", async (_, value) => {
    const seen: unknown[] = [];
    const echo = checkpoint("echo", (x: unknown) => x);
    const f = flow("f", async (input: unknown) => {
      const out = await echo(input);
      seen.push(input, out);
      await sleep("1 day");
      return out;
    });
    const result = await twice(stack, f, value);
    for (const each of [...seen, result]) {
      expect(each).toStrictEqual(value);
      expect(Object.is(each, -0)).toBe(Object.is(value, -0));
    }
  });

  test("5 MB of text and 50 MB of bytes", async () => {
    const text = checkpoint("text", (x: string) => x.length);
    const bytes = checkpoint("bytes", (length: number) => new Uint8Array(length).fill(3));
    const count = checkpoint("count", (x: Uint8Array) => [x.byteLength, x[0], x.at(-1)]);
    const f = flow("f", async () => {
      const large = await bytes(50 * 1024 * 1024);
      return [await text("é".repeat(2.5 * 1024 * 1024)), await count(large)];
    });
    expect(await stack.run(f, undefined)).toEqual([2.5 * 1024 * 1024, [50 * 1024 * 1024, 3, 3]]);
  });

  test("a result that cannot be stored names the path and is not tried again", async () => {
    let runs = 0;
    const bad = checkpoint("bad", { retries: 5 }, (): unknown => {
      runs += 1;
      return { result: { client: { send: () => 1 } } };
    });
    const f = flow("f", async () => bad());
    expect(await failureOf(twice(stack, f, undefined))).toMatchObject({
      code: "serialization",
      message: expect.stringContaining("the result of bad:0: result.client.send is a function"),
    });
    expect(runs).toBe(1);
  });

  test("nobody shares an object: not checkpoint and flow, not two deliveries, not cached values", async () => {
    const kept: { list: number[] }[] = [];
    const make = checkpoint("make", { cache: true }, () => {
      const value = { list: [1] };
      kept.push(value);
      return value;
    });
    const f = flow("f", async () => {
      const one = await make();
      one.list.push(2);
      for (const value of kept) value.list.push(99);
      const two = await make();
      two.list.push(3);
      await sleep("1 day");
      return [one, two];
    });
    expect(await twice(stack, f, undefined)).toEqual([{ list: [1, 2] }, { list: [1, 3] }]);
    expect(await twice(stack, f, undefined)).toEqual([{ list: [1, 2] }, { list: [1, 3] }]);
  });

  test("nor does a large one, which is not read back while it is at hand", async () => {
    const kept: { text: string; n: number }[] = [];
    const make = checkpoint("make", () => {
      const value = { text: "x".repeat(100_000), n: 1 };
      kept.push(value);
      return value;
    });
    const look = checkpoint("look", (value: { n: number }) => {
      value.n += 100;
      return value.n;
    });
    const f = flow("f", async () => {
      const value = await make();
      for (const each of kept) each.n = 50;
      return [await look(value), await look(value), value.n];
    });
    expect(await twice(stack, f, undefined)).toEqual([101, 101, 1]);
  });

  test("the flow's input is its own on every run", async () => {
    const f = flow("f", async (input: { n: number; big: string }) => {
      input.n += 1;
      await sleep("1 day");
      return input.n;
    });
    expect(await twice(stack, f, { n: 1, big: "" })).toBe(2);
    expect(await twice(stack, f, { n: 1, big: "x".repeat(100_000) })).toBe(2);
  });
});

describe("a body that awaits something of its own", () => {
  test("is waited for", async () => {
    const work = checkpoint("work", (x: number) => x + 1);
    const f = flow("f", async () => {
      await tick(5);
      const one = await work(1);
      await tick(5);
      return work(one);
    });
    expect(await stack.run(f, undefined)).toBe(3);
  });

  test("where an advance has a deadline, is a usage error that says what to do", async () => {
    const bounded = await testStack({ config: {}, orchestrator: { advanceMs: 60_000 } });
    const f = flow("f", async () => new Promise<void>(() => undefined));
    expect(await failureOf(bounded.run(f, undefined))).toMatchObject({
      code: "usage",
      message: expect.stringMatching(/Flow "f" awaits something of its own.*inside a checkpoint/s),
    });
    await bounded.close();
  });

  test("nothing else is lost meanwhile: a sleep beside it ends", async () => {
    const f = flow("f", async () => {
      const own = new Promise<string>(() => undefined);
      return Promise.race([own, sleep("1h").then(() => "slept")]);
    });
    expect(await twice(stack, f, undefined)).toBe("slept");
  });
});

describe("an advance with a deadline", () => {
  test("yields before it, and the next goes on where it was", async () => {
    const bounded = await testStack({ config: {}, orchestrator: { advanceMs: 100 } });
    const runs: number[] = [];
    const work = checkpoint("work", async (x: number) => {
      runs.push(x);
      bounded.clock.jump(bounded.clock.now() + 95);
      return x;
    });
    const f = flow("f", async () => {
      const done: number[] = [];
      for (let x = 0; x < 5; x += 1) done.push(await work(x));
      return done;
    });
    expect(await bounded.run(f, undefined, { id: "e" })).toEqual([0, 1, 2, 3, 4]);
    expect(runs).toEqual([0, 1, 2, 3, 4]);
    const advances = (await bounded.journal("e")).filter(({ t }) => t === "advance");
    expect(advances.length).toBeGreaterThan(2);
    await bounded.close();
  });

  test("aborts what runs past it", async () => {
    const bounded = await testStack({ config: {}, orchestrator: { advanceMs: 10_000 } });
    const reasons: unknown[] = [];
    const work = checkpoint("work", async () => {
      const { signal } = checkpointContext();
      if (reasons.length > 0) return "second";
      return new Promise<string>((resolve) => {
        signal.addEventListener("abort", () => {
          reasons.push(signal.reason);
          resolve("discarded");
        });
      });
    });
    expect(
      await bounded.run(
        flow("f", async () => work()),
        undefined,
      ),
    ).toBe("second");
    expect(reasons).toMatchObject([{ code: "cancelled" }]);
    await bounded.close();
  });
});

describe("observers", () => {
  test("see what happens, and what they throw breaks nothing", async () => {
    const seen: string[] = [];
    stack.runtime.context.observers.add({
      started: ({ callId, attempt }) => {
        seen.push(`${callId} ${attempt}`);
        throw new Error("started");
      },
      appended: () => {
        throw new Error("appended");
      },
      ended: ({ executionId }) => {
        seen.push(`${executionId} ended`);
        throw new Error("ended");
      },
    });
    const work = checkpoint("work", () => 1);
    expect(
      await stack.run(
        flow("f", async () => work()),
        undefined,
        { id: "e" },
      ),
    ).toBe(1);
    expect(seen).toEqual(["work:0 1", "e ended"]);
  });
});

describe("a store that fails", () => {
  test("for a moment is tried again, and nothing recorded runs twice", async () => {
    let failures = 0;
    const flaky = await testStack({
      config: {},
      records: {
        before: ({ verb, key }) => {
          if (verb === "put" && key.sort.startsWith("j/") && ++failures === 3)
            throw new Error("store is away");
        },
      },
    });
    const runs: number[] = [];
    const work = checkpoint("work", (x: number) => {
      runs.push(x);
      return x;
    });
    const f = flow("f", async () => [await work(0), await work(1), await work(2)]);
    expect(await flaky.run(f, undefined)).toEqual([0, 1, 2]);
    expect(runs.filter((x) => x === 0)).toHaveLength(1);
    await flaky.close();
  });
});

test("a flow that throws a proxy that refuses to tell what it is has failed", async () => {
  const refuses = (): never => {
    throw new Error("refused");
  };
  const f = flow("f", async () => {
    throw new Proxy({}, { getPrototypeOf: refuses });
  });
  const handle = f.run();
  await expect(handle.result()).rejects.toMatchObject({ name: "thrown", message: "{}" });
  expect(await handle.status()).toBe("failed");
});
