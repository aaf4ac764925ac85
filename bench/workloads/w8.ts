import { rmSync } from "node:fs";
import { join } from "node:path";
import { type LargeInput, large, largeBytes } from "../flows.ts";
import { inTurns, median, shareOfRaw, timed } from "../measure.ts";
import { askProgram } from "../program.ts";
import { RawStore } from "../raw.ts";
import { type Row, bound } from "../row.ts";
import { type Place, measuredFolder, recordedStack, useStacks } from "../stacks.ts";
import type { Params, Workload } from "../workload.ts";

const results = 50;
const kinds = ["bytes", "text"] as const;

/** Large results, one after another. */
export const w8: Workload = { isSlow: true, run };

async function run(params: Params): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const kind of kinds) {
    const { durability } = params;
    const own = { ...params, folder: join(params.folder, kind) };
    rows.push(await speed(own, kind));
    const place = { folder: join(params.folder, `peak-${kind}`), durability };
    rows.push(await peak(place, kind));
  }
  return rows;
}

async function speed(params: Params, kind: LargeInput["kind"]): Promise<Row> {
  const { folder, durability, isQuick } = params;
  const { record } = useStacks(params);
  const last = results;
  const recording = await record(() =>
    large.run({ kind, first: 1, last }, { stack: recordedStack }).result(),
  );
  const raw = new RawStore(join(folder, "raw"), recording);
  let first = 1;
  const ours = async (): Promise<number> => {
    rmSync(join(measuredFolder(folder), "blobs"), { recursive: true, force: true });
    const input = { kind, first, last: first + results - 1 };
    first += results; // what is stored already would not be written again
    return timed(() => large.run(input).result());
  };
  const pairs = await inTurns(
    ours,
    () => raw.replayWithBlobs(durability === "full"),
    isQuick ? { warmUps: 0, times: 1 } : { warmUps: 1, times: 5 },
  );
  raw.close();
  const rate = (ms: number): number => (results * largeBytes) / 1e6 / (ms / 1000);
  const ourRate = rate(median(pairs.ours));
  return {
    workload: "W8",
    what: `${results} results of 1 MB, ${kind}`,
    durability,
    unit: "MB/s",
    ours: ourRate,
    raw: rate(median(pairs.raw)),
    share: shareOfRaw(pairs),
    target: bound(ourRate, "MB/s", 80),
    note: "raw: plain files and their rows",
  };
}

async function peak(place: Place, kind: string): Promise<Row> {
  const mb = await askProgram<number>("peak.mjs", place, kind, results);
  return {
    workload: "W8",
    what: `its peak memory, ${kind}`,
    durability: place.durability,
    unit: "MB",
    ours: mb,
    target: bound(mb, "MB", 150),
  };
}
