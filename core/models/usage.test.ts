import fc from "fast-check";
import { expect, test } from "vitest";
import type { LlmRecord } from "../ports/model.ts";
import { addUsage, costOf, noUsage, sumUsage } from "./usage.ts";
import type { UsageEntry } from "./usage.ts";

function recordOf(tokens: Partial<LlmRecord>): LlmRecord {
  return { resolvedModel: "openai/x", credentialSource: "environment", latencyMs: 1, ...tokens };
}

test("no calls use nothing", () => {
  expect(sumUsage([])).toEqual(noUsage);
  expect(noUsage.cost).toBeUndefined();
});

test("incurred and reused are told apart, and summed", () => {
  const usage = sumUsage([
    {
      kind: "incurred",
      record: recordOf({ inputTokens: 10, outputTokens: 5, totalTokens: 18, cost: 0.1 }),
    },
    { kind: "incurred", record: recordOf({ inputTokens: 1, cost: 0.2 }) },
    { kind: "reused", record: recordOf({ inputTokens: 100, outputTokens: 50 }) },
  ]);
  expect(usage).toEqual({
    inputTokens: 111,
    outputTokens: 55,
    totalTokens: 169,
    cost: 0.3,
    incurred: { inputTokens: 11, outputTokens: 5, totalTokens: 19, cost: 0.3 },
    reused: { inputTokens: 100, outputTokens: 50, totalTokens: 150 },
  });
});

test("price is per million tokens, and unknown without both counts", () => {
  const price = { input: 3, output: 15 };
  expect(costOf(price, { inputTokens: 1000, outputTokens: 200 })).toBe(0.006);
  expect(costOf(price, { inputTokens: 1000 })).toBeUndefined();
  expect(costOf(price, { outputTokens: 1000 })).toBeUndefined();
  expect(costOf({ input: 0, output: 0 }, { inputTokens: 1, outputTokens: 1 })).toBe(0);
});

test("adding usages is the same as summing their calls", () => {
  const entries = fc.array(
    fc.record({
      kind: fc.constantFrom<UsageEntry["kind"]>("incurred", "reused"),
      record: fc
        .record(
          {
            inputTokens: fc.nat(),
            outputTokens: fc.nat(),
            cost: fc.nat(1000).map((cents) => cents / 100),
          },
          { requiredKeys: [] },
        )
        .map(recordOf),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(entries, entries, (a, b) => {
      expect(addUsage(sumUsage(a), sumUsage(b))).toEqual(sumUsage([...a, ...b]));
    }),
  );
});
