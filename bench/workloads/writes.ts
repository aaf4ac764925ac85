import { gated, sequence } from "../flows.ts";
import { pause } from "../measure.ts";
import { parked } from "../parked.ts";
import type { Row, Target } from "../row.ts";
import { type Take, recordedStack, useStacks } from "../stacks.ts";
import type { Params, Workload } from "../workload.ts";

const steps = 100;
const mostForStartAndEnd = 4;

/** Counted record writes. */
export const writes: Workload = { durabilities: ["normal"], run };

/** Numbers of record writes, refused ones included. */
export interface Counts {
  /** Of each checkpoint in a sequence. */
  readonly perCheckpoint: number;
  /** Of the rest of the first execution of a flow, from its start to its end. */
  readonly besides: number;
  readonly whileWaiting: number;
}

async function run(params: Params): Promise<readonly Row[]> {
  const counts = await countWrites(params, params.isQuick ? 1000 : 5000);
  const row = (what: string, ours: number, target: Target): Row => ({
    workload: "writes",
    what,
    durability: params.durability,
    unit: "writes",
    ours,
    target,
  });
  const { perCheckpoint, besides, whileWaiting } = counts;
  return [
    row("per sequential checkpoint", perCheckpoint, { text: "= 1", ok: perCheckpoint === 1 }),
    row("for a whole start and end", besides, {
      text: `≤ ${mostForStartAndEnd}`,
      ok: besides <= mostForStartAndEnd,
    }),
    row("while waiting", whileWaiting, { text: "= 0", ok: whileWaiting === 0 }),
  ];
}

/** Count on a stack of its own in `folder`, with an execution that waits for `waitMs`. */
export async function countWrites(
  params: Pick<Params, "folder" | "durability">,
  waitMs: number,
): Promise<Counts> {
  const { record } = useStacks(params);
  const counts = { perCheckpoint: NaN, besides: NaN, whileWaiting: NaN };
  await record(async (take) => {
    const first = await added(take, () => sequence.run(1, onRecorded).result());
    const short = await added(take, () => sequence.run(1, onRecorded).result());
    const long = await added(take, () => sequence.run(1 + steps, onRecorded).result());
    counts.perCheckpoint = (long - short) / steps;
    counts.besides = first - counts.perCheckpoint;
    const handle = await parked(gated.run(undefined, onRecorded));
    counts.whileWaiting = await added(take, () => pause(waitMs));
    await handle.cancel();
    await handle.result().catch(() => undefined); // until its last write is counted
  });
  return counts;
}

const onRecorded = { stack: recordedStack };

async function added(take: Take, work: () => Promise<unknown>): Promise<number> {
  const before = take.tries();
  await work();
  return take.tries() - before;
}
