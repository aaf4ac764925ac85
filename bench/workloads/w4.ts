import type { FlowHandle } from "kitaru";
import { approve, gated } from "../flows.ts";
import { type Pairs, inTurns, median, pause, quantile, shareOfRaw, timed } from "../measure.ts";
import { RawStore } from "../raw.ts";
import type { Recording } from "../recording.ts";
import { type Row, bound } from "../row.ts";
import { measuredStack, recordedStack, useStacks } from "../stacks.ts";
import { parked, settleMs } from "../parked.ts";
import type { Params, Workload } from "../workload.ts";
import { join } from "node:path";
import { acrossProcesses } from "../across-processes.ts";

/** From the answer to the result of the flow that awaited it. */
export const w4: Workload = { run };

async function run(params: Params): Promise<readonly Row[]> {
  const { durability, isQuick } = params;
  const { record } = useStacks(params);
  const rounds = isQuick ? 20 : 200;
  const recording = await record(async ({ mark }) => {
    const handle = await parked(gated.run(undefined, { stack: recordedStack }));
    mark();
    await answered(handle, recordedStack);
  });
  const pairs = await compared(params, recording, rounds);
  const across = await acrossProcesses(params, rounds);
  const p50 = median(pairs.ours);
  return [
    {
      workload: "W4",
      what: "answer → completion, p50",
      durability,
      unit: "ms",
      ours: p50,
      raw: median(pairs.raw),
      share: shareOfRaw(pairs),
      target: bound(p50, "ms", durability === "normal" ? 0.7 : 2),
    },
    {
      workload: "W4",
      what: "answer → completion, p99",
      durability,
      unit: "ms",
      ours: quantile(pairs.ours, 0.99),
      raw: quantile(pairs.raw, 0.99),
    },
    {
      workload: "W4",
      what: "from another process, p50",
      durability,
      unit: "ms",
      ours: median(across),
      target: bound(median(across), "ms", 10),
    },
    {
      workload: "W4",
      what: "from another process, p99",
      durability,
      unit: "ms",
      ours: quantile(across, 0.99),
    },
  ];
}

async function compared(params: Params, recording: Recording, times: number): Promise<Pairs> {
  const raw = new RawStore(join(params.folder, "raw"), recording);
  const ours = async (): Promise<number> => {
    const handle = await parked(gated.run());
    return timed(() => answered(handle, measuredStack));
  };
  const bare = async (): Promise<number> => {
    await pause(settleMs); // as cold as ours, which has just been parked
    return raw.replay().at(-1) ?? 0;
  };
  const warmUps = params.isQuick ? 10 : 30;
  const pairs = await inTurns(ours, bare, { warmUps, times });
  raw.close();
  return pairs;
}

async function answered(handle: FlowHandle<unknown>, stack: string): Promise<void> {
  const result = handle.result();
  await approve.answer(handle.id, undefined, { stack });
  await result;
}
