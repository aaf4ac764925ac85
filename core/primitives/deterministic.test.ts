import { afterEach, beforeEach, expect, test } from "vitest";

import { registry } from "../engine/definitions.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { checkpoint } from "./checkpoint.ts";
import { now, random, uuid } from "./deterministic.ts";
import { twice } from "./fixtures/twice.ts";
import { flow } from "./flow.ts";
import { sleep } from "./sleep.ts";

let stack: TestStack;
beforeEach(async () => {
  registry.clear();
  stack = await testStack({ config: {} });
});
afterEach(() => stack.close());

const v4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("are the same on every re-run of a body, and take no write", async () => {
  const seen: unknown[][] = [];
  const f = flow("f", async () => {
    const mine: unknown[] = [now(), random(), uuid()];
    seen.push(mine);
    await sleep("1 day");
    mine.push(now(), random(), uuid());
    await sleep("1 day");
    return mine;
  });
  const result = await twice(stack, f, undefined, { id: "e" });
  expect(seen.length).toBeGreaterThanOrEqual(3);
  for (const mine of seen) expect(mine).toEqual(result.slice(0, mine.length));
  const kinds = (await stack.journal("e")).flatMap((entry) =>
    "kind" in entry ? [entry.kind] : [],
  );
  expect(new Set(kinds)).toEqual(new Set(["sleep"]));
});

test("now() stands still between deliveries and moves with them", async () => {
  const started = stack.clock.now();
  const f = flow("f", async () => {
    const before = [now(), now()];
    await sleep("1h");
    return [...before, now()];
  });
  const [first = 0, second = 0, third = 0] = await twice(stack, f, undefined);
  expect(first).toBe(second);
  expect(first).toBe(started);
  expect(third - first).toBeGreaterThanOrEqual(3_600_000);
});

test("numbers are even over [0, 1), ids are of version 4, and executions differ", async () => {
  const f = flow("f", async () => ({
    numbers: Array.from({ length: 2000 }, () => random()),
    ids: Array.from({ length: 100 }, () => uuid()),
  }));
  const [one, two] = [await stack.run(f, undefined), await stack.run(f, undefined)];
  for (const x of one.numbers) expect(x >= 0 && x < 1).toBe(true);
  const mean = one.numbers.reduce((a, b) => a + b, 0) / 2000;
  expect(mean).toBeGreaterThan(0.45);
  expect(mean).toBeLessThan(0.55);
  for (const id of one.ids) expect(id).toMatch(v4);
  expect(new Set([...one.ids, ...two.ids]).size).toBe(200);
});

test("in a checkpoint and outside a flow they are the machine's", async () => {
  const real = (): unknown[] => [
    Math.abs(now() - Date.now()) < 1000,
    random() < 1,
    v4.test(uuid()),
  ];
  expect(real()).toEqual([true, true, true]);
  const work = checkpoint("work", real);
  expect(
    await twice(
      stack,
      flow("f", async () => work()),
      undefined,
    ),
  ).toEqual([true, true, true]);
});
