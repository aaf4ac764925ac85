// A tool loop of the AI SDK in which every step is durable. `durableModel` records each question to the model, the tools
// are checkpoints, and one of them asks a person first. The loop is the AI SDK's own: it runs again from the top after a
// crash or a wait, gets every recorded answer back, and goes on where it was. No answer is paid twice, nothing is sent
// twice.
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateText, isStepCount, tool } from "ai";
import { checkpoint, checkpointContext, durableModel, flow, wait } from "kitaru";
import { z } from "zod";
import { chosen } from "./model.ts";

const searchHandbook = checkpoint(
  "search_handbook",
  { type: "tool_call" },
  async (folder: string, words: string) => {
    const wanted = new Set(wordsOf(words));
    const passages = await passagesOf(folder);
    const scored = passages.map((text) => ({
      text,
      score: new Set(wordsOf(text).filter((word) => wanted.has(word))).size,
    }));
    const found = scored.filter(({ score }) => score > 0).toSorted((a, b) => b.score - a.score);
    const [first, second] = found;
    return first === undefined ? "Nothing was found." : `${first.text}\n${second?.text ?? ""}`;
  },
);

export const approveReply = wait("approve_reply", {
  schema: z.boolean(),
  question: "Send this reply?",
});

const sendReply = checkpoint(
  "send_reply",
  { type: "tool_call" },
  async (outbox: string, text: string) => {
    const { idempotencyKey } = checkpointContext();
    await mkdir(outbox, { recursive: true });
    // A second try writes the same file again.
    await writeFile(join(outbox, `${idempotencyKey.replaceAll(/[^\w.-]/g, "_")}.txt`), text);
  },
);

interface AgentInput {
  readonly question: string;
  /** Folder of Markdown files. */
  readonly handbook: string;
  /** Folder that replies are written to. */
  readonly outbox: string;
}

export const agentFlow = flow("agent", async ({ question, handbook, outbox }: AgentInput) => {
  const { text, steps } = await generateText({
    model: durableModel(chosen.model, { name: "agent_model" }),
    instructions:
      "You answer questions of library visitors. Search the handbook, then send one short reply that says only what it says.",
    prompt: question,
    stopWhen: isStepCount(8),
    tools: {
      searchHandbook: tool({
        description: "Passages of the handbook that have these words in them",
        inputSchema: z.object({ words: z.string() }),
        execute: ({ words }) => searchHandbook(handbook, words),
      }),
      sendReply: tool({
        description: "Send a reply to the visitor, if a person agrees",
        inputSchema: z.object({ text: z.string() }),
        execute: async (reply) => {
          if (!(await approveReply({ metadata: reply }))) return "A person decided not to send it.";
          await sendReply(outbox, reply.text);
          return "It was sent.";
        },
      }),
    },
  });
  return { text, steps: steps.length };
});

async function passagesOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".md")).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return texts.flatMap((text) =>
    text
      .split(/\n\s*\n/)
      .map((passage) => passage.replaceAll("\n", " ").trim())
      .filter((passage) => passage !== "" && !passage.startsWith("#")),
  );
}

/** The longer words of a text, cut so that `return` finds `returned`. */
function wordsOf(text: string): string[] {
  const words = text.toLowerCase().match(/[a-z]{4,}/g) ?? [];
  return words.map((word) => word.slice(0, 5));
}
