import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestStack, testStack } from "kitaru/testing";
import { ticketsFlow } from "./flow.ts";

let stack: TestStack;
let folder = "";

beforeAll(async () => {
  stack = await testStack({ config: {} });
  folder = await mkdtemp(join(tmpdir(), "tickets-"));
});
afterAll(async () => {
  await stack.close();
  await rm(folder, { recursive: true });
});

test("each file has its own outcome, and one that fails does not stop the others", async () => {
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  for (const name of names) await writeFile(join(folder, `${name}.txt`), `Ticket ${name} is here.`);
  await writeFile(join(folder, "c.txt"), " \n");
  await writeFile(join(folder, "notes.md"), "Not a ticket.");
  await mkdir(join(folder, "z.txt"));
  const result = await stack.run(ticketsFlow, { folder }, { id: "tickets-1" });
  expect(result).toEqual([
    ...names.map((name) =>
      name === "c"
        ? { ticket: "c.txt", problem: "NonRetryableError: c.txt is empty" }
        : { ticket: `${name}.txt`, summary: `Ticket ${name} is here.` },
    ),
    { ticket: "z.txt", problem: expect.stringContaining("EISDIR") },
  ]);
  const { calls } = await stack.client.executions.get("tickets-1");
  const tries = Object.fromEntries(calls.map(({ id, attempts }) => [id, attempts.length]));
  expect(tries).toMatchObject({ "summarize_ticket:2": 1, "summarize_ticket:7": 3 });
});

test("a folder that is not there fails the execution with its path", async () => {
  const run = stack.run(ticketsFlow, { folder: join(folder, "none") });
  await expect(run).rejects.toThrow(/ENOENT.*none/);
});
