import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestStack, testStack } from "kitaru/testing";
import { noticeFlow, reviewNotice } from "./flow.ts";

let stack: TestStack;
const facts = "The library is closed on Monday. It opens again on Tuesday. Tea is served.";
const feedback = "Begin with the opening.";

beforeAll(async () => {
  stack = await testStack({ config: {} });
});
afterAll(() => stack.close());

test("it is revised until it is approved", async () => {
  const result = await stack.run(
    noticeFlow,
    { facts },
    {
      answers: {
        "review_notice:0": { approved: false, feedback },
        "review_notice:1": { approved: false, feedback: "Thank the readers." },
        "review_notice:2": { approved: true },
      },
    },
  );
  expect(result.rounds).toBe(3);
  expect(result.text).toMatch(/^Thank the readers\. Begin with the opening\./);
});

test("a second click on one round does not count for the next", async () => {
  const { id, started } = noticeFlow.run({ facts });
  await started;
  await stack.waiting(id);
  const call = { call: "review_notice:0" };
  await reviewNotice.answer(id, { approved: false, feedback }, call);
  expect(await stack.waiting(id)).toMatchObject([{ callId: "review_notice:1" }]);
  await reviewNotice.answer(id, { approved: false, feedback }, call);
  await expect(reviewNotice.answer(id, { approved: true }, call)).rejects.toMatchObject({
    code: "conflict",
  });
  expect(await stack.waiting(id)).toMatchObject([{ callId: "review_notice:1" }]);
});
