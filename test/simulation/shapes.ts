import { z } from "zod";
import { checkpoint, checkpointContext, flow, sleep, wait } from "../../core/index.ts";
import { overridable } from "../../core/primitives/replay-target.ts";
import { type Shape, workFor } from "../../testing/simulate.ts";
import type { Settled } from "../../testing/verdict.ts";

const quick = checkpoint("sim_quick", (x: number) => x + 1);
const slow = checkpoint("sim_slow", async (x: number) => {
  await workFor(7000);
  return { x: x * 2, filler: "é".repeat(20) };
});
const slower = checkpoint("sim_slower", async (x: number) => {
  await workFor(20_000);
  return x * 3;
});
const failing = checkpoint("sim_failing", async (x: number): Promise<number> => {
  await workFor(100);
  throw new RangeError(`bad ${x}`);
});
const flaky = checkpoint(
  "sim_flaky",
  { retries: { attempts: 3, initialDelay: "4s", jitter: false } },
  async (x: number) => {
    await workFor(50);
    if (checkpointContext().attempt < 3) throw new Error("not yet");
    return x + 100;
  },
);
const patient = checkpoint(
  "sim_patient",
  { retries: { attempts: 2, initialDelay: "20s", jitter: false } },
  (x: number) => {
    if (checkpointContext().attempt < 2) throw new Error("not yet");
    return x + 200;
  },
);
const once = checkpoint("sim_once", { semantics: "at-most-once" }, async (x: number) => {
  await workFor(500);
  return x + 1000;
});
const elsewhere = checkpoint(
  "sim_elsewhere",
  { runtime: "isolated", timeout: "1m", retries: { attempts: 5, initialDelay: "1s" } },
  async (x: number) => {
    await workFor(3000);
    return x * 5;
  },
);
const brittle = checkpoint("sim_brittle", async (x: number) => {
  await workFor(10);
  brittleRuns += 1;
  if (brittleRuns % 2 === 1) throw new Error("broken");
  return x;
});
let brittleRuns = 0;
const approve = wait("sim_approve", { schema: z.boolean() });
const choose = wait("sim_choose", { schema: z.number(), timeout: "30s" });
const gate = wait("sim_gate");

flow("sim_sequential", async (x: number) => {
  const one = await quick(x);
  const two = await slow(one);
  return (await quick(two.x)) + (await quick(one));
});

flow("sim_steps", async (count: number) => {
  let x = 0;
  for (let n = 0; n < count; n++) x = n % 4 === 3 ? (await slow(x)).x : await quick(x);
  return x;
});

flow("sim_parallel", async (x: number) => {
  const first = await Promise.race([slow(x).then(() => "slow"), quick(x).then(() => "quick")]);
  const all = await Promise.all([slower(x), quick(x), slow(x)]);
  return [first, all[0], all[1], all[2].x];
});

flow("sim_loop", async (x: number) => {
  let n = x;
  for (; !(await approve());) n = await quick(n);
  return n;
});

flow("sim_expiry", async (x: number) => {
  const [chosen, made] = await Promise.all([choose(), quick(x)]);
  if (chosen === undefined) return `nobody ${made}`;
  return chosen + made + (await quick(chosen));
});

flow("sim_caught", async (x: number) => {
  try {
    return await failing(x);
  } catch (error) {
    return `${(error as Error).message}, ${await quick(x)}`;
  }
});

flow("sim_flaky_flow", async (x: number) => [await patient(x), await flaky(x), await quick(x)]);

flow("sim_map", async (count: number) => {
  const items = Array.from({ length: count }, (_, index) => index);
  const slows = await slow.map(items, { concurrency: 2 });
  const settled = await failing.map(items, { settle: true });
  return [slows.map((item) => item.x), settled.map(({ status }) => status)];
});

const child = flow("sim_child", async (x: number) => {
  const one = await slow(x);
  return (await approve()) ? one.x : -one.x;
});
flow("sim_parent", async (x: number) => {
  await gate();
  const [one, two] = await Promise.all([child.call(x), child.call(x + 1)]);
  return [one, two, await quick(x)];
});

flow("sim_orphaning", async (x: number) => {
  const [one, two] = await Promise.all([child.call(x), quick(x).then(brittle)]);
  return [one, two];
});

flow("sim_sleep", async (x: number) => {
  const one = await quick(x);
  await Promise.all([sleep("20s"), sleep("90s"), slow(one)]);
  const early = await Promise.race([sleep("5s").then(() => "slept"), approve().then(String)]);
  return [one, early];
});

flow("sim_once_flow", async (x: number) => {
  const paid = await once(x).catch((error: Error) => error.message);
  return [typeof paid === "number" ? paid : "interrupted", await quick(x)];
});

flow("sim_isolated", async (x: number) => {
  const both = await Promise.all([elsewhere(x), elsewhere(x + 1), slow(x)]);
  return [both[0], both[1], both[2].x];
});

flow("sim_retried", async (x: number) => {
  const one = await slow(x);
  const two = await brittle(x);
  return (await approve()) ? one.x + two : 0;
});

const always =
  (value: unknown): Shape["expected"] =>
  () => [{ value }];

