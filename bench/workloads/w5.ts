import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Pairs, type Times, inTurns, median, shareOfRaw, sharedClock } from "../measure.ts";
import { askProgram, startProgram } from "../program.ts";
import type { Resumed } from "../programs/resume.ts";
import { type Row, bound } from "../row.ts";
import type { Params, Workload } from "../workload.ts";

const sizes = [100, 1000, 5000] as const;

/** From the resume of a suspended flow, whose process was killed, to its next new checkpoint in another. */
export const w5: Workload = { isSlow: true, run };

async function run(params: Params): Promise<readonly Row[]> {
  const { durability, isQuick } = params;
  const times = isQuick ? { warmUps: 0, times: 1 } : { warmUps: 1, times: 7 };
  const startMs: number[] = [];
  const rows: Row[] = [];
  for (const size of sizes) {
    const pairs = await resumed(params, size, times, startMs);
    const ms = median(pairs.ours);
    rows.push({
      workload: "W5",
      what: `resume after kill -9, ${size.toLocaleString("en-US")} recorded checkpoints`,
      durability,
      unit: "ms",
      ours: ms,
      raw: median(pairs.raw),
      share: shareOfRaw(pairs),
      ...(size === 5000 ? { target: bound(ms, "ms", 40) } : {}),
      note: "raw: opens the database and reads the rows",
    });
  }
  const [, some, most] = rows.map(({ ours }) => ours);
  const growth = (most ?? Infinity) / (some ?? 0);
  const row = { workload: "W5", durability } as const;
  return [
    ...rows,
    {
      ...row,
      what: "growth from 1,000 to 5,000",
      unit: "×",
      ours: growth,
      target: bound(growth, "×", 5),
    },
    {
      ...row,
      what: "process start, not in the above",
      unit: "ms",
      ours: median(startMs),
      note: "Node, the flows, import of kitaru",
    },
  ];
}

/** Suspend once; every repetition resumes a copy of what the killed process left. */
async function resumed(
  params: Params,
  size: number,
  times: Times,
  startMs: number[],
): Promise<Pairs> {
  const { durability } = params;
  const origin = { folder: join(params.folder, `killed-${size}`), durability };
  const suspender = startProgram<string>("suspend.ts", origin, size);
  const id = await suspender.next();
  await suspender.kill();
  const copy = { folder: join(params.folder, `copy-${size}`), durability };
  const fresh = (): void => {
    rmSync(copy.folder, { recursive: true, force: true });
    cpSync(origin.folder, copy.folder, {
      recursive: true,
      filter: (path) => !path.endsWith(".sock"),
    });
  };
  const ours = async (): Promise<number> => {
    fresh();
    const from = sharedClock();
    const { calledAt, reachedAt } = await askProgram<Resumed>("resume.ts", copy, id);
    startMs.push(calledAt - from);
    return reachedAt - calledAt;
  };
  const raw = async (): Promise<number> => {
    fresh();
    return askProgram<number>("raw-read.ts", copy, id);
  };
  return inTurns(ours, raw, times);
}
