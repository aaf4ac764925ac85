import { afterEach, expect, test } from "vitest";
import { overdueExecutions } from "../../cli/overdue.ts";
import { checkpoint, flow, sleep, wait } from "../../core/index.ts";
import { inboxDraft, inboxKey, readInbox, versionOf } from "../../core/journal/inbox.ts";
import { type TestStack, testStack } from "../../testing/index.ts";

const gate = wait("overdue_gate");
const brief = wait("overdue_brief", { timeout: "1 hour" });
const hang = checkpoint("overdue_hang", () => new Promise<void>(() => undefined));
const hanging = flow("hanging", async () => hang());
const asking = flow("asking", async () => gate());
const expiring = flow("expiring", async () => brief());
const napping = flow("napping", async () => sleep("1 hour"));
const nesting = flow("nesting", async () => asking.call());
const ending = flow("ending", async () => 1);

let stack: TestStack;
afterEach(() => stack.close());

async function overdue(): Promise<string[]> {
  const found = await overdueExecutions(stack.runtime, stack.clock.now() - 15_000);
  return found.map(({ flow: name }) => name).toSorted();
}

test("what waits for an answer is not overdue, what nobody goes on with is", async () => {
  stack = await testStack({ autoAdvance: false });
  const handles = [hanging, expiring, napping, nesting, ending].map((one) => one.run());
  const asked = asking.run(undefined, { id: "asked" });
  await Promise.all([...handles, asked].map(({ started }) => started));
  await stack.clock.settle();
  expect(await overdue()).toEqual([]);

  await stack.crash();
  stack.clock.jump(stack.clock.now() + 30 * 60_000);
  expect(await overdue()).toEqual(["hanging"]);
  stack.clock.jump(stack.clock.now() + 3 * 24 * 3_600_000);
  expect(await overdue()).toEqual(["expiring", "hanging", "napping"]);

  await sayUnheard("asked", "overdue_gate");
  expect(await overdue()).toContain("asking"); // of the others, the living process may take up some meanwhile
});

/** An answer that was written down by a process that was killed before it woke anybody. */
async function sayUnheard(id: string, name: string): Promise<void> {
  const { records, capabilities } = stack.backend;
  const record = await records.get(inboxKey(id));
  const at = stack.clock.now() - 60_000;
  const value = await stack.runtime.context.values.put(undefined);
  const item = {
    i: "unheard",
    at,
    kind: "answer",
    call: `${name}:0`,
    name,
    value,
    vh: "",
  } as const;
  const inbox = { ...readInbox(record), items: [item], dueAt: at + 30_000 };
  await records.put(inboxDraft(id, inbox, capabilities.dueShards), versionOf(record));
}
