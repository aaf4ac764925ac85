import { afterEach, beforeEach, expect, test } from "vitest";

import { registry } from "../engine/definitions.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { checkpoint } from "./checkpoint.ts";
import { now } from "./deterministic.ts";
import { failureOf, twice } from "./fixtures/twice.ts";
import { flow } from "./flow.ts";
import { sleep } from "./sleep.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {}, startAt: 1_000_000 });
});
afterEach(() => stack.close());

async function elapsed(length: Parameters<typeof sleep>[0]): Promise<number> {
  const f = flow("slept", async () => {
    const before = now();
    await sleep(length);
    return now() - before;
  });
  return twice(stack, f, undefined);
}

test.each<[Parameters<typeof sleep>[0], number]>([
  [0, 0],
  [1, 1],
  [1500, 1500],
  ["500ms", 500],
  ["2 days", 172_800_000],
  ["1 week", 604_800_000],
  [new Date(1_005_000), 5000],
])("%s lasts %i ms, and little longer", async (length, ms) => {
  const lasted = await elapsed(length);
  expect(lasted).toBeGreaterThanOrEqual(ms);
  expect(lasted).toBeLessThanOrEqual(ms + 1000);
});

test("a date that has passed is no wait at all", async () => {
  expect(await elapsed(new Date(0))).toBe(0);
});

test.each<[string, unknown, RegExp]>([
  ["a negative length", -1, /sleep\(\): -1 is not a duration/],
  ["no number", Number.NaN, /NaN is not a duration/],
  ["a bad text", "soon", /"soon" is not a duration/],
  ["a bad unit", "5 fortnights", /is not a duration/],
  ["an invalid date", new Date(Number.NaN), /the date is/],
  ["centuries", "40000 days", /longer than 100 years/],
  ["a date in centuries", new Date(8.64e15), /100 years/],
  ["nothing", undefined, /is not a duration/],
])("%s is a usage error in the flow", async (_, length, message) => {
  const f = flow("f", async () =>
    failureOf(sleep(length as number)).then((error) => [error["code"], error.message]),
  );
  expect(await twice(stack, f, undefined)).toEqual(["usage", expect.stringMatching(message)]);
});

test("its end is fixed when it begins: a crash does not lengthen it", async () => {
  const f = flow("f", async () => {
    await sleep("10h");
    return now();
  });
  const still = await testStack({ config: {}, autoAdvance: false, startAt: 0 });
  const handle = f.run();
  await handle.started;
  await still.clock.advanceBy("9h");
  await still.crash();
  await still.clock.advanceBy("1h");
  await still.sweep();
  expect(await still.finish(handle)).toBeLessThan(36_000_000 + 61_000);
  await still.close();
});

test("several sleep at the same time", async () => {
  const f = flow("f", async () => {
    const before = now();
    await Promise.all([sleep("3h"), sleep("1h"), sleep("2h")]);
    return Math.round((now() - before) / 3_600_000);
  });
  expect(await twice(stack, f, undefined)).toBe(3);
});

test("outside a flow, and inside a checkpoint, it is a context error", async () => {
  expect(await failureOf(sleep(1))).toMatchObject({ code: "context" });
  const work = checkpoint("work", async () => (await failureOf(sleep(1))).message);
  const f = flow("f", async () => work());
  expect(await twice(stack, f, undefined)).toMatch(/sleep\(\) was called inside checkpoint "work"/);
});
