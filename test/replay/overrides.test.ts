import { expect, test } from "vitest";
import { z } from "zod";
import { type Override, checkpoint, flow, llm, load, save, sleep, wait } from "kitaru";
import { replayStack } from "./kit.ts";

const twice = checkpoint("over_twice", (x: number) => x * 2);
const thrice = checkpoint("over_thrice", (x: number) => x * 3);
const add = checkpoint("over_add", (a: number, b: number) => a + b);
const child = flow("over_child", async (x: number) => twice(x));
const approve = wait("over_approve", { schema: z.boolean() });
const gate = wait("over_gate");

const sums = flow("over_sums", async ({ x }: { x: number }) => {
  const a = await twice(x);
  const b = await twice(x + 1);
  return add(a, b);
});

test("for one call or for all of a name; one call beats its name", async () => {
  const stack = await replayStack();
  expect(await stack.run(sums, { x: 1 }, { id: "source" })).toBe(6);
  const results = async (...overrides: Override[][]): Promise<number[]> =>
    Promise.all(overrides.map((one) => stack.finish(sums.replay("source", { with: one }))));
  expect(
    await results(
      [twice.as(10)],
      [twice.at(1).as(10)],
      [twice.as(10), twice.at(0).as(1)],
      [twice.withInput(5)],
      [twice.at(0).withInput(5)],
      [add.as(0)],
    ),
  ).toEqual([20, 12, 11, 20, 14, 0]);
});

test("with other input the call runs, also where that is what it had", async () => {
  const stack = await replayStack();
  await stack.run(sums, { x: 1 }, { id: "source" });
  const handle = sums.replay("source", { with: [twice.at(0).withInput(1)] });
  expect(await stack.finish(handle)).toBe(6);
  expect(stack.ran(handle.id)).toEqual(["over_twice:0"]);
  const { replay } = await stack.client.executions.get(handle.id);
  expect(replay?.overrides).toEqual([
    { target: "over_twice:0", field: "input", calls: ["over_twice:0"] },
  ]);
});

test("the function of another checkpoint runs, with other input too", async () => {
  const stack = await replayStack();
  await stack.run(sums, { x: 1 }, { id: "source" });
  const handle = sums.replay("source", { with: [twice.withCode(thrice)] });
  expect(await stack.finish(handle)).toBe(9);
  expect(stack.ran(handle.id)).toEqual(["over_twice:0", "over_twice:1", "over_add:0"]);
  const one = sums.replay("source", {
    with: [twice.at(1).withCode(thrice), twice.at(1).withInput(7)],
  });
  expect(await stack.finish(one)).toBe(23);
  // a process that has both goes on with it after a crash
  const gated = flow("over_gated", async () => [await gate(), await twice(1)]);
  await stack.run(gated, undefined, { id: "gated", answers: { over_gate: undefined } });
  const crashed = gated.replay("gated", { from: gate, with: [twice.withCode(thrice)] });
  await stack.asks(crashed.id);
  await stack.crash();
  await gate.answer(crashed.id);
  expect(await stack.finish(crashed)).toEqual([undefined, 3]);
});

test("in a checkpoint of its own process: other code, other input, and what its model calls had", async () => {
  const stack = await replayStack();
  const apart = checkpoint("over_apart", { runtime: "isolated" }, async (x: number) => {
    const text = await llm("say one. say two.", { model: "offline/extract" });
    return `${x} ${text}`;
  });
  const other = checkpoint("over_other", async (x: number) => {
    const text = await llm("say one. say two.", { model: "offline/extract" });
    return `other ${x} ${text}`;
  });
  const isolating = flow("over_isolating", async ({ x }: { x: number }) => apart(x));
  const said = await stack.run(isolating, { x: 1 }, { id: "source" });
  const text = said.slice(2);
  const usage = async (id: string) =>
    (await stack.client.executions.get(id)).usage.incurred.totalTokens;
  expect(await usage("source")).toBeGreaterThan(0);
  const coded = isolating.replay("source", { with: [apart.withCode(other)] });
  expect(await stack.finish(coded)).toBe(`other 1 ${text}`);
  const changed = isolating.replay("source", { input: { x: 2 } });
  expect(await stack.finish(changed)).toBe(`2 ${text}`);
  const given = isolating.replay("source", { with: [llm.as("llm", "given")] });
  expect(await stack.finish(given)).toBe("1 given");
  for (const { id } of [coded, changed, given]) expect(await usage(id)).toBe(0);
  const from = isolating.replay("source", { from: apart });
  expect(await stack.finish(from)).toBe(`1 ${text}`);
  expect(await usage(from.id)).toBeGreaterThan(0);
});