/** Every way a flow is put together, and what it must come to under any schedule. */
export const shapes: Readonly<Record<string, Shape>> = {
  sequential: { flow: "sim_sequential", input: 1, expected: always(8) },
  steps: { flow: "sim_steps", input: 8, expected: always(18) },
  parallel: {
    flow: "sim_parallel",
    input: 1,
    expected: () => ["slow", "quick"].map((first) => ({ value: [first, 3, 2, 2] })),
  },
  loop: {
    flow: "sim_loop",
    input: 0,
    answers: { sim_approve: [false, true] },
    expected: (recorded) => {
      let n = 0;
      while (valueOf(recorded(`sim_approve:${n}`)) === false) n += 1;
      return [{ value: n }];
    },
  },
  expiry: {
    flow: "sim_expiry",
    input: 1,
    answers: { sim_choose: [7, 8] },
    expected: (recorded) => {
      const chosen = valueOf(recorded("sim_choose:0"));
      return [{ value: typeof chosen === "number" ? 2 * chosen + 3 : "nobody 2" }];
    },
  },
  caught: { flow: "sim_caught", input: 1, expected: always("bad 1, 2") },
  flaky: { flow: "sim_flaky_flow", input: 1, expected: always([201, 101, 2]) },
  map: {
    flow: "sim_map",
    input: 3,
    expected: always([
      [0, 2, 4],
      ["rejected", "rejected", "rejected"],
    ]),
  },
  child: {
    flow: "sim_parent",
    input: 1,
    answers: { sim_gate: [undefined], sim_approve: [true] },
    expected: always([2, 4, 2]),
  },
  orphaning: {
    flow: "sim_orphaning",
    input: 1,
    answers: { sim_approve: [true] },
    retries: 4,
    begin: () => (brittleRuns = 0),
    expected: () => [{ value: [2, 2] }, { error: "broken" }],
  },
  sleep: {
    flow: "sim_sleep",
    input: 1,
    answers: { sim_approve: [false, true] },
    expected: (recorded) => {
      const approved = recorded("sim_approve:0");
      const results: Settled[] = [{ value: [2, "slept"] }];
      return approved === undefined
        ? results
        : [...results, { value: [2, String(valueOf(approved))] }];
    },
  },
  once: {
    flow: "sim_once_flow",
    input: 1,
    expected: (recorded) => {
      const paid = valueOf(recorded("sim_once:0"));
      return [{ value: [paid ?? "interrupted", 2] }];
    },
  },
  isolated: { flow: "sim_isolated", input: 1, expected: always([5, 10, 2]) },
  retried: {
    flow: "sim_retried",
    input: 1,
    answers: { sim_approve: [true] },
    retries: 4,
    begin: () => (brittleRuns = 0),
    expected: () => [{ value: 3 }, { error: "broken" }],
  },
};

/** Replays of what some of them have recorded. */
export const replays: Readonly<Record<string, Shape>> = {
  replayInput: { flow: "sim_sequential", input: 1, replay: { input: 2 }, expected: always(11) },
  replaySteps: {
    flow: "sim_steps",
    input: 8,
    replay: { overrides: [overridable("sim_quick:3").as(100)] },
    expected: always(204),
  },
  replayRace: {
    flow: "sim_parallel",
    input: 1,
    replay: { overrides: [overridable("checkpoint.sim_slower").as(30)] },
    expected: always(["quick", 30, 2, 2]),
  },
  replayLoop: {
    flow: "sim_loop",
    input: 0,
    answers: { sim_approve: [false, false, true] },
    replay: { from: "sim_quick:1" },
    expected: (recorded) => {
      let n = 0;
      while (valueOf(recorded(`sim_approve:${n}`)) === false) n += 1;
      return [{ value: n }];
    },
  },
  replayMap: {
    flow: "sim_map",
    input: 3,
    replay: { overrides: [overridable("sim_slow:1").withInput(7)] },
    expected: always([
      [0, 14, 4],
      ["rejected", "rejected", "rejected"],
    ]),
  },
  replayChild: {
    flow: "sim_parent",
    input: 1,
    answers: { sim_gate: [undefined], sim_approve: [true] },
    replay: { input: 2 },
    expected: always([4, 6, 3]),
  },
  replaySleep: {
    flow: "sim_sleep",
    input: 1,
    answers: { sim_approve: [false, true] },
    replay: { from: "sim_slow" },
    expected: (recorded) => {
      const approved = recorded("sim_approve:0");
      const results: Settled[] = [{ value: [2, "slept"] }];
      return approved === undefined
        ? results
        : [...results, { value: [2, String(valueOf(approved))] }];
    },
  },
  replayIsolated: {
    flow: "sim_isolated",
    input: 1,
    replay: { overrides: [overridable("sim_elsewhere:0").withInput(9)] },
    expected: always([45, 10, 2]),
  },
  replayFailed: {
    flow: "sim_retried",
    input: 1,
    answers: { sim_approve: [true] },
    retries: 4,
    begin: () => (brittleRuns = 0),
    replay: { skip: ["sim_slow"] },
    expected: () => [{ value: 3 }, { error: "broken" }],
  },
};

function valueOf(settled: Settled | undefined): unknown {
  return settled !== undefined && "value" in settled ? settled.value : undefined;
}
