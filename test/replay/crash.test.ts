import { expect, test } from "vitest";
import { z } from "zod";
import { checkpoint, flow, llm, now, save, sleep, uuid, wait } from "kitaru";
import { crashEverywhere } from "kitaru/testing";

const step = checkpoint("crash_step", (x: number) => x + 1);
const slow = checkpoint("crash_slow", async (x: number) => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  save("notes", x);
  return { x, filler: "y".repeat(500) };
});
const once = checkpoint("crash_once", { semantics: "at-most-once" }, (x: number) => x * 2);
const apart = checkpoint("crash_apart", { runtime: "isolated", retries: 3 }, async (x: number) => {
  const text = await llm("say one. say two.", { model: "offline/extract" });
  return `${x} ${text}`;
});
const thinking = checkpoint("crash_thinking", async (x: number) => {
  const same = await llm("the same.", { model: "offline/extract", name: "same" });
  const other = await llm(`other ${x}.`, { model: "offline/extract", name: "other" });
  return `${same} ${other}`;
});
const refuse = checkpoint("crash_refuse", (x: number): number => {
  throw new RangeError(`refused ${x}`);
});
const approve = wait("crash_approve", { schema: z.boolean() });
const choose = wait("crash_choose", { schema: z.number(), timeout: "1h" });
const child = flow("crash_child", async (x: number) => {
  const one = await step(x);
  return [one, await approve(), await slow(7)];
});

const everything = flow("crash_everything", async ({ x }: { x: number }) => {
  const [a, b] = await Promise.all([step(1), slow(x)]);
  const caught = await refuse(a).catch((error: Error) => error.message);
  await sleep("1h");
  const winner = await Promise.race([sleep("2h").then(() => "late"), approve().then(String)]);
  const all = await step.map([1, 2, b.x]);
  const made = [uuid(), now() > 0];
  const inner = await child.call(x);
  const expired = await choose();
  return [
    a,
    b.x,
    caught,
    winner,
    all,
    made.length,
    inner,
    expired,
    await once(a),
    await thinking(x),
  ];
});
const answers = { crash_approve: true };

test("a replay with nothing changed", { timeout: 60_000 }, async () => {
  const report = await crashEverywhere(everything, { x: 1 }, { answers, replay: {} });
  expect(report.writes).toBeLessThan(8);
});

test("a replay with a late call overridden", { timeout: 60_000 }, async () => {
  await crashEverywhere(everything, { x: 1 }, { answers, replay: { with: [once.as(9)] } });
});

test("a replay whose input changes much of it", { timeout: 120_000 }, async () => {
  const report = await crashEverywhere(
    everything,
    { x: 1 },
    { answers, replay: { input: { x: 2 } } },
  );
  expect(report.interrupted).toBe(0); // the at-most-once call is taken over
});

test("a replay from the middle on, in small segments", { timeout: 120_000 }, async () => {
  await crashEverywhere(
    everything,
    { x: 1 },
    {
      answers,
      replay: { from: "crash_approve" },
      stack: { capabilities: { segmentBytes: 300, inlineBytes: 50 } },
    },
  );
});

test("isolated checkpoints, and code of another one", { timeout: 60_000 }, async () => {
  const twice = checkpoint("crash_twice", async (x: number) => {
    const text = await llm("say one. say two.", { model: "offline/extract" });
    return `twice ${x * 2} ${text}`;
  });
  const isolating = flow("crash_isolating", async () => [await apart(1), await apart(2)]);
  await crashEverywhere(isolating, undefined, { replay: { with: [apart.at(1).withCode(twice)] } });
});

test("a source that failed", { timeout: 60_000 }, async () => {
  const failing = flow("crash_failing", { retries: 1 }, async ({ x }: { x: number }) => {
    const a = await step(1);
    try {
      return await refuse(x);
    } catch (error) {
      await step(a);
      throw error;
    } finally {
      await step(x);
    }
  });
  await crashEverywhere(failing, { x: 1 }, { replay: {} });
  await crashEverywhere(failing, { x: 1 }, { replay: { with: [step.at(0).as(5)] } });
});
