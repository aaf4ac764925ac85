import { checkpoint, flow, llm, sleep, wait } from "kitaru";
import { z } from "zod";

/** Runs in a function of its own, with the memory it needs. */
const scan = checkpoint(
  "scan",
  { runtime: "isolated", memoryMb: 2048, retries: 2, timeout: "5m" },
  (document: string) => ({
    words: document.split(/\s+/).length,
    figures: document.match(/\d[\d,.]*/g) ?? [],
  }),
);

const summarise = checkpoint("summarise", { retries: 3 }, (document: string) =>
  llm(`Summarise this document:\n${document}`, { model: "fast" }),
);

const publish = checkpoint("publish", { retries: 5 }, (summary: string, by: string) => ({
  summary,
  approvedBy: by,
}));

const verdict = z.object({ approved: z.boolean(), by: z.string() });
const approve = wait("approve", {
  schema: verdict,
  question: "Publish this summary?",
  timeout: "14 days",
});

const input = z.object({ document: z.string().min(1) });

export const review = flow("review", { input }, async ({ document }) => {
  const [facts, summary] = await Promise.all([scan(document), summarise(document)]);
  const decision = await approve({ metadata: { summary, ...facts } });
  if (decision === undefined) return { status: "lapsed" };
  if (!decision.approved) return { status: "rejected", by: decision.by };

  await sleep("1s"); // a cooling-off time: nothing runs, and nothing is billed
  return { status: "published", ...(await publish(summary, decision.by)) };
});
