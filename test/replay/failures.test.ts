import { beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { checkpoint, checkpointContext, flow, sleep, wait } from "kitaru";
import { replayStack } from "./kit.ts";

/** What the world is like: `broken` makes some calls fail. */
const world = { isBroken: true };
beforeEach(() => {
  world.isBroken = true;
});

const step = checkpoint("fail_step", (x: number) => x + 1);
const brittle = checkpoint("fail_brittle", (x: number): number => {
  if (world.isBroken) throw new RangeError(`broken ${x}`);
  return x + 100;
});
const refuse = checkpoint("fail_refuse", (x: number): number => {
  throw new TypeError(`refused ${x}`);
});
const approve = wait("fail_approve", { schema: z.boolean() });

test("a caught failure is taken over, and the same branch is taken", async () => {
  const stack = await replayStack();
  const caught = flow("fail_caught", async () => {
    const first = await refuse(1).catch((error: Error) => [error.name, error.message]);
    return [first, await step(1)];
  });
  await stack.run(caught, undefined, { id: "source" });
  const handle = caught.replay("source", { with: [step.as(7)] });
  expect(await stack.finish(handle)).toEqual([["TypeError", "refused 1"], 7]);
  expect(stack.ran(handle.id)).toEqual([]);
  const calls = (await stack.client.executions.get(handle.id)).calls;
  expect(calls[0]).toMatchObject({
    status: "failed",
    disposition: "reused",
    error: { message: "refused 1" },
  });
  const over = caught.replay("source", { with: [refuse.as(5)] });
  expect(await stack.finish(over)).toEqual([5, 2]);
});

test("the failure that ended the source is not taken over, also where it was wrapped", async () => {
  const stack = await replayStack();
  const failing = flow("fail_ended", async ({ wrap }: { wrap: boolean }) => {
    const before = await step(1);
    const made = await brittle(before).catch((cause: unknown) => {
      throw wrap ? new Error("could not", { cause }) : cause;
    });
    return [before, made];
  });
  for (const wrap of [true, false]) {
    world.isBroken = true;
    const id = `source-${wrap}`;
    await expect(stack.run(failing, { wrap }, { id })).rejects.toThrow(
      wrap ? "could not" : "broken",
    );
    world.isBroken = false;
    const handle = failing.replay(id);
    expect(await stack.finish(handle)).toEqual([2, 102]);
    expect(stack.ran(handle.id)).toEqual(["fail_brittle:0"]);
  }
});

test("of a retried execution the outcomes that stand are taken over", async () => {
  const stack = await replayStack();
  const retried = flow("fail_retried", async () => {
    const before = await step(1);
    const made = await brittle(before);
    return [made, await step(made)];
  });
  await expect(stack.run(retried, undefined, { id: "source" })).rejects.toThrow("broken 2");
  world.isBroken = false;
  await stack.client.executions.retry("source");
  await stack.client.executions.untilRest("source");
  const handle = retried.replay("source", { with: [step.at(1).as(0)] });
  expect(await stack.finish(handle)).toEqual([102, 0]);
  expect(stack.ran(handle.id)).toEqual([]);
});

test("a cancelled execution, one that timed out and one that diverged can be replayed", async () => {
  const stack = await replayStack();
  const waiting = flow("fail_waiting", { timeout: "1 day" }, async () => {
    const before = await step(1);
    try {
      return [before, await approve()];
    } finally {
      await step(50);
    }
  });
  const cancelled = waiting.run(undefined, { id: "cancelled" });
  await stack.clock.settle();
  await cancelled.cancel();
  await expect(stack.finish(cancelled)).rejects.toThrow("was cancelled");
  await expect(stack.run(waiting, undefined, { id: "late" })).rejects.toThrow(
    "did not finish within",
  );
  for (const id of ["cancelled", "late"]) {
    const handle = waiting.replay(id);
    expect(await stack.finish(handle, { answers: { fail_approve: true } })).toEqual([2, true]);
    expect(stack.ran(handle.id)).toEqual([]); // the checkpoint of the finally block has run with this input
  }
});

test("a failed replay is retried from the call that failed; what it took over stays", async () => {
  const stack = await replayStack();
  const some = flow("fail_some", async ({ x }: { x: number }) => {
    const before = await step(1);
    const made = await brittle(x);
    return [before, made, await step(made)];
  });
  world.isBroken = false;
  await stack.run(some, { x: 1 }, { id: "source" });
  world.isBroken = true;
  const handle = some.replay("source", { input: { x: 2 } });
  await expect(stack.finish(handle)).rejects.toThrow("broken 2");
  world.isBroken = false;
  await stack.client.executions.retry(handle.id);
  await stack.client.executions.untilRest(handle.id);
  expect(await handle.get()).toEqual([2, 102, 103]);
  expect(stack.ran(handle.id)).toEqual(["fail_brittle:0", "fail_brittle:0", "fail_step:1"]);
});

test("a failure that was taken over and is not caught any more is tried again by a retry", async () => {
  const stack = await replayStack();
  const mind = { catches: true };
  const changing = flow("fail_changing", async () => {
    const made = await brittle(1).catch((error: unknown) => {
      if (mind.catches) return -1;
      throw error;
    });
    return [made, await step(1)];
  });
  expect(await stack.run(changing, undefined, { id: "source" })).toEqual([-1, 2]);
  mind.catches = false;
  const handle = changing.replay("source");
  await expect(stack.finish(handle)).rejects.toThrow("broken 1");
  expect(stack.ran(handle.id)).toEqual([]);
  world.isBroken = false;
  await stack.client.executions.retry(handle.id);
  await stack.client.executions.untilRest(handle.id);
  expect(await handle.get()).toEqual([101, 2]);
});

test("a flow's own retries forget what was taken over after the failure", async () => {
  const stack = await replayStack();
  const attempts: number[] = [];
  const unsteady = checkpoint("fail_unsteady", (x: number) => {
    attempts.push(x);
    if (x > 1 && attempts.length < 3) throw new Error("not yet");
    return x;
  });
  const again = flow("fail_again", { retries: 2 }, async ({ x }: { x: number }) => {
    try {
      return await unsteady(x);
    } catch (error) {
      await step(50);
      throw error;
    } finally {
      await step(60);
    }
  });
  // its failing run has recorded what comes after the failure
  await stack.run(again, { x: 1 }, { id: "source" });
  attempts.length = 0;
  const handle = again.replay("source", { input: { x: 2 } });
  expect(await stack.finish(handle)).toBe(2);
  expect(attempts).toEqual([2, 2, 2]);
  const second = again.replay(handle.id, { input: { x: 3 } });
  attempts.length = 0;
  expect(await stack.finish(second)).toBe(3);
});

test("a replay of a replay, and a replay whose input failed to be stored", async () => {
  const stack = await replayStack();
  const chain = flow("fail_chain", async ({ x }: { x: number }) => step(await step(await step(x))));
  expect(await stack.run(chain, { x: 0 }, { id: "source" })).toBe(3);
  const one = chain.replay("source", { with: [step.at(1).as(10)] });
  expect(await stack.finish(one)).toBe(11);
  const two = chain.replay(one.id, { with: [step.at(2).as(0)] });
  expect(await stack.finish(two)).toBe(0);
  const three = chain.replay(one.id);
  expect(await stack.finish(three)).toBe(11);
  expect([...stack.ran(two.id), ...stack.ran(three.id)]).toEqual([]);
  await expect(
    chain.replay("source", { with: [step.as((() => 1) as never)] }).started,
  ).rejects.toThrow("the output that overrides checkpoint.fail_step");
});

test("isReplay tells a checkpoint, an isolated one's like, and those of child flows, to leave the world alone", async () => {
  const stack = await replayStack();
  const isReplay = checkpoint(
    "fail_is_replay",
    (x: number) => x > 0 && checkpointContext().isReplay,
  );
  const child = flow("fail_replay_child", async (x: number) => isReplay(x));
  const parent = flow("fail_replay_parent", async ({ x }: { x: number }) => {
    await sleep(1);
    return [await isReplay(x), await child.call(x)];
  });
  expect(await stack.run(parent, { x: 1 }, { id: "source" })).toEqual([false, false]);
  expect(await stack.finish(parent.replay("source", { input: { x: 2 } }))).toEqual([true, true]);
  expect(await stack.finish(parent.replay("source", { from: isReplay }))).toEqual([true, true]);
});
