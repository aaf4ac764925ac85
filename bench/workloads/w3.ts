import { parallel } from "../flows.ts";
import { timed } from "../measure.ts";
import { type Row, bound } from "../row.ts";
import { recordedStack, useStacks } from "../stacks.ts";
import { type Params, type Workload, compare, sizeOf } from "../workload.ts";

const steps = 1000;

/** One flow of parallel checkpoints. */
export const w3: Workload = { run };

async function run(params: Params): Promise<readonly Row[]> {
  const { durability, isQuick } = params;
  const { record } = useStacks(params);
  const recording = await record(async ({ mark }) => {
    await parallel.run(1, { stack: recordedStack }).result(); // the first of a flow writes its name, too
    mark();
    await parallel.run(steps, { stack: recordedStack }).result();
  });
  const times = isQuick ? { warmUps: 5, times: 7 } : { warmUps: 10, times: 25 };
  const { ms, rawMs, share } = await compare(
    params,
    recording,
    () => timed(() => parallel.run(steps).result()),
    times,
  );
  return [
    {
      workload: "W3",
      what: `one flow of ${steps.toLocaleString("en-US")} parallel checkpoints`,
      durability,
      unit: "ms",
      ours: ms,
      raw: rawMs,
      share,
      target: bound(ms, "ms", 40),
      note: sizeOf(recording),
    },
  ];
}
