import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type TestStack, testStack } from "kitaru/testing";
import { agentFlow, approveReply } from "./flow.ts";

vi.hoisted(() => {
  for (const key of ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"]) delete process.env[key];
});

let stack: TestStack;
let outbox = "";
const handbook = fileURLToPath(new URL("handbook", import.meta.url));
const question = "What does it cost to return a book late?";

beforeAll(async () => {
  stack = await testStack({ config: {} });
  outbox = await mkdtemp(join(tmpdir(), "replies-"));
});
afterAll(async () => {
  await stack.close();
  await rm(outbox, { recursive: true });
});

const callsOf = async (id: string): Promise<string[]> =>
  (await stack.client.executions.get(id)).calls.map((call) => `${call.id} ${call.status}`);

test("the loop rests on its tool's wait, survives a crash there, and asks the model nothing twice", async () => {
  const handle = agentFlow.run({ question, handbook, outbox });
  const { id } = handle;
  await handle.started;
  expect(await stack.waiting(id)).toMatchObject([{ callId: "approve_reply:0" }]);
  expect(await readdir(outbox)).toEqual([]);
  await stack.crash();
  await approveReply.answer(id, true);
  expect(await stack.finish(handle)).toEqual({
    text: "The reply was handled: It was sent.",
    steps: 3,
  });
  expect(await callsOf(id)).toEqual([
    "agent_model:0 completed",
    "search_handbook:0 completed",
    "agent_model:1 completed",
    "approve_reply:0 completed",
    "send_reply:0 completed",
    "agent_model:2 completed",
  ]);
  const { usage } = await stack.client.executions.get(id);
  expect(usage.totalTokens).toBe(45); // three answers of the script
  const [reply = ""] = await readdir(outbox);
  expect(await readFile(join(outbox, reply), "utf8")).toContain("20 cents for each day");
  await rm(join(outbox, reply));
});

test("a reply that is not approved is not sent", async () => {
  const answers = { approve_reply: false };
  const result = await stack.run(agentFlow, { question, handbook, outbox }, { answers });
  expect(result.text).toContain("A person decided not to send it.");
  expect(await readdir(outbox)).toEqual([]);
});

test("a cancelled agent asks its model nothing more", async () => {
  const handle = agentFlow.run({ question, handbook, outbox });
  await handle.started;
  await stack.waiting(handle.id);
  await handle.cancel();
  await stack.clock.settle();
  expect(await handle.status()).toBe("cancelled");
  expect(await callsOf(handle.id)).toEqual([
    "agent_model:0 completed",
    "search_handbook:0 completed",
    "agent_model:1 completed",
    "approve_reply:0 cancelled",
  ]);
});
