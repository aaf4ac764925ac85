// A review loop: draft, feedback, revision, as often as the reviewer wants. The wait and the checkpoint repeat; each
// round is a call of its own (review_notice:0, review_notice:1, …), so a second click on round 0 never approves round 1.
import { checkpoint, flow, llm, wait } from "kitaru";
import { z } from "zod";

const model = process.env["KITARU_DEFAULT_MODEL"] ?? "offline/extract";

const writeNotice = checkpoint("write_notice", { retries: 2 }, (facts: string) =>
  llm(`Write a short public notice from these facts:\n${facts}`, { model }),
);

const reviseNotice = checkpoint("revise_notice", { retries: 2 }, (text: string, feedback: string) =>
  llm(
    `Rewrite the notice below so that it follows the feedback, which comes first:\n${feedback}\n\n${text}`,
    {
      model,
    },
  ),
);

export const reviewNotice = wait("review_notice", {
  schema: z.union([
    z.object({ approved: z.literal(true) }),
    z.object({ approved: z.literal(false), feedback: z.string().min(1) }),
  ]),
});

export const noticeFlow = flow("notice", async ({ facts }: { facts: string }) => {
  let text = await writeNotice(facts);
  for (let round = 1; ; round += 1) {
    const question = `Round ${round}: publish this notice?`;
    const review = await reviewNotice({ question, metadata: { text } });
    if (review.approved) return { text, rounds: round };
    text = await reviseNotice(text, review.feedback);
  }
});
