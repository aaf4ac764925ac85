import { afterEach, beforeEach, expect, test } from "vitest";

import { registry } from "../engine/definitions.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { checkpoint } from "./checkpoint.ts";
import { flow } from "./flow.ts";
import { sleep } from "./sleep.ts";

let stack: TestStack;
let unhandled: unknown[];
let warnings: string[];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
const onWarning = ({ name, message }: Error): void => void warnings.push(`${name}: ${message}`);

beforeEach(async () => {
  registry.clear();
  unhandled = [];
  warnings = [];
  process.on("unhandledRejection", onUnhandled);
  process.on("warning", onWarning);
  stack = await testStack({ config: {} });
});
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5)); // what is not handled is told after a turn
  process.off("unhandledRejection", onUnhandled);
  process.off("warning", onWarning);
  await stack.close();
});

const failing = (): ((what: string) => Promise<never>) =>
  checkpoint("failing", (what: string): never => {
    throw new Error(what);
  });
const slow = (): ((ms: number) => Promise<number>) =>
  checkpoint("slow", async (ms: number) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return ms;
  });

test("a call that fails before it is awaited is caught where it is awaited", async () => {
  const [fails, takes] = [failing(), slow()];
  const f = flow("f", async () => {
    const early = fails("early");
    const nested = (async () => fails("within a helper"))();
    await takes(30);
    const [one, other] = await Promise.allSettled([early, nested]);
    return [one.status, other.status];
  });
  expect(await f.run().result()).toEqual(["rejected", "rejected"]);
  expect(unhandled).toEqual([]);
  expect(warnings).toEqual([]);
});

test("failures that nothing ever awaits end neither the flow nor the process", async () => {
  const [fails, takes] = [failing(), slow()];
  const f = flow("f", async () => {
    void fails("dropped");
    void sleep(-1);
    void (async () => fails("dropped by a helper"))();
    return takes(30);
  });
  const handle = f.run();
  expect(await handle.result()).toBe(30);
  const { calls } = await stack.client.executions.get(handle.id);
  expect(calls.map(({ id, status }) => [id, status])).toEqual([
    ["failing:0", "failed"],
    ["failing:1", "failed"],
    ["slow:0", "completed"],
  ]);
  expect(unhandled).toEqual([]);
});

test("a mistake in a promise of the body's own that is dropped is a warning that names the execution", async () => {
  const takes = slow();
  const f = flow("f", async () => {
    void (async () => Promise.reject(new TypeError("not a function")))();
    void Promise.reject({
      toString(): string {
        throw new Error("unreadable");
      },
    });
    return takes(20);
  });
  expect(await f.run(undefined, { id: "e-1" }).result()).toBe(20);
  expect(warnings.toSorted()).toEqual([
    "KitaruWarning: a promise in the flow of execution e-1 was rejected before anything awaited it: TypeError: not a function. Await it where it is made, so that its failure is not lost.",
    "KitaruWarning: a promise in the flow of execution e-1 was rejected before anything awaited it: a value that cannot be shown. Await it where it is made, so that its failure is not lost.",
  ]);
  expect(unhandled).toEqual([]);
});

test("in a checkpoint, too", async () => {
  const work = checkpoint("work", async () => {
    const early = Promise.reject(new Error("early"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    return early;
  });
  const f = flow("f", async () => work());
  await expect(f.run(undefined, { id: "e-2" }).result()).rejects.toThrow("early");
  expect(warnings).toEqual([
    expect.stringContaining("a promise in checkpoint work:0 of execution e-2 was rejected"),
  ]);
  expect(unhandled).toEqual([]);
});

/** A flow that drops a failure of a call and a mistake of its own. */
function careless(): Promise<unknown> {
  const [fails, takes] = [failing(), slow()];
  const f = flow("f", async () => {
    void (async () => fails("dropped by a helper"))();
    void (async () => Promise.reject(new TypeError("a mistake")))();
    return takes(30);
  });
  return f.run().result();
}

test("also after a package that listens for exits has put back what was there before", async () => {
  const before = process.emit;
  Reflect.deleteProperty(process, "emit"); // what is inherited is there again
  try {
    expect(await careless()).toBe(30);
    await new Promise((resolve) => setTimeout(resolve, 5));
  } finally {
    process.emit = before;
  }
  expect(unhandled).toEqual([]);
  expect(warnings).toHaveLength(1);
});

test("and told once, while a package has put something of its own before", async () => {
  await flow("g", async () => 1)
    .run()
    .result();
  const before = process.emit;
  let told = 0;
  process.emit = ((event: string, ...args: unknown[]) => {
    if (event === "unhandledRejection") told++;
    return Reflect.apply(before, process, [event, ...args]) as boolean;
  }) as typeof process.emit;
  const placed = process.emit;
  try {
    expect(await careless()).toBe(30);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(process.emit).toBe(placed);
  } finally {
    process.emit = before;
  }
  expect(told).toBe(2);
  expect(unhandled).toEqual([]);
  expect(warnings).toHaveLength(1);
});
