import { join } from "node:path";
import { sequence } from "../flows.ts";
import { inTurns, median, quantile, shareOfRaw, timed } from "../measure.ts";
import { RawStore } from "../raw.ts";
import { type Row, bound } from "../row.ts";
import { recordedStack, useStacks } from "../stacks.ts";
import { type Params, type Workload, sizeOf } from "../workload.ts";

/** From the start to the result of a flow of one checkpoint. */
export const w6: Workload = { run };

async function run(params: Params): Promise<readonly Row[]> {
  const { durability, isQuick } = params;
  const { record } = useStacks(params);
  const once = (stack?: string): Promise<number> =>
    sequence.run(1, stack === undefined ? {} : { stack }).result();
  const recording = await record(async ({ mark }) => {
    await once(recordedStack); // the first of a flow writes its name, too
    mark();
    await once(recordedStack);
  });
  const raw = new RawStore(join(params.folder, "raw"), recording);
  const pairs = await inTurns(
    () => timed(() => once()),
    () => raw.replay().at(-1) ?? 0,
    isQuick ? { warmUps: 300, times: 200 } : { warmUps: 1000, times: 1500 },
  );
  raw.close();
  const p50 = median(pairs.ours);
  return [
    {
      workload: "W6",
      what: "start → result of one checkpoint, p50",
      durability,
      unit: "ms",
      ours: p50,
      raw: median(pairs.raw),
      share: shareOfRaw(pairs),
      target: bound(p50, "ms", durability === "normal" ? 0.3 : 1.2),
      note: sizeOf(recording),
    },
    {
      workload: "W6",
      what: "start → result of one checkpoint, p99",
      durability,
      unit: "ms",
      ours: quantile(pairs.ours, 0.99),
      raw: quantile(pairs.raw, 0.99),
    },
  ];
}
