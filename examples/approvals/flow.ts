// Two people are asked at once, a third after them and only above a limit. Nothing runs while they think; they may
// answer in any order, days apart, from any process.
import { checkpoint, flow, llm, wait } from "kitaru";
import { z } from "zod";

const model = process.env["KITARU_DEFAULT_MODEL"] ?? "offline/extract";
const directorAboveEuros = 100_000;

export const purchaseSchema = z.object({
  number: z.string(),
  item: z.string(),
  supplier: z.string(),
  euros: z.number().positive(),
  reason: z.string(),
});

const summarizePurchase = checkpoint(
  "summarize_purchase",
  { retries: 2 },
  ({ item, supplier, reason }: z.infer<typeof purchaseSchema>) =>
    llm(`Summarize this request in two sentences:\n${item} by ${supplier}. ${reason}`, { model }),
);

export const legalApproval = wait("legal_approval", {
  schema: z.boolean(),
  question: "Legal: may this contract be signed?",
});

export const financeApproval = wait("finance_approval", {
  schema: z.object({ approved: z.boolean(), costCentre: z.string().optional() }),
  question: "Finance: is there a budget, and which cost centre pays?",
});

export const directorApproval = wait("director_approval", { schema: z.boolean() });

export const purchaseFlow = flow("purchase", { input: purchaseSchema }, async (purchase) => {
  const { euros, number } = purchase;
  const summary = await summarizePurchase(purchase);

  const [legal, finance] = await Promise.all([
    legalApproval({ metadata: { number, summary } }),
    financeApproval({ metadata: { number, summary, euros } }),
  ]);
  if (!legal) return { number, decision: "refused", by: "legal" };
  if (!finance.approved) return { number, decision: "refused", by: "finance" };

  if (euros > directorAboveEuros) {
    const question = `Director: spend ${euros} euros, though more than ${directorAboveEuros}?`;
    const director = await directorApproval({ question, metadata: { number, summary } });
    if (!director) return { number, decision: "refused", by: "director" };
  }
  return { number, decision: "approved", costCentre: finance.costCentre ?? "general" };
});
