// The quickstart: a document is researched, a draft written, and a person asked. The wait costs nothing; what was done
// before it is not done again after it.
import { checkpoint, flow, llm, wait } from "kitaru";
import { z } from "zod";

const model = process.env["KITARU_DEFAULT_MODEL"] ?? "offline/extract";

const research = checkpoint("research", (document: string) =>
  llm(`Summarise this document as a brief:\n${document}`, { model }),
);

const draft = checkpoint("draft", { retries: 3, timeout: "2m" }, (brief: string) =>
  llm(`Write a draft from this brief:\n${brief}`, { model }),
);

export const approveDraft = wait("approve_draft", {
  schema: z.boolean(),
  question: "Approve draft?",
});

export const reviewFlow = flow("review_flow", async ({ document }: { document: string }) => {
  const brief = await research(document);
  const text = await draft(brief);
  return (await approveDraft({ metadata: { text } })) ? text : "Rejected";
});
