import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";

import { registry } from "../engine/definitions.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { checkpoint } from "./checkpoint.ts";
import { failureOf, twice } from "./fixtures/twice.ts";
import { type FlowOptions, flow } from "./flow.ts";
import { checkpointContext } from "./scope.ts";
import { sleep } from "./sleep.ts";
import { wait } from "./wait.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

describe("definition", () => {
  test.each(["a", "Review_flow-2", "x".repeat(80)])("the name %s is fine", (name) => {
    expect(flow(name, async () => 1).name).toBe(name);
  });

  test.each(["", "1st", "a b", "a.b", "ä", "x".repeat(81), "a:0"])(
    "the name %j is refused by flow, checkpoint and wait",
    (name) => {
      const usage = expect.objectContaining({ code: "usage" }) as Error;
      expect(() => flow(name, async () => 1)).toThrow(usage);
      expect(() => checkpoint(name, () => 1)).toThrow(usage);
      expect(() => wait(name)).toThrow(usage);
    },
  );

  test("two definitions with one name are a usage error, whatever they are", () => {
    flow("same", async () => 1);
    expect(() => flow("same", async () => 1)).toThrow(/Two definitions are named "same"/);
    expect(() => checkpoint("same", () => 1)).toThrow(/a flow and a checkpoint/);
    expect(() => wait("same")).toThrow(/rename one of them/);
  });

  test("a function is needed", () => {
    expect(() => flow("f", JSON.parse("{}"), JSON.parse("null"))).toThrow(/last argument must be/);
  });

  test.each<[string, FlowOptions, RegExp]>([
    ["negative retries", { retries: -1 }, /flow "f": retries must be a whole number/],
    ["a bad timeout", { timeout: -1 }, /the timeout of flow "f"/],
    ["no time at all", { timeout: 0 }, /the timeout of flow "f" must be longer than 0/],
    ["a bad ttl", { cache: { ttl: -1 } }, /the cache ttl of flow "f"/],
  ])("%s is a usage error", (_, options, message) => {
    expect(() => flow("f", options, async () => 1)).toThrow(message);
  });

  test("calling a flow directly says what to do", () => {
    const f = flow("f", async () => 1);
    const direct = f as unknown as () => unknown;
    expect(direct).toThrow(/\.run\(/);
    expect(direct).toThrow(expect.objectContaining({ code: "usage" }));
  });

  test("it knows the module that defines it", () => {
    flow("f", async () => 1);
    expect(registry.flow("f")?.source).toMatch(/core\/primitives\/flow\.test\.ts$/);
  });
});

describe("run", () => {
  test("returns at once with an id; the body runs in the background", async () => {
    let isRunning = false;
    const f = flow("f", async (x: number) => {
      isRunning = true;
      return x + 1;
    });
    const handle = f.run(1);
    expect(handle.id).toMatch(/^[a-z0-9]{25}$/);
    expect(isRunning).toBe(false);
    expect(await handle.result()).toBe(2);
  });

  test("the input is the one at the call, whatever becomes of it later", async () => {
    const f = flow("f", async (input: { i: number }) => input.i);
    const input = { i: 0 };
    const handles = [1, 2, 3].map((i) => {
      input.i = i;
      return f.run(input);
    });
    expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual([1, 2, 3]);
  });

  test("the same id and input give the existing execution, while it runs and when it has ended", async () => {
    let runs = 0;
    const gate = wait("gate");
    const f = flow("f", async (x: { a: number }) => {
      runs += 1;
      await gate();
      return x.a;
    });
    const first = f.run({ a: 1 }, { id: "once" });
    await first.started;
    await stack.waiting("once");
    const second = f.run({ a: 1 }, { id: "once" });
    await second.started;
    await gate.answer("once");
    expect(await second.result()).toBe(1);
    expect(await f.run({ a: 1 }, { id: "once" }).result()).toBe(1);
    expect(runs).toBe(2); // once up to the gate, once through it
    expect((await stack.journal("once")).filter(({ t }) => t === "started")).toHaveLength(1);
  });

  test("another input or flow under the id is a conflict, told by every method", async () => {
    const f = flow("f", async (x: number) => x);
    const other = flow("other", async (x: number) => x);
    await f.run(1, { id: "once" }).result();
    const handle = f.run(2, { id: "once" });
    const conflict = { code: "conflict", message: expect.stringContaining("with another input") };
    expect(await failureOf(handle.started)).toMatchObject(conflict);
    expect(await failureOf(handle.status())).toMatchObject(conflict);
    expect(await failureOf(handle.result())).toMatchObject(conflict);
    expect(await failureOf(handle.get())).toMatchObject(conflict);
    expect(await failureOf(handle.cancel())).toMatchObject(conflict);
    expect(await failureOf(other.run(1, { id: "once" }).started)).toMatchObject({
      code: "conflict",
      message: expect.stringContaining('of flow "f"'),
    });
  });

  test.each(["", " x", "-a", "a b", "x".repeat(201), "a\n"])("the id %j is refused", async (id) => {
    const f = flow("f", async () => 1);
    expect(await failureOf(f.run(undefined, { id }).started)).toMatchObject({ code: "usage" });
  });

  test("an input that cannot be stored is told with its path", async () => {
    const f = flow("f", async (x: unknown) => typeof x);
    const handle = f.run({ deep: [{ fn: () => 1 }] });
    expect(await failureOf(handle.result())).toMatchObject({
      code: "serialization",
      message: expect.stringMatching(/the input of flow "f": deep\[0\]\.fn is a function/),
    });
  });

  test("a schema checks and transforms the input", async () => {
    const input = z.object({ topic: z.string().trim(), n: z.coerce.number().default(3) });
    const f = flow("f", { input }, async (x) => x);
    expect(await twice(stack, f, { topic: " a " })).toEqual({ topic: "a", n: 3 });
    const bad = f.run(JSON.parse('{"topic":5}'));
    expect(await failureOf(bad.started)).toMatchObject({
      code: "usage",
      message: expect.stringMatching(/input of flow "f" does not fit its schema: .*topic/s),
    });
    expect(await failureOf(bad.result())).toMatchObject({ code: "usage" });
  });

  test("a schema may take what cannot be stored and give what can", async () => {
    const input = z.instanceof(URLPattern).transform((pattern) => pattern.pathname);
    const f = flow("f", { input }, async (path) => path);
    expect(await f.run(new URLPattern({ pathname: "/a" })).result()).toBe("/a");
  });

  test("what a flow returns and throws arrives as it is", async () => {
    const value = { when: new Date(5), list: new Set([1n]), bytes: new Uint8Array([1, 2]) };
    expect(
      await twice(
        stack,
        flow("f", async () => value),
        undefined,
      ),
    ).toEqual(value);
    class QuotaError extends Error {
      override readonly name = "QuotaError";
      readonly code = "QUOTA";
      readonly left = new Map([["a", 1]]);
    }
    const thrower = flow("thrower", async (): Promise<void> => {
      throw new QuotaError("none left", { cause: new TypeError("below", { cause: "deep" }) });
    });
    const error = await failureOf(twice(stack, thrower, undefined));
    expect(error).toMatchObject({
      name: "QuotaError",
      message: "none left",
      code: "QUOTA",
      left: new Map([["a", 1]]),
      cause: { name: "TypeError", message: "below", cause: "deep" },
    });
    const text = flow("text", async (): Promise<void> => {
      throw { reason: "plain" };
    });
    expect(await failureOf(twice(stack, text, undefined))).toEqual({ reason: "plain" });
  });

  test("a result that cannot be stored fails with its path", async () => {
    const f = flow("f", async (): Promise<unknown> => ({ result: { client: { send: () => 1 } } }));
    expect(await failureOf(twice(stack, f, undefined))).toMatchObject({
      code: "serialization",
      message: expect.stringContaining('the result of flow "f": result.client.send is a function'),
    });
  });

  test("a synchronous body and a synchronous throw are fine", async () => {
    expect(
      await twice(
        stack,
        flow("f", () => 5),
        undefined,
      ),
    ).toBe(5);
    const thrower = flow("thrower", (): number => {
      throw new RangeError("at once");
    });
    expect(await failureOf(twice(stack, thrower, undefined))).toBeInstanceOf(RangeError);
  });
});

test("a start in a flow body is made once, however often the body is run again", async () => {
  const go = wait("go");
  const other = flow("other", async (n: number) => n * 2);
  const f = flow("f", async () => {
    const handles = [other.run(1), other.run(2)];
    const results = await Promise.all(handles.map((handle) => handle.result()));
    await go();
    return [handles.map(({ id }) => id), results];
  });
  const ids = ["e/other@0", "e/other@1"];
  expect(await stack.run(f, undefined, { id: "e", answers: { go: undefined } })).toEqual([
    ids,
    [2, 4],
  ]);
  const listed = await stack.client.executions.list({ flow: "other" });
  expect(listed.map(({ id }) => id).toSorted()).toEqual(ids);
});

describe("retries", () => {
  test("repeat a failed execution from the call that failed, at most as often as told", async () => {
    const runs = { first: 0, second: 0 };
    const first = checkpoint("first", () => ++runs.first);
    const second = checkpoint("second", () => {
      runs.second += 1;
      if (runs.second < 3) throw new Error(`no ${runs.second}`);
      return runs.second;
    });
    const f = flow("f", { retries: 2 }, async () => [await first(), await second()]);
    expect(await twice(stack, f, undefined, { id: "e" })).toEqual([1, 3]);
    expect(runs).toEqual({ first: 1, second: 3 });
    const retried = (await stack.journal("e")).filter((entry) => entry.t === "retried");
    expect(retried).toMatchObject([{ auto: true, voids: ["second:0"] }, { auto: true }]);
    runs.second = -5;
    expect(await failureOf(stack.run(f, undefined))).toMatchObject({ message: "no -2" });
  });

  test("are not spent on an error of the flow's own", async () => {
    let runs = 0;
    const f = flow("f", { retries: 5 }, async () => {
      runs += 1;
      throw new Error("mine");
    });
    await expect(stack.run(f, undefined)).rejects.toThrow("mine");
    expect(runs).toBe(1);
  });
});

describe("timeout", () => {
  test("counts from the start, parked time included; waits and sleeps then throw", async () => {
    const caught: string[] = [];
    const note = checkpoint("note", (text: string) => {
      caught.push(text);
    });
    const f = flow("f", { timeout: "1h" }, async () => {
      try {
        await sleep("2 days");
      } catch (error) {
        await note((error as { code: string }).code);
        await sleep("1s").catch(() => note("sleep throws"));
        throw error;
      } finally {
        await note("finally");
      }
    });
    const since = stack.clock.now();
    const error = await failureOf(twice(stack, f, undefined));
    expect(error).toMatchObject({
      code: "timeout",
      message: expect.stringContaining("3600000 ms"),
    });
    expect(caught).toEqual(["timeout", "sleep throws", "finally"]);
    expect(stack.clock.now() - since).toBeLessThan(3_610_000);
  });

  test("stands whatever the flow returns after it", async () => {
    const f = flow("f", { timeout: 5000 }, async () => sleep("1 day").catch(() => "caught"));
    expect(await failureOf(twice(stack, f, undefined))).toMatchObject({ code: "timeout" });
  });

  test("aborts the running checkpoint", async () => {
    let reason: unknown;
    const slow = checkpoint("slow", () => {
      const { signal } = checkpointContext();
      return new Promise<void>(() => {
        signal.addEventListener("abort", () => {
          reason = signal.reason;
        });
      });
    });
    const f = flow("f", { timeout: 2000 }, async () => slow());
    expect(await failureOf(stack.run(f, undefined))).toMatchObject({ code: "timeout" });
    expect(reason).toMatchObject({ code: "timeout" });
  });

  test("does not touch an execution that ends in time", async () => {
    const f = flow("f", { timeout: "1h" }, async () => {
      await sleep("59m");
      return "in time";
    });
    expect(await twice(stack, f, undefined)).toBe("in time");
  });
});

describe("call", () => {
  test("is a durable execution of its own, with an id below its parent's", async () => {
    const inner = flow("inner", async (x: number) => {
      await sleep("1 day");
      return x * 2;
    });
    const outer = flow("outer", async () => (await inner.call(2)) + (await inner.call(3)));
    expect(await twice(stack, outer, undefined, { id: "o" })).toBe(10);
    const children = await stack.client.executions.list({ flow: "inner" });
    expect(children.map(({ id }) => id).toSorted()).toEqual(["o/inner:0", "o/inner:1"]);
    expect((await stack.client.executions.get("o/inner:1")).parent).toMatchObject({ id: "o" });
  });

  test("its failure is the child's own, and may be caught", async () => {
    const work = checkpoint("work", (): number => {
      throw Object.assign(new RangeError("too far"), { at: 7 });
    });
    const inner = flow("inner", async () => work());
    const outer = flow("outer", async () =>
      inner.call().catch((error: RangeError & { at: number }) => [error.name, error.at]),
    );
    expect(await twice(stack, outer, undefined)).toEqual(["RangeError", 7]);
    const uncaught = flow("uncaught", async () => inner.call());
    expect(await failureOf(twice(stack, uncaught, undefined))).toMatchObject({ at: 7 });
  });

  test("an input that does not fit is the call's failure", async () => {
    const inner = flow("inner", { input: z.number() }, async (x) => x);
    const outer = flow("outer", async () =>
      inner.call(JSON.parse('"x"')).catch((error: { code: string }) => error.code),
    );
    expect(await twice(stack, outer, undefined)).toBe("usage");
  });

  test("a schema's output is what the child sees", async () => {
    const inner = flow("inner", { input: z.string().transform(Number) }, async (x) => x + 1);
    const outer = flow("outer", async () => inner.call("41"));
    expect(await twice(stack, outer, undefined)).toBe(42);
  });

  test("a parent that waits only for its child is waiting, and waits inside a child are answered there", async () => {
    const approve = wait("approve", { schema: z.boolean() });
    const inner = flow("inner", async () => approve());
    const outer = flow("outer", async () => inner.call());
    const handle = outer.run(undefined, { id: "o" });
    expect(await stack.waiting("o")).toMatchObject([{ executionId: "o/inner:0" }]);
    expect(await handle.status()).toBe("waiting");
    await approve.answer("o/inner:0", true);
    expect(await handle.result()).toBe(true);
  });

  test("cancelling the parent cancels the child", async () => {
    const cleaned: string[] = [];
    const clean = checkpoint("clean", (who: string) => {
      cleaned.push(who);
    });
    const gate = wait("gate");
    const inner = flow("inner", async () => {
      try {
        await gate();
      } finally {
        await clean("inner");
      }
    });
    const outer = flow("outer", async () => {
      try {
        await inner.call();
      } finally {
        await clean("outer");
      }
    });
    const handle = outer.run(undefined, { id: "o" });
    await stack.waiting("o");
    await handle.cancel();
    expect(await failureOf(handle.result())).toMatchObject({ code: "cancelled" });
    await stack.clock.settle();
    const { status } = await stack.client.executions.get("o/inner:0");
    expect([status, cleaned.toSorted()]).toEqual(["cancelled", ["inner", "outer"]]);
  });

  test("many at once, and recursion", async () => {
    const sum = flow("sum", async (n: number): Promise<number> =>
      n === 0 ? 0 : n + (await sum.call(n - 1)),
    );
    const fan = flow("fan", async () => Promise.all([1, 2, 3].map((n) => sum.call(n))));
    expect(await twice(stack, fan, undefined, { id: "o" })).toEqual([1, 3, 6]);
  });

  test("nested too deeply for an id, it fails with what to do", async () => {
    const deep = flow("deep", async (left: number): Promise<number> => {
      if (left === 0) return 0;
      return 1 + (await (deep as unknown as { call(n: number): Promise<number> }).call(left - 1));
    });
    expect(await deep.run(20, { id: "e" }).result()).toBe(20);
    await expect(deep.run(40, { id: "e2" }).result()).rejects.toThrow(
      /^Child flows are nested too deeply: deep:0 of execution e2\/\S+ would have an id of 205 characters, and 200 are the most\./,
    );
  });

  test("outside a flow, and inside a checkpoint, it is a context error", async () => {
    const inner = flow("inner", async () => 1);
    expect(await failureOf(inner.call())).toMatchObject({
      code: "context",
      message: expect.stringContaining("inner.call() was called outside a flow"),
    });
    const work = checkpoint("work", async () => (await failureOf(inner.call())).message);
    const f = flow("f", async () => work());
    expect(await twice(stack, f, undefined)).toMatch(/inside checkpoint "work"/);
  });
});
