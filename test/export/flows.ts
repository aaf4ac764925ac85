/** Flows of a package of its own: large values, an artifact, a child flow that waits, and what runs after each wait. */
export const flowsText = `
import { appendFileSync } from "node:fs";
import { checkpoint, flow, save, wait } from "kitaru";
import { z } from "zod";

const note = (ledger: string, line: string) => appendFileSync(ledger, line + "\\n");

const write = checkpoint("write", (ledger: string, size: number) => {
  note(ledger, "write");
  save("film", new Uint8Array(size).fill(7));
  return "x".repeat(size);
});
const count = checkpoint("count", (ledger: string, text: string) => {
  note(ledger, "count");
  return text.length;
});
const review = wait("review", { schema: z.object({ ok: z.boolean() }) });
const approve = wait("approve", { schema: z.boolean() });
const last = wait("last");

export const inner = flow("inner", async ({ ledger, text }: { ledger: string; text: string }) => {
  const isApproved = await approve({ metadata: { length: text.length } });
  return isApproved ? count(ledger, text) : -1;
});

export const outer = flow("outer", async ({ ledger, size }: { ledger: string; size: number }) => {
  const text = await write(ledger, size);
  const { ok } = await review({ question: "Good?" });
  const length = await inner.call({ ledger, text });
  await last();
  return { ok, length, again: await count(ledger, text) };
});
`;
