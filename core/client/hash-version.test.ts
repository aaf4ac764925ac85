import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { registry } from "../engine/definitions.ts";
import { digestOf } from "../hash.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";

let stack: TestStack;

beforeEach(async () => {
  registry.clear();
  stack = await testStack();
});

afterEach(() => stack.close());

function program() {
  const charge = checkpoint("charge", (amount: number) => amount + 1);
  const approve = wait("approve");
  const pay = flow("pay", async (amount: number) => {
    const charged = await charge(amount);
    await approve();
    return charge(charged);
  });
  return { charge, approve, pay };
}

/** An execution with a journal as it was written before there were fingerprints. */
async function paidInVersion1({ pay }: ReturnType<typeof program>): Promise<void> {
  await stack.run(pay, 5, { id: "old", answers: { approve: undefined } });
  const key = { partition: "exec/old", sort: "j/000000" };
  const segment = await stack.backend.records.get(key);
  const body = (segment?.body ?? "")
    .replace('"hash":2', '"hash":1')
    .replaceAll(/"h":"([^"]+)"/g, (_, h: string) => `"h":"${digestOf(h)}"`);
  expect(body).not.toBe(segment?.body);
  await stack.backend.records.put({ ...key, body }, segment?.version ?? "absent");
}

test("a replay of an execution with hashes of an earlier version takes over what is the same, and so does its replay", async () => {
  const flows = program();
  await paidInVersion1(flows);
  for (const [source, id] of [
    ["old", "again"],
    ["again", "once-more"],
  ] as const) {
    const replay = flows.pay.replay(source, { id });
    await stack.finish(replay);
    const { calls, output } = await stack.client.executions.get(replay.id);
    expect(output).toBe(7);
    expect(calls.map(({ id: call, disposition }) => `${call} ${disposition}`)).toEqual([
      "charge:0 reused",
      "approve:0 reused",
      "charge:1 reused",
    ]);
  }
});

test("a dry run tells so, and a replay check finds nothing that differs", async () => {
  await paidInVersion1(program());
  const { executions } = stack.client;
  const { calls } = await executions.replay("old", { dryRun: true });
  expect(calls.map(({ id, action }) => `${id} ${action}`)).toEqual([
    "charge:0 reused",
    "approve:0 reused",
    "charge:1 reused",
  ]);
  expect(await executions.replayCheck({ flow: "pay", against: "local" })).toMatchObject({
    summary: { checked: 1, diverged: 0, skipped: 0 },
  });
});

test("beside one of this version, inputs that are the same do not differ", async () => {
  const flows = program();
  await paidInVersion1(flows);
  await stack.run(flows.pay, 5, { id: "new", answers: { approve: undefined } });
  const { rows } = await stack.client.executions.diff("old", "new");
  expect(rows.map(({ id, others }) => [id, others.map(({ state }) => state)])).toEqual([
    ["charge:0", ["match"]],
    ["approve:0", ["match"]],
    ["charge:1", ["match"]],
  ]);
});
