import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestStack, testStack } from "kitaru/testing";
import { pay } from "./bank.ts";
import { approvePayment, paymentFlow } from "./flow.ts";

let stack: TestStack;
let folder = "";
let input = { file: "", ledger: "", outbox: "" };
const file = fileURLToPath(new URL("invoice.json", import.meta.url));

beforeEach(async () => {
  stack = await testStack({ config: {} });
  folder = await mkdtemp(join(tmpdir(), "payment-"));
  input = { file, ledger: join(folder, "bank"), outbox: join(folder, "outbox.txt") };
});
afterEach(async () => {
  await stack.close();
  await rm(folder, { recursive: true });
});

const paid = (): Promise<string[]> => readdir(input.ledger).catch(() => []);

test("what was approved is paid once, and advised", async () => {
  const { id, started } = paymentFlow.run(input, { id: "HR-1" });
  await started;
  await stack.waiting(id);
  expect(await paid()).toEqual([]);
  await approvePayment.answer(id, true);
  await paymentFlow.run(input, { id: "HR-1" }).started;
  await stack.clock.settle();
  const { output } = await stack.client.executions.get(id);
  expect(output).toMatchObject({ cents: 14035050, iban: "GB82WEST12345698765432", status: "paid" });
  expect(await paid()).toHaveLength(1);
  expect(await readFile(input.outbox, "utf8")).toMatch(/^Paid: Harrow Roofing HR-2025-118.*\n$/);
});

test("refused, or left for three days: nothing is paid", async () => {
  const refused = await stack.run(paymentFlow, input, { answers: { approve_payment: false } });
  expect(refused.status).toBe("refused");
  const start = stack.clock.now();
  expect((await stack.run(paymentFlow, input)).status).toBe("expired");
  expect(stack.clock.now() - start).toBe(3 * 24 * 3600_000);
  expect(await paid()).toEqual([]);
});

test.each([
  ["GB82 WEST 1234 5698 7654 33", 14035050, "The check digits of the IBAN are wrong"],
  ["GB82 WEST 1234 5698 7654 32", 14035051, "The lines do not add up to the total"],
])("an invoice with IBAN %s over %d is not planned", async (iban, totalCents, why) => {
  const wrong = join(folder, "wrong.json");
  const invoice = JSON.parse(await readFile(file, "utf8")) as object;
  await writeFile(wrong, JSON.stringify({ ...invoice, iban, totalCents }));
  await expect(stack.run(paymentFlow, { ...input, file: wrong })).rejects.toThrow(why);
});

test("the bank pays once for a key and refuses the key for anything else", async () => {
  const transfer = { iban: "GB82WEST12345698765432", cents: 5, reference: "x" };
  const [first, second] = await Promise.all([
    pay(input.ledger, "key", transfer),
    pay(input.ledger, "key", transfer),
  ]);
  expect(first).toEqual(second);
  await expect(pay(input.ledger, "key", { ...transfer, cents: 6 })).rejects.toThrow(
    "The key key was used for another transfer",
  );
  expect(await paid()).toHaveLength(1);
});
