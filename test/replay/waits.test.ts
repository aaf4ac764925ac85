import { expect, test } from "vitest";
import { z } from "zod";
import { checkpoint, checkpointContext, flow, now, random, sleep, uuid, wait } from "kitaru";
import { replayStack } from "./kit.ts";

const step = checkpoint("waits_step", (x: number) => x + 1);
const other = checkpoint("waits_other", (x: number) => x * 10);
const approve = wait("waits_approve", { schema: z.boolean() });
const again = wait("waits_again", { schema: z.boolean() });
const gate = wait("waits_gate");

const approved = flow("waits_approved", async ({ x }: { x: number }) => {
  const before = await step(x);
  const first = await approve({ metadata: { before } });
  const after = await other(before);
  const second = await again({ metadata: { same: true } });
  return [before, first, after, second];
});
const yes = { waits_approve: true, waits_again: true };

test("an unchanged prefix is not asked again; what comes after a change is", async () => {
  const stack = await replayStack();
  await stack.run(approved, { x: 1 }, { id: "source", answers: yes });
  const same = approved.replay("source");
  expect(await stack.finish(same)).toEqual([2, true, 20, true]);
  const later = approved.replay("source", { with: [other.as(7)] });
  expect(await stack.asks(later.id)).toEqual(["waits_again:0"]);
  expect(await stack.dispositions(later.id)).toEqual({
    "waits_step:0": "reused",
    "waits_approve:0": "reused",
    "waits_other:0": "overridden",
    "waits_again:0": "waiting",
  });
  await again.answer(later.id, false);
  expect(await stack.finish(later)).toEqual([2, true, 7, false]);
});

test("an approval is not moved to other content, even where its question is the same", async () => {
  const stack = await replayStack();
  await stack.run(approved, { x: 1 }, { id: "source", answers: yes });
  for (const how of [
    { with: [step.as(5)] }, // other metadata for the first, the same for the second
    { with: [step.as(2)] }, // the very same value: it is overridden all the same
    { input: { x: 2 } },
    { from: step },
    { with: [step.withInput(1)] },
  ]) {
    const handle = approved.replay("source", how);
    expect(await stack.asks(handle.id)).toEqual(["waits_approve:0"]);
    await approve.answer(handle.id, false);
    expect(await stack.asks(handle.id)).toEqual(["waits_again:0"]);
    await handle.cancel();
    await stack.clock.settle();
  }
});

test("an answer can be overridden, by name and by call, and is held to its schema when it has no type", async () => {
  const stack = await replayStack();
  await stack.run(approved, { x: 1 }, { id: "source", answers: yes });
  const handle = approved.replay("source", { with: [approve.as(false), again.at(0).as(true)] });
  expect(await stack.finish(handle)).toEqual([2, false, 20, true]);
  const { replay } = stack.client.executions;
  const untyped = replay.bind(stack.client.executions);
  const done = await untyped("source", { overrides: { "waits_approve:0": false }, from: again });
  expect(await stack.asks(done.id)).toEqual(["waits_again:0"]);
  await expect(untyped("source", { overrides: { "wait.waits_approve": "yes" } })).rejects.toThrow(
    "The override of wait.waits_approve is not an answer to it: Invalid input: expected boolean, received string",
  );
});

test("the recorded answer is kept with its question, and counts as given", async () => {
  const stack = await replayStack();
  await stack.run(approved, { x: 1 }, { id: "source", answers: yes });
  const handle = approved.replay("source", { from: again });
  expect(await stack.asks(handle.id)).toEqual(["waits_again:0"]);
  await approve.answer(handle.id, true); // as it is recorded
  await expect(approve.answer(handle.id, false)).rejects.toThrow("waits_approve:0");
  const entries = await stack.journal(handle.id);
  const asked = entries.find((entry) => entry.t === "waiting" && entry.id === "waits_approve:0");
  expect(asked).toMatchObject({ disp: "reused", meta: { v: { before: 2 } } });
  const lines = await stack.client.executions.logs(handle.id, { call: "waits_approve:0" });
  expect(lines.map((line) => line.message)).toEqual(["completed (reused)"]);
});