test("child flows: another result, other input, one of several", async () => {
  const stack = await replayStack();
  const parent = flow("over_parent", async ({ x }: { x: number }) => {
    const a = await child.call(x);
    return [a, await child.call(x)];
  });
  await stack.run(parent, { x: 1 }, { id: "source" });
  expect(await stack.finish(parent.replay("source", { with: [child.as(5)] }))).toEqual([5, 5]);
  expect(await stack.finish(parent.replay("source", { with: [child.at(1).as(5)] }))).toEqual([
    2, 5,
  ]);
  const inner = parent.replay("source", { with: [child.at(0).withInput(4)] });
  expect(await stack.finish(inner)).toEqual([8, 2]);
  expect(stack.ran(`${inner.id}/over_child:0`)).toEqual(["over_twice:0"]);
  const { calls } = await stack.client.executions.get(inner.id);
  expect(calls.map((call) => call.disposition)).toEqual(["executed", "reused"]);
});

test("what is to be skipped is taken over also after `from` and with other input", async () => {
  const stack = await replayStack();
  await stack.run(sums, { x: 1 }, { id: "source" });
  const handle = sums.replay("source", {
    from: twice.at(0).selector,
    skip: [add],
    with: [twice.at(1).as(100)],
  });
  expect(await stack.finish(handle)).toBe(6);
  expect(await stack.dispositions(handle.id)).toEqual({
    "over_twice:0": "executed",
    "over_twice:1": "overridden",
    "over_add:0": "reused",
  });
  const { calls, replay } = await stack.client.executions.get(handle.id);
  expect(replay?.skip).toEqual(["checkpoint.over_add"]);
  expect(calls).toHaveLength(3);
  const more = flow("over_more", async ({ count }: { count: number }) => {
    const items = Array.from({ length: count }, (_, n) => n);
    return twice.map(items);
  });
  await stack.run(more, { count: 1 }, { id: "more" });
  const missing = more.replay("more", { input: { count: 2 }, skip: ["over_twice"] });
  await expect(stack.finish(missing)).rejects.toThrow(
    "over_twice:1 is to be skipped in this replay, and more has no outcome of it to use instead. Leave it out of `skip`, or give its outcome with an override.",
  );
});

test("artifacts, and what was loaded, come along with what is taken over", async () => {
  const stack = await replayStack();
  const saving = checkpoint("over_saving", (x: number) => {
    save("notes", { x });
    return x;
  });
  const loading = checkpoint("over_loading", async ({ id }: { id: string; n: number }) =>
    load(id, "notes"),
  );
  const kept = flow("over_kept", async ({ id, n }: { id: string; n: number }) => {
    await saving(1);
    return loading({ id, n });
  });
  await stack.run(kept, { id: "source", n: 1 }, { id: "source" });
  const handle = kept.replay("source");
  expect(await stack.finish(handle)).toEqual({ x: 1 });
  expect(stack.ran(handle.id)).toEqual([]);
  const { artifacts } = await stack.client.executions.get(handle.id);
  expect(artifacts.map((one) => one.id)).toEqual([`${handle.id}/over_saving:0/notes`]);
  const self = kept.replay("source", { input: { id: handle.id, n: 2 } });
  expect(await stack.finish(self)).toEqual({ x: 1 });
});

