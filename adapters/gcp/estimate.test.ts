import { expect, test } from "vitest";
import { buildPlan } from "../../core/plan/plan.ts";
import { estimateCost } from "./estimate.ts";
import { gcp } from "./index.ts";
import { prices } from "./prices.ts";

const none = { inline: 0, isolated: 0, rests: 0, largeValues: 0, seconds: 0 };

test("checkpoints cost a document each and no step; each rest costs steps", async () => {
  const plain = await estimateCost({ ...none, inline: 10 }, 1000);
  const waiting = await estimateCost({ ...none, inline: 10, rests: 2 }, 1000);
  const count = (items: typeof plain.chosen.items, item: string): number =>
    items.find((one) => one.item === item)?.quantity ?? 0;
  expect(count(plain.chosen.items, prices.internalStep.item)).toBe(5000);
  expect(count(plain.chosen.items, prices.externalStep.item)).toBe(0);
  expect(count(waiting.chosen.items, prices.internalStep.item)).toBe(13_000);
  expect(count(waiting.chosen.items, prices.externalStep.item)).toBe(2000);
  expect(count(plain.chosen.items, prices.write.item)).toBe(14_000);
});

test("a total is the sum of its items, and every item names its source", async () => {
  const work = { inline: 3, isolated: 2, rests: 1, largeValues: 1, seconds: 4 };
  const { chosen, others, assumptions } = await estimateCost(work, 1000);
  for (const { items, total } of [chosen, ...others]) {
    expect(total).toBeCloseTo(
      items.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0),
    );
    for (const { source } of items)
      expect(source).toMatch(/^https:\/\/cloud\.google\.com\/.*pricing/);
  }
  expect(assumptions[0]).toContain("An estimate at list prices of 2026-11-22");
});

const place = { name: "agents", project: "my-project", region: "europe-west4" };

test("a plan is previewed with the steps between which it goes", async () => {
  const plan = buildPlan({
    bundle: { hash: "0123456789abcdef" },
    flows: [{ name: "review" }],
    checkpoints: [],
    waits: [{ name: "approve" }],
  } as unknown as Parameters<typeof buildPlan>[0]);
  const [flow] = plan.flows;
  if (flow === undefined) throw new Error("there is one flow");
  const { name, edges, definition } = await gcp(place).plan(plan, flow);
  expect(name).toBe("agents-review-0123456789ab");
  expect(edges).toEqual(
    expect.arrayContaining([
      ["open", "advance"],
      ["advance", "route"],
      ["route", "wait_for_approve"],
      ["route", "finished"],
    ]),
  );
  expect(edges.filter(([from]) => from === "finished")).toEqual([]);
  expect(JSON.stringify(definition)).toContain(
    "https://REGION-PROJECT.cloudfunctions.net/kitaru-agents-advance",
  );
});

test("what a stack is told is checked", async () => {
  expect(gcp(place).describe).toEqual(place);
  expect(() => gcp({ ...place, name: "Agents" })).toThrow('the name "Agents" is not allowed');
  expect(() => gcp({ ...place, project: "" })).toThrow('the project "" is not allowed');
  expect(() => gcp({ ...place, region: "../v2" })).toThrow("such as europe-west4");
  expect((await gcp(place).estimate(none, 1)).region).toBe("us-central1");
});
