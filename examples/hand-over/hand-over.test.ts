import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestStack, testStack } from "kitaru/testing";
import { minutesFlow, remindersFlow } from "./flow.ts";

let stack: TestStack;
let folder = "";

beforeAll(async () => {
  stack = await testStack({ config: {} });
  folder = await mkdtemp(join(tmpdir(), "meeting-"));
});
afterAll(async () => {
  await stack.close();
  await rm(folder, { recursive: true });
});

test("the second execution loads what the first has saved, though the file has changed since", async () => {
  const file = join(folder, "meeting.txt");
  await writeFile(
    file,
    "Ana: Hello.\nACTION Ana: buy paint\nACTION Ben: call Cy\nACTION Ana: paint\n",
  );
  await stack.run(minutesFlow, { file }, { id: "minutes-1" });
  await writeFile(file, "ACTION Nobody: do nothing");
  expect(await stack.run(remindersFlow, { meeting: "minutes-1" })).toEqual([
    { to: "Ana", text: "- buy paint\n- paint" },
    { to: "Ben", text: "- call Cy" },
  ]);
  expect(await stack.client.artifacts.list("minutes-1")).toMatchObject([
    { name: "llm_prompt" },
    { name: "llm_response" },
    { name: "transcript", type: "input" },
    { name: "actions", type: "output" },
  ]);
});

test("an execution that is not there is named", async () => {
  const run = stack.run(remindersFlow, { meeting: "minutes-2" });
  await expect(run).rejects.toThrow('there is no execution "minutes-2"');
});
