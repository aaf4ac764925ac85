import { sequence } from "../flows.ts";
import { median, shareOfRaw, timed } from "../measure.ts";
import { type Row, shareOf } from "../row.ts";
import { recordedStack, useStacks } from "../stacks.ts";
import { type Params, type Workload, commitsOf, compare, sizeOf } from "../workload.ts";

const steps = 1000;
const manySteps = 5000;

/** One flow of sequential trivial checkpoints. */
export const w1: Workload = { run };

async function run(params: Params): Promise<readonly Row[]> {
  const { durability, isQuick } = params;
  const { record } = useStacks(params);
  const recording = await record(async ({ mark }) => {
    await sequence.run(1, { stack: recordedStack }).result(); // the first of a flow writes its name, too
    mark();
    await sequence.run(steps, { stack: recordedStack }).result();
  });
  const once = (count: number): Promise<number> => timed(() => sequence.run(count).result());
  const times = isQuick ? { warmUps: 2, times: 3 } : { warmUps: 5, times: 15 };
  const few = await compare(params, recording, () => once(steps), times);
  const commits = commitsOf(recording).length;
  const share = (few.share * steps) / commits;
  const row: Row = {
    workload: "W1",
    what: `one flow of ${steps.toLocaleString("en-US")} sequential checkpoints`,
    durability,
    unit: "/s",
    ours: (steps / few.ms) * 1000,
    raw: (commits / few.rawMs) * 1000,
    share,
    target: shareOf(share, durability === "normal" ? 0.5 : 0.75),
    note: sizeOf(recording),
  };
  return isQuick && durability === "full" ? [row] : [row, await growth(params, once)];
}

async function growth(
  { durability, isQuick }: Params,
  once: (count: number) => Promise<number>,
): Promise<Row> {
  const { rate, share } = await longerFlow(once, isQuick ? 1 : 5);
  return {
    workload: "W1",
    what: `the same with ${manySteps.toLocaleString("en-US")}`,
    durability,
    unit: "/s",
    ours: rate,
    target: { text: "as fast as with 1,000 (± 10 %)", ok: share >= 0.9 },
    note: `${Math.round(share * 100)} % of its speed`,
  };
}

/** Rate of a long flow, and its share of the rate of as many steps in short flows right before and after. */
async function longerFlow(
  once: (count: number) => Promise<number>,
  times: number,
): Promise<{ readonly rate: number; readonly share: number }> {
  const ours: number[] = [];
  const raw: number[] = [];
  for (let round = 0; round < times; round += 1) {
    const short = [await once(steps), await once(steps)];
    ours.push(await once(manySteps));
    short.push(await once(steps), await once(steps));
    raw.push((median(short) * manySteps) / steps);
  }
  return { rate: (manySteps / median(ours)) * 1000, share: shareOfRaw({ ours, raw }) };
}