test("an override nothing asked for is reported once the replay has ended", async () => {
  const stack = await replayStack();
  const asking = flow("over_asking", async () => [await approve(), await twice(1)]);
  await stack.run(asking, undefined, { id: "source", answers: { over_approve: true } });
  const handle = asking.replay("source", {
    from: approve,
    with: [twice.at(7).as(1), thrice.as(2), twice.as(3)],
  });
  await stack.asks(handle.id);
  expect(await stack.client.executions.get(handle.id)).not.toHaveProperty("unusedOverrides");
  await approve.answer(handle.id, false);
  expect(await stack.finish(handle)).toEqual([false, 3]);
  expect((await stack.client.executions.get(handle.id)).unusedOverrides).toEqual([
    "over_twice:7",
    "checkpoint.over_thrice",
  ]);
});

test("values of every kind and size, as they were given", async () => {
  const stack = await replayStack();
  const made = checkpoint(
    "over_made",
    (): { at: Date; large: string; map: Map<string, number> } => ({
      at: new Date(0),
      large: "",
      map: new Map(),
    }),
  );
  const passing = flow("over_passing", async () => made());
  await stack.run(passing, undefined, { id: "source" });
  const value = { at: new Date(5), large: "x".repeat(200_000), map: new Map([["a", 1]]) };
  const handle = passing.replay("source", { with: [made.as(value)] });
  value.map.set("b", 2); // after it was given
  expect(await stack.finish(handle)).toEqual({ ...value, map: new Map([["a", 1]]) });
  const { input } = await stack.client.executions.get(handle.id);
  expect(input).toBeUndefined();
});

test("the caller's replay() never throws; what is wrong rejects the handle", async () => {
  const stack = await replayStack();
  const handle = sums.replay("nobody");
  await expect(handle.started).rejects.toThrow('There is no execution "nobody" on this stack.');
  await expect(handle.result()).rejects.toThrow("nobody");
  await stack.run(sums, { x: 1 }, { id: "source" });
  const [one, two] = sums.replay(["source", "nobody"], { with: [twice.as(1)] });
  expect(await stack.finish(one ?? handle)).toBe(2);
  await expect((two ?? handle).started).rejects.toThrow("nobody");
  await expect(child.replay("source").started).rejects.toThrow(
    'Execution source is one of flow "over_sums", so flow "over_child" cannot replay it.',
  );
});

test("with an id a replay is made once; another replay of that id is refused", async () => {
  const stack = await replayStack();
  await stack.run(sums, { x: 1 }, { id: "source" });
  expect(await stack.finish(sums.replay("source", { id: "r", with: [twice.as(1)] }))).toBe(2);
  expect(await stack.finish(sums.replay("source", { id: "r", with: [twice.as(1)] }))).toBe(2);
  await expect(sums.replay("source", { id: "r", with: [twice.as(5)] }).started).rejects.toThrow(
    "Execution r exists already",
  );
  await expect(sums.run({ x: 1 }, { id: "r" }).started).rejects.toThrow(
    "Execution r exists already",
  );
});

test("a sleep has no value, and a replay of many waits only as it is told", async () => {
  const stack = await replayStack();
  const sleepy = flow("over_sleepy", async () => {
    await sleep("1h");
    return twice(1);
  });
  await stack.run(sleepy, undefined, { id: "source" });
  const { executions } = stack.client;
  await expect(executions.replay("source", { overrides: { "sleep:0": 3 } })).rejects.toThrow(
    "sleep:0 is a sleep, which has no value: override it with null.",
  );
  const done = await executions.replay(["source", "nope", "source"], {
    overrides: { "sleep.sleep": null },
    wait: true,
  });
  expect(done.summary).toEqual({ submitted: 3, started: 2, completed: 2, failed: 1 });
  expect(done.failures).toMatchObject([{ source: "nope", error: { code: "not_found" } }]);
  await expect(executions.replay(["nope"], { onError: "fail" })).rejects.toThrow("nope");
  await expect(executions.replay(["source"], { onError: "skip" as never })).rejects.toThrow(
    'replay(): onError is "collect" or "fail", not "skip".',
  );
});
