// One call for each file of a folder, at most three at a time. A file that fails does not stop the others, and after a
// crash only the files without an outcome are read again.
import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { NonRetryableError, checkpoint, flow, llm } from "kitaru";

const model = process.env["KITARU_DEFAULT_MODEL"] ?? "offline/extract";

/** A folder may change while the flow runs, so what was in it is recorded. */
const listTickets = checkpoint("list_tickets", async (folder: string) =>
  (await readdir(folder))
    .filter((name) => name.endsWith(".txt"))
    .toSorted()
    .map((name) => join(folder, name)),
);

const summarizeTicket = checkpoint(
  "summarize_ticket",
  { retries: 2, timeout: "1m" },
  async (file: string) => {
    const text = await readFile(file, "utf8");
    if (text.trim() === "") throw new NonRetryableError(`${basename(file)} is empty`);
    return llm(`Summarize this support ticket in one sentence:\n${text}`, { model });
  },
);

export const ticketsFlow = flow("tickets", async ({ folder }: { folder: string }) => {
  const files = await listTickets(folder);
  const outcomes = await summarizeTicket.map(files, { concurrency: 3, settle: true });
  return files.map((file, index) => {
    const outcome = outcomes[index];
    const ticket = basename(file);
    if (outcome?.status === "fulfilled") return { ticket, summary: outcome.value };
    return { ticket, problem: String(outcome?.reason) };
  });
});
