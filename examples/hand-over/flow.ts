// Two flows, two executions. The first saves an artifact; the second loads it by the id of the first, at any later time
// and from any process. What is handed over is a named, recorded value, not a file somebody may change.
import { readFile } from "node:fs/promises";
import { checkpoint, flow, llm, load, save } from "kitaru";
import { z } from "zod";

const model = process.env["KITARU_DEFAULT_MODEL"] ?? "offline/extract";

const actionList = z.array(z.object({ person: z.string(), task: z.string() }));

const takeMinutes = checkpoint("take_minutes", { retries: 2 }, async (file: string) => {
  const transcript = await readFile(file, "utf8");
  const actions = [...transcript.matchAll(/^ACTION (\w+): (.+)$/gm)];
  save("transcript", transcript, { type: "input" });
  save(
    "actions",
    actions.map(([, person, task]) => ({ person, task })),
  );
  return llm(`Summarize this meeting in three sentences:\n${transcript}`, { model });
});

export const minutesFlow = flow("minutes", async ({ file }: { file: string }) => takeMinutes(file));

/** A loaded value has no type of its own: whoever loads it says what it expects. */
const loadActions = checkpoint("load_actions", async (meeting: string) =>
  actionList.parse(await load(meeting, "actions")),
);

export const remindersFlow = flow("reminders", async ({ meeting }: { meeting: string }) => {
  const actions = await loadActions(meeting);
  const people = [...new Set(actions.map(({ person }) => person))].toSorted();
  return people.map((person) => ({
    to: person,
    text: actions
      .filter((action) => action.person === person)
      .map(({ task }) => `- ${task}`)
      .join("\n"),
  }));
});
