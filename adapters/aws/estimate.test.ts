import { expect, test } from "vitest";
import { estimateCost } from "./estimate.ts";
import { prices } from "./prices.ts";

const none = { inline: 0, isolated: 0, rests: 0, largeValues: 0, seconds: 0 };
const transitions = (items: readonly { item: string; quantity: number }[]): number =>
  items.find(({ item }) => item === prices.transition.item)?.quantity ?? 0;

test("checkpoints cost a write unit each and no transition; each rest costs three", async () => {
  const plain = await estimateCost("always", { ...none, inline: 10 }, 1000);
  const waiting = await estimateCost("always", { ...none, inline: 10, rests: 2 }, 1000);
  expect(transitions(plain.chosen.items)).toBe(3000);
  expect(transitions(waiting.chosen.items)).toBe(9000);
  const writes = plain.chosen.items.find(({ item }) => item === prices.write.item);
  expect(writes).toMatchObject({ quantity: 18_000, unit: prices.write.unit });
  expect(writes?.cost).toBeCloseTo(0.011_25);
});

test("what never rests costs no transition when machines are started late", async () => {
  const work = { ...none, inline: 10 };
  const { chosen, others } = await estimateCost("onSuspend", work, 1);
  expect(transitions(chosen.items)).toBe(0);
  expect(others.map(({ title }) => title)).toEqual([
    'orchestrator: "always"',
    "a state for each checkpoint, written by hand",
  ]);
  expect(chosen.total).toBeLessThan(others[0]?.total ?? 0);
});

test("a total is the sum of its items, and every item names its source", async () => {
  const work = { inline: 3, isolated: 2, rests: 1, largeValues: 1, seconds: 4 };
  const { chosen, others, assumptions } = await estimateCost("always", work, 1000);
  for (const { items, total } of [chosen, ...others]) {
    expect(total).toBeCloseTo(
      items.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0),
    );
    for (const { source } of items)
      expect(source).toMatch(/^https:\/\/aws\.amazon\.com\/.*pricing/);
  }
  expect(assumptions[0]).toContain("An estimate at list prices of 2026-11-22");
});