test("an answer that comes before its question stands against a recorded one", async () => {
  const stack = await replayStack();
  await stack.run(approved, { x: 1 }, { id: "source", answers: yes });
  const early = flow("waits_early", async () => {
    await gate();
    return [await approve({ metadata: 1 }), await again()];
  });
  await stack.run(early, undefined, { id: "early", answers: { ...yes, waits_gate: undefined } });
  const handle = early.replay("early", { from: gate });
  expect(await stack.asks(handle.id)).toEqual(["waits_gate:0"]);
  await approve.answer(handle.id, false);
  await gate.answer(handle.id);
  expect(await stack.finish(handle, { answers: { waits_again: false } })).toEqual([false, false]);
});

test("a waiting execution can be replayed and goes on meanwhile; the replay stays with what there was", async () => {
  const stack = await replayStack();
  const first = approved.run({ x: 1 }, { id: "source" });
  expect(await stack.asks("source")).toEqual(["waits_approve:0"]);
  const replay = approved.replay("source");
  expect(await stack.asks(replay.id)).toEqual(["waits_approve:0"]);
  expect(await stack.finish(first, { answers: yes })).toEqual([2, true, 20, true]);
  expect(
    await stack.finish(replay, { answers: { waits_approve: false, waits_again: false } }),
  ).toEqual([2, false, 20, false]);
  expect(stack.ran(replay.id)).toEqual(["waits_other:0"]);
});

test("an expired wait has expired, an aborted one was aborted, unless that ended the execution", async () => {
  const stack = await replayStack();
  const patient = wait("waits_patient", { schema: z.number(), timeout: "1h" });
  const expiring = flow("waits_expiring", async () => [await patient(), await step(1)]);
  expect(await stack.run(expiring, undefined, { id: "expired" })).toEqual([undefined, 2]);
  const at = stack.clock.now();
  const handle = expiring.replay("expired", { with: [step.as(7)] });
  expect(await stack.finish(handle)).toEqual([undefined, 7]);
  expect(stack.clock.now()).toBe(at);
  const caught = flow("waits_caught", async () => {
    const answer = await approve().catch((error: Error) => error.name);
    return [answer, await again()];
  });
  const first = caught.run(undefined, { id: "aborted" });
  await stack.clock.settle();
  await approve.abort("aborted");
  expect(await stack.finish(first, { answers: yes })).toEqual(["KitaruExecutionError", true]);
  expect(await stack.finish(caught.replay("aborted"))).toEqual(["KitaruExecutionError", true]);
  const uncaught = flow("waits_uncaught", async () => approve());
  const failing = uncaught.run(undefined, { id: "failed" });
  await stack.clock.settle();
  await approve.abort("failed");
  await expect(stack.finish(failing)).rejects.toThrow("was aborted");
  expect(await stack.finish(uncaught.replay("failed"), { answers: yes })).toBe(true);
});

test("a sleep that is taken over is not slept; from it on it is", async () => {
  const stack = await replayStack();
  const sleeping = flow("waits_sleeping", async () => {
    await sleep("2 days");
    return step(1);
  });
  await stack.run(sleeping, undefined, { id: "source" });
  const at = stack.clock.now();
  await stack.finish(sleeping.replay("source", { with: [step.as(3)] }));
  await stack.finish(
    sleeping.replay("source", {
      with: [{ kind: "override", target: "sleep:0", field: "output", output: undefined }],
    }),
  );
  expect(stack.clock.now()).toBe(at);
  await stack.finish(sleeping.replay("source", { from: "sleep" }));
  expect(stack.clock.now() - at).toBeGreaterThanOrEqual(2 * 86_400_000);
});

