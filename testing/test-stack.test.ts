import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { checkpoint } from "../core/primitives/checkpoint.ts";
import { flow } from "../core/primitives/flow.ts";
import { sleep } from "../core/primitives/sleep.ts";
import { wait } from "../core/primitives/wait.ts";
import { type TestStack, type TestStackOptions, testStack } from "./test-stack.ts";

const count = { work: 0, flaky: 0 };
const work = checkpoint("stack_work", (x: number) => {
  count.work += 1;
  return x + 1;
});
const flaky = checkpoint("stack_flaky", { retries: { attempts: 2, initialDelay: "1h" } }, () => {
  count.flaky += 1;
  if (count.flaky % 2 === 1) throw new Error("not yet");
  return "done";
});
const approve = wait("stack_approve", { schema: z.boolean(), question: "Go on?" });
const expiring = wait("stack_expiring", { schema: z.string(), timeout: "3 days" });
const gate = wait("stack_gate");

const sleepy = flow("stack_sleepy", async (x: number) => {
  const one = await work(x);
  await sleep("30 days");
  return work(one);
});
const asking = flow("stack_asking", async (x: number) => {
  const one = await work(x);
  return (await approve()) ? work(one) : "no";
});
const expires = flow("stack_expires", async () => (await expiring()) ?? "nobody");
const inner = flow("stack_inner", async (x: number) => ((await approve()) ? x * 2 : 0));
const outer = flow("stack_outer", async (x: number) => {
  await gate();
  return (await inner.call(x)) + (await inner.call(x + 1));
});
const retrying = flow("stack_retrying", async () => flaky());
const elsewhere = checkpoint("stack_elsewhere", { runtime: "isolated" }, (x: number) => x * 3);
const isolating = flow("stack_isolating", async (x: number) => elsewhere(x));
const throwing = flow("stack_throwing", async (): Promise<void> => {
  throw new RangeError("out");
});
const ownAwait = flow("stack_own_await", async () => new Promise<string>(() => undefined));

let stack: TestStack | undefined;
async function open(options?: TestStackOptions): Promise<TestStack> {
  stack = await testStack(options);
  return stack;
}
afterEach(() => stack?.close());

test("days of sleep take milliseconds of real time", async () => {
  const { clock } = await open({ startAt: 0 });
  const since = performance.now();
  expect(await sleepy.run(1).result()).toBe(3);
  expect(clock.now()).toBeGreaterThanOrEqual(30 * 86_400_000);
  expect(performance.now() - since).toBeLessThan(10_000);
});

test("run answers waits by name and by call id, in child flows too, and by function", async () => {
  const { run } = bound(await open());
  expect(await run(asking, 1, { answers: { stack_approve: true } })).toBe(3);
  expect(await run(asking, 1, { answers: { "stack_approve:0": false } })).toBe("no");
  const asked: string[] = [];
  const answers = {
    stack_gate: undefined,
    stack_approve: ({ executionId, question }: { executionId: string; question?: string }) => {
      asked.push(`${executionId} ${question ?? ""}`);
      return asked.length === 1;
    },
  };
  expect(await run(outer, 4, { id: "o", answers })).toBe(8);
  expect(asked).toEqual(["o/stack_inner:0 Go on?", "o/stack_inner:1 Go on?"]);
});

test("time stands still while somebody is asked, and passes when the test says so", async () => {
  const opened = await open();
  const { clock, client } = opened;
  const handle = expires.run();
  await handle.started;
  const before = clock.now();
  expect(await opened.waiting(handle.id)).toEqual([
    { executionId: handle.id, callId: "stack_expiring:0", name: "stack_expiring" },
  ]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(clock.now()).toBe(before);
  await expiring.answer(handle.id, "somebody");
  expect(await handle.result()).toBe("somebody");

  const other = expires.run();
  await opened.waiting(other.id);
  await clock.advanceBy("3 days");
  expect(await other.result()).toBe("nobody");
  expect((await client.executions.get(other.id)).status).toBe("completed");
});

test("a run that needs an answer nobody gives says which", async () => {
  const { run } = bound(await open());
  await expect(run(asking, 1, { within: "2 days" })).rejects.toThrow(
    /has not ended by .* It waits for stack_approve:0: give them in `answers`/,
  );
  expect(await run(expires, undefined)).toBe("nobody");
});

test("retries are waited for; what the flow throws is thrown; a flow that awaits its own is told so", async () => {
  const { run } = bound(await open());
  expect(await run(retrying, undefined)).toBe("done");
  expect(await run(isolating, 2)).toBe(6);
  await expect(run(throwing, undefined)).rejects.toThrow(new RangeError("out"));
});

test("what was retried is waited for anew, and has no result meanwhile", async () => {
  const opened = await open();
  let isBroken = true;
  const brittle = checkpoint("stack_brittle", () => {
    if (isBroken) throw new Error("broken");
    return "mended";
  });
  const mending = flow("stack_mending", async () => brittle());
  const handle = mending.run(undefined);
  await expect(opened.finish(handle)).rejects.toThrow("broken");
  isBroken = false;
  await opened.client.executions.retry(handle.id);
  const early = await handle.get().catch((error: Error) => error.message);
  expect(early).not.toBe("broken");
  expect(await opened.finish(handle)).toBe("mended");
});

test("with a deadline for advances a flow that awaits something of its own is told so", async () => {
  const { run } = bound(await open({ orchestrator: { advanceMs: 900_000 } }));
  await expect(run(ownAwait, undefined)).rejects.toThrow("awaits something of its own");
});

test("after a crash another process goes on, and repeats nothing that was recorded", async () => {
  const opened = await open();
  const handle = asking.run(5);
  await handle.started;
  expect(await opened.waiting(handle.id)).toHaveLength(1);
  const before = count.work;
  await opened.crash();
  expect(opened.orchestrator.orchestrations(handle.id)).toEqual([]);
  await opened.answer(handle.id, "stack_approve", true);
  expect(await opened.finish(handle)).toBe(7);
  expect(count.work).toBe(before + 1);
  const owners = (await opened.journal(handle.id)).flatMap((e) =>
    e.t === "advance" ? e.owner : [],
  );
  expect(owners[0]).toMatch(/^p1\//);
  expect(owners.at(-1)).toMatch(/^p2\//);
});

test("a crash during a sleep is made good by the sweep", async () => {
  const opened = await open();
  const handle = sleepy.run(1);
  await handle.started;
  await opened.crash();
  const client = opened.client;
  expect(await (await client.executions.handle(handle.id)).result()).toBe(3);
});

test("lost wakes are made good by the sweep, doubled and spurious ones do no harm", async () => {
  for (const times of [0, 2]) {
    const opened = await open({ orchestrator: { wakes: () => times, starts: () => 2 } });
    const handle = asking.run(5);
    await handle.started;
    await opened.waiting(handle.id);
    opened.orchestrator.spuriousWake(handle.id);
    await opened.waiting(handle.id);
    await approve.answer(handle.id, true);
    expect(await opened.finish(handle)).toBe(7);
    await opened.close();
  }
});

test("small segments, pages and inline values change nothing", async () => {
  const opened = await open({
    records: { pageSize: 1 },
    capabilities: { segmentBytes: 200, inlineBytes: 4, dueShards: 3 },
  });
  expect(await opened.run(sleepy, 1, { id: "small" })).toBe(3);
  expect(await opened.sweep()).toBe(0);
});

function bound(opened: TestStack): Pick<TestStack, "run"> {
  return { run: (...args) => opened.run(...args) };
}
