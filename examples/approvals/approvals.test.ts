import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestStack, testStack } from "kitaru/testing";
import {
  directorApproval,
  financeApproval,
  legalApproval,
  purchaseFlow,
  purchaseSchema,
} from "./flow.ts";

let stack: TestStack;
const shipped = await readFile(new URL("purchase.json", import.meta.url), "utf8");
const roof = purchaseSchema.parse(JSON.parse(shipped));

beforeAll(async () => {
  stack = await testStack({ config: {} });
});
afterAll(() => stack.close());

const asked = async (id: string): Promise<string[]> =>
  (await stack.waiting(id)).map(({ callId }) => callId);

test("legal and finance are asked at once and may answer in any order; the director comes after them", async () => {
  const handle = purchaseFlow.run(roof);
  const { id } = handle;
  await handle.started;
  expect(await asked(id)).toEqual(["legal_approval:0", "finance_approval:0"]);
  await financeApproval.answer(id, { approved: true, costCentre: "buildings" });
  expect(await asked(id)).toEqual(["legal_approval:0"]);
  await legalApproval.answer(id, true);
  expect(await asked(id)).toEqual(["director_approval:0"]);
  await stack.crash();
  await directorApproval.answer(id, true);
  expect(await stack.finish(handle)).toEqual({
    number: "PO-1042",
    decision: "approved",
    costCentre: "buildings",
  });
});

test("a small purchase does without the director", async () => {
  const answers = { legal_approval: true, finance_approval: { approved: true } };
  const result = await stack.run(purchaseFlow, { ...roof, euros: 900 }, { answers });
  expect(result).toEqual({ number: "PO-1042", decision: "approved", costCentre: "general" });
});

test.each([
  ["legal", { legal_approval: false, finance_approval: { approved: true } }],
  ["finance", { legal_approval: true, finance_approval: { approved: false } }],
  [
    "director",
    { legal_approval: true, finance_approval: { approved: true }, director_approval: false },
  ],
])("%s can refuse", async (by, answers) => {
  const result = await stack.run(purchaseFlow, roof, { answers });
  expect(result).toEqual({ number: "PO-1042", decision: "refused", by });
});

test("an answer that does not fit is refused, and the wait stays", async () => {
  const { id, started } = purchaseFlow.run(roof);
  await started;
  await stack.waiting(id);
  await expect(stack.answer(id, "finance_approval", "yes")).rejects.toMatchObject({
    code: "wait_validation",
  });
  expect(await asked(id)).toContain("finance_approval:0");
});