test("time and chance are as in the source, so what is computed from them is taken over", async () => {
  const stack = await replayStack();
  const dated = checkpoint("waits_dated", (at: number, id: string, chance: number) => [
    at,
    id,
    chance,
  ]);
  const timed = flow("waits_timed", async () => {
    const first = await dated(now(), uuid(), random());
    await sleep("1h");
    const second = await dated(now(), uuid(), random());
    return [first, second, await step(0)];
  });
  const source = await stack.run(timed, undefined, { id: "source" });
  stack.clock.jump(stack.clock.now() + 3_600_000);
  const handle = timed.replay("source", { with: [step.as(9)] });
  expect(await stack.finish(handle)).toEqual([source[0], source[1], 9]);
  const twice = timed.replay(handle.id, { with: [step.as(8)] });
  expect(await stack.finish(twice)).toEqual([source[0], source[1], 8]);
  expect([...stack.ran(handle.id), ...stack.ran(twice.id)]).toEqual([]);
  const parallel = flow("waits_parallel", async () => {
    const [one, two] = await Promise.all([step(1), other(1).then(() => dated(now(), "", 0))]);
    return [one, two];
  });
  await stack.run(parallel, undefined, { id: "parallel" });
  stack.clock.jump(stack.clock.now() + 3_600_000);
  const beside = parallel.replay("parallel", { with: [step.as(5)] });
  await stack.finish(beside);
  expect(stack.ran(beside.id)).toEqual([]);
});

test("a race keeps its winner; what was left open is begun again and changes nothing", async () => {
  const stack = await replayStack();
  const raced = flow("waits_raced", async () => {
    const winner = await Promise.race([
      sleep("1h").then(() => "late"),
      approve().then(String),
      step(1)
        .then(() => gate())
        .then(() => "gate"),
    ]);
    return [winner, await again(), await other(1)];
  });
  await stack.run(raced, undefined, { id: "source", answers: yes });
  const same = raced.replay("source");
  expect(await stack.finish(same)).toEqual(["true", true, 10]);
  expect(stack.ran(same.id)).toEqual([]);
  const changed = raced.replay("source", { with: [other.as(3)] });
  expect(await stack.finish(changed)).toEqual(["true", true, 3]);
  expect(await stack.dispositions(changed.id)).toMatchObject({
    "waits_approve:0": "reused",
    "waits_again:0": "reused",
  });
});

test("what was left open counts as new once it has an outcome", async () => {
  const stack = await replayStack();
  const late = flow("waits_late", async ({ both }: { both: boolean }) => {
    const pending = gate();
    const first = await step(1);
    if (both) await pending;
    return [first, await again()];
  });
  await stack.run(late, { both: false }, { id: "source", answers: { waits_again: true } });
  const handle = late.replay("source", { input: { both: true } });
  expect(await stack.asks(handle.id)).toEqual(["waits_gate:0"]);
  await gate.answer(handle.id);
  expect(await stack.asks(handle.id)).toEqual(["waits_again:0"]); // the source's answer was given without the gate
  await again.answer(handle.id, false);
  expect(await stack.finish(handle)).toEqual([2, false]);
});

test("an answer that came before its question is taken over, unless something before the question has changed", async () => {
  const stack = await replayStack();
  const early = flow("waits_in_advance", async ({ x }: { x: number }) => {
    await gate();
    const before = await step(x);
    return [before, await again({ metadata: { before } })];
  });
  const source = early.run({ x: 1 }, { id: "source" });
  expect(await stack.asks(source.id)).toEqual(["waits_gate:0"]);
  await again.answer("source", true);
  await gate.answer("source");
  expect(await stack.finish(source)).toEqual([2, true]);
  const same = early.replay("source");
  expect(await stack.finish(same)).toEqual([2, true]);
  expect(await stack.finish(early.replay(same.id))).toEqual([2, true]);
  const changed = early.replay("source", { with: [step.as(7)] });
  expect(await stack.asks(changed.id)).toEqual(["waits_again:0"]);
});

test("a checkpoint that lost a race and left nothing does not make a later answer count as new", async () => {
  const stack = await replayStack();
  const endless = checkpoint(
    "waits_endless",
    () =>
      new Promise<string>((_resolve, reject) => {
        const { signal } = checkpointContext();
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  );
  const lost = flow("waits_lost", async () => {
    const winner = await Promise.race([endless(), step(1)]);
    return [winner, await again({ metadata: { winner } }), await other(1)];
  });
  await stack.run(lost, undefined, { id: "source", answers: yes });
  const same = lost.replay("source");
  expect(await stack.finish(same)).toEqual([2, true, 10]);
  expect(await stack.finish(lost.replay(same.id))).toEqual([2, true, 10]);
  const changed = lost.replay("source", { with: [step.as(3)] });
  expect(await stack.asks(changed.id)).toEqual(["waits_again:0"]);
});
