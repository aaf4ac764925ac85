import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { median } from "../measure.ts";
import { askProgram } from "../program.ts";
import { type Row, bound } from "../row.ts";
import type { Params, Workload } from "../workload.ts";

const steps = 1000;
/** About the mean size of a row of W1. */
const rowBytes = 2000;

/** Peak memory of W1, in a process that does nothing else. */
export const w7: Workload = { isSlow: true, run };

async function run({ folder, durability, isQuick }: Params): Promise<readonly Row[]> {
  const ours: number[] = [];
  const raw: number[] = [];
  for (let round = 0; round < (isQuick ? 1 : 3); round += 1) {
    const place = { folder: join(folder, String(round)), durability };
    mkdirSync(place.folder, { recursive: true });
    ours.push(await askProgram<number>("peak.mjs", place, "sequence", steps));
    raw.push(await askProgram<number>("raw-peak.mjs", place, steps, rowBytes));
  }
  const mb = median(ours);
  return [
    {
      workload: "W7",
      what: "peak memory of W1",
      durability,
      unit: "MB",
      ours: mb,
      raw: median(raw),
      target: bound(mb, "MB", 75),
    },
  ];
}
