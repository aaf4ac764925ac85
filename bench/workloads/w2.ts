import { sequence } from "../flows.ts";
import { timed } from "../measure.ts";
import { type Row, bound } from "../row.ts";
import { measuredStack, recordedStack, useStacks } from "../stacks.ts";
import { type Params, type Workload, compare, sizeOf } from "../workload.ts";

const flows = 200;
const steps = 10;

/** Many flows in flight. */
export const w2: Workload = { run };

async function run(params: Params): Promise<readonly Row[]> {
  const { durability, isQuick } = params;
  const { record } = useStacks(params);
  const recording = await record(async ({ mark }) => {
    await all(recordedStack); // the first of a flow writes its name, too
    mark();
    await all(recordedStack);
  });
  const times = isQuick ? { warmUps: 1, times: 3 } : { warmUps: 6, times: 15 };
  const { ms, rawMs, share } = await compare(
    params,
    recording,
    () => timed(() => all(measuredStack)),
    times,
  );
  const rate = (flows / ms) * 1000;
  return [
    {
      workload: "W2",
      what: `${flows} flows of ${steps}, all in flight`,
      durability,
      unit: "/s",
      ours: rate,
      raw: (flows / rawMs) * 1000,
      share,
      target: bound(rate, "/s", durability === "normal" ? 2000 : 1000),
      note: sizeOf(recording),
    },
  ];
}

async function all(stack: string): Promise<void> {
  const handles = Array.from({ length: flows }, () => sequence.run(steps, { stack }));
  await Promise.all(handles.map((handle) => handle.result()));
}
