import { expect, test } from "vitest";
import type { CostEstimate, CostOption, Work } from "../../core/plan/offer.ts";
import { estimateCost as estimate } from "./estimate.ts";
import { type Priced, prices } from "./prices.ts";

const none = { inline: 0, isolated: 0, rests: 0, largeValues: 0, seconds: 0 };
const estimateCost = (work: Work, executions: number): CostEstimate =>
  estimate({ memoryMb: 2048, work, executions });
const quantity = ({ items }: CostOption, priced: Priced): number =>
  items.find(({ item }) => item === prices[priced].item)?.quantity ?? 0;

test("an inline checkpoint costs a row and no invocation", () => {
  const few = estimateCost({ ...none, inline: 10 }, 1000).chosen;
  const more = estimateCost({ ...none, inline: 11 }, 1000).chosen;
  expect(quantity(more, "table") - quantity(few, "table")).toBe(1000);
  expect(quantity(more, "invocation")).toBe(quantity(few, "invocation"));
  expect(quantity(more, "queue")).toBe(quantity(few, "queue"));
});

test("a rest and an isolated checkpoint cost turns of the orchestrator", () => {
  const { chosen } = estimateCost({ ...none, inline: 1 }, 1);
  const rested = estimateCost({ ...none, inline: 1, rests: 1 }, 1).chosen;
  const isolated = estimateCost({ ...none, isolated: 1 }, 1).chosen;
  expect(quantity(rested, "invocation") - quantity(chosen, "invocation")).toBe(4);
  expect(quantity(isolated, "invocation") - quantity(chosen, "invocation")).toBe(4);
});

test("many checkpoints cost less than an activity for each", () => {
  const { chosen, others } = estimateCost({ ...none, inline: 20, rests: 2 }, 1000);
  expect(chosen.total).toBeLessThan((others[0]?.total ?? 0) / 3);
});

test("a total is the sum of its items, and every item names its source", () => {
  const work = { inline: 3, isolated: 2, rests: 1, largeValues: 1, seconds: 4 };
  const { chosen, others, assumptions } = estimateCost(work, 1000);
  for (const { items, total } of [chosen, ...others]) {
    expect(items.length).toBe(5);
    expect(total).toBeCloseTo(items.reduce((sum, item) => sum + item.quantity * item.unitPrice, 0));
    for (const { source } of items) expect(source).toMatch(/^https:\/\/azure\.microsoft\.com\//);
  }
  expect(assumptions[0]).toContain("An estimate at list prices of 2026-11-22");
});
