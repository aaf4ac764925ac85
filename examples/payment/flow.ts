// Plan, approval, commit. Nothing is paid that nobody approved, what was approved is what is paid, and it is paid once.
//
// A checkpoint runs at least once: its process may die after the money has moved and before that is recorded, and then
// it runs again. `pay_invoice` passes its idempotency key on, which is the same each time, and the bank does the rest.
// `send_advice` has nobody who could recognise a second try, so it is declared at-most-once: if it is not known whether
// it took effect, it fails with the code `interrupted` instead of running again, and a person is asked.
import { appendFile, readFile } from "node:fs/promises";
import { checkpoint, checkpointContext, flow, hasCode, wait } from "kitaru";
import { z } from "zod";
import { type Receipt, type Transfer, pay } from "./bank.ts";
import { invoiceSchema } from "./invoice.ts";

const planPayment = checkpoint("plan_payment", async (file: string): Promise<Transfer> => {
  const invoice = invoiceSchema.parse(JSON.parse(await readFile(file, "utf8")));
  const { iban, totalCents: cents, number, supplier } = invoice;
  return { iban: iban.replaceAll(" ", ""), cents, reference: `${supplier} ${number}` };
});

export const approvePayment = wait("approve_payment", { schema: z.boolean(), timeout: "3 days" });

const payInvoice = checkpoint("pay_invoice", { retries: 5 }, (ledger: string, plan: Transfer) =>
  pay(ledger, checkpointContext().idempotencyKey, plan),
);

const sendAdvice = checkpoint(
  "send_advice",
  { semantics: "at-most-once" },
  async (outbox: string, { receipt, reference }: Receipt) => {
    await appendFile(outbox, `Paid: ${reference}, receipt ${receipt}\n`);
  },
);

export const adviceSent = wait("advice_sent", { schema: z.boolean() });

interface PaymentInput {
  /** JSON file of the invoice. */
  readonly file: string;
  /** Folder of the bank. */
  readonly ledger: string;
  /** File that advices are appended to. */
  readonly outbox: string;
}

export const paymentFlow = flow("payment", async ({ file, ledger, outbox }: PaymentInput) => {
  const plan = await planPayment(file);
  const question = `Pay ${(plan.cents / 100).toFixed(2)} to ${plan.iban} for ${plan.reference}?`;
  const isApproved = await approvePayment({ question, metadata: plan });
  if (isApproved === undefined) return { ...plan, status: "expired" };
  if (!isApproved) return { ...plan, status: "refused" };

  const receipt = await payInvoice(ledger, plan);
  await advise(outbox, receipt);
  return { ...receipt, status: "paid" };
});

async function advise(outbox: string, receipt: Receipt): Promise<void> {
  try {
    await sendAdvice(outbox, receipt);
  } catch (error) {
    if (!hasCode(error, "interrupted")) throw error;
    const question = `Sending the advice was interrupted. Does ${outbox} hold ${receipt.receipt}?`;
    if (!(await adviceSent({ question }))) await advise(outbox, receipt);
  }
}
