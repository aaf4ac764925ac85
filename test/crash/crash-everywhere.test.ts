import { expect, test } from "vitest";
import { z } from "zod";
import {
  KitaruExecutionError,
  checkpoint,
  checkpointContext,
  flow,
  sleep,
  uuid,
  wait,
} from "../../core/index.ts";
import { crashEverywhere } from "../../testing/crash-everywhere.ts";

const add = checkpoint("ce_add", (a: number, b: number) => a + b);
const big = checkpoint("ce_big", (x: number) => ({ x, text: "é".repeat(500) }));
const slow = checkpoint("ce_slow", async (x: number) => {
  await new Promise((resolve) => setImmediate(resolve));
  return x * x;
});
const approve = wait("ce_approve", { schema: z.boolean() });
const expiring = wait("ce_expiring", { schema: z.string(), timeout: "2h" });
const small = { capabilities: { segmentBytes: 400, inlineBytes: 100 }, records: { pageSize: 2 } };

const everything = flow("ce_everything", async (x: number) => {
  const id = uuid();
  const one = await add(x, 1);
  const [two, three] = await Promise.all([slow(one), big(one)]);
  const go = await approve({ metadata: { two } });
  await sleep("2 days");
  const squares = await slow.map([1, 2, 3, 4], { concurrency: 2 });
  const nobody = await expiring();
  return { id, go, nobody, text: three.text.length, sum: squares.reduce((a, b) => a + b, two) };
});

test("checkpoints, waits, sleeps, map and blobs", async () => {
  const options = { answers: { ce_approve: true }, stack: small };
  const report = await crashEverywhere(everything, 2, options);
  expect(report.writes).toBeGreaterThan(15);
  expect(report).toEqual({ writes: report.writes, runs: report.writes * 4, interrupted: 0 });
});

const failing = checkpoint("ce_failing", (x: number): number => {
  throw new RangeError(`bad ${x}`);
});
const flaky = checkpoint("ce_flaky", { retries: { attempts: 1, initialDelay: "20s" } }, () => {
  if (checkpointContext().attempt === 1) throw new Error("not yet");
  return "ok";
});
const caught = flow("ce_caught", async (x: number) => {
  try {
    return await failing(x);
  } catch (error) {
    return [(error as Error).message, await add(x, x)];
  }
});
const uncaught = flow("ce_uncaught", async (x: number) => failing(x));

test("failures, caught and not", async () => {
  await crashEverywhere(caught, 3);
  await crashEverywhere(uncaught, 3);
});

const pay = checkpoint("ce_pay", { semantics: "at-most-once" }, (x: number) => x);
const paying = flow("ce_paying", async (x: number) => {
  const paid = await pay(x).catch((error: Error) => error.name);
  return add(typeof paid === "number" ? paid : -1, 1);
});

test("an at-most-once call runs once, or is reported as interrupted", async () => {
  const report = await crashEverywhere(paying, 3);
  expect(report.interrupted).toBeGreaterThan(0);
});

const elsewhere = checkpoint("ce_elsewhere", { runtime: "isolated" }, (x: number) => x * 3);
const inner = flow("ce_inner", async (x: number) => {
  await sleep("1h");
  return (await approve()) ? elsewhere(x) : 0;
});
const outer = flow("ce_outer", async (x: number) => [
  await inner.call(x),
  await Promise.all([inner.call(x + 1), elsewhere(x)]),
]);

test("child flows and isolated checkpoints", async () => {
  const report = await crashEverywhere(outer, 1, { answers: { ce_approve: true } });
  expect(report.writes).toBeGreaterThan(20);
});

const resting = flow("ce_resting", async () => {
  await add(1, 1);
  await sleep("1h");
});
const broken = flow("ce_broken", async (x: number) => failing(x));
const abandoning = flow("ce_abandoning", async () =>
  Promise.all([resting.call(undefined), broken.call(1)]),
);

test("a child flow that its parent has no more use for comes to its end, however late", async () => {
  await crashEverywhere(abandoning, undefined, { ignore: ["ce_add"], replay: {} });
});

const loop = flow("ce_loop", async (x: number) => {
  let text = String(x);
  while (!(await approve({ question: text }))) text = String(await add(Number(text), 1));
  return text;
});

test("a loop whose wait repeats, answered by call id", async () => {
  const answers = { "ce_approve:0": false, "ce_approve:1": false, "ce_approve:2": true };
  await crashEverywhere(loop, 1, { answers });
});

test("a delayed retry", async () => {
  const retrying = flow("ce_retrying", async () => flaky());
  await crashEverywhere(retrying, undefined);
});

let draws = 0;
const drawing = checkpoint("ce_drawing", () => ({ a: { b: { c: { d: { e: (draws += 1) } } } } }));

test("a recorded outcome that differs is shown down to the difference", async () => {
  const deep = flow("ce_deep", async () => void (await drawing()));
  await expect(crashEverywhere(deep, undefined, { write: 1, modes: ["before"] })).rejects.toThrow(
    /outcome of crash ce_drawing:0 is [^]*e: 2[^]* instead of [^]*e: 1/,
  );
});

let calls = 0;
const impure = flow("ce_impure", async (x: number) => {
  calls += 1;
  return (await add(x, 1)) + (calls > 1 ? 1 : 0);
});

test("a flow that does not come to the same end is reported, with the write", async () => {
  const failure = crashEverywhere(impure, 1).catch((error: unknown) => error);
  expect(await failure).toBeInstanceOf(KitaruExecutionError);
  expect(String(await failure)).toMatch(
    /Flow "ce_impure" with the process killed just before write 1 \(put .*\): it ended with \{ value: 3 \} instead of \{ value: 2 \}\. To run only this: crashEverywhere\(…, \{ write: 1, modes: \["before"\] \}\)/,
  );
});
