import { expect, test } from "vitest";
import { reviewFlow } from "../../examples/review/flow.ts";
import { crashEverywhere } from "../../testing/crash-everywhere.ts";

const input = { document: "Roofs leak. Two offers came in. One expires soon." };

test("the review example, approved and rejected", async () => {
  for (const approve_draft of [true, false]) {
    const { runs } = await crashEverywhere(reviewFlow, input, { answers: { approve_draft } });
    expect(runs).toBeGreaterThan(20);
  }
});
