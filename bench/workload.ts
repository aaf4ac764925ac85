import { join } from "node:path";
import { median, shareOfRaw, inTurns, type Repetition, type Times } from "./measure.ts";
import { RawStore } from "./raw.ts";
import type { Recording } from "./recording.ts";
import type { Durability, Row } from "./row.ts";

/** What a workload is given; `folder` is its own and empty. */
export interface Params {
  readonly folder: string;
  readonly durability: Durability;
  /** Few repetitions: the numbers are rough. */
  readonly isQuick: boolean;
}

/** Something that is measured, in a process of its own. */
export interface Workload {
  /** Durabilities that make a difference. @default both */
  readonly durabilities?: readonly Durability[];
  /** Whether a quick run leaves out all but the first of them: they hardly differ. */
  readonly isSlow?: true;
  readonly run: (params: Params) => Promise<readonly Row[]>;
}

/** Medians of ours and raw, in milliseconds. */
export interface Compared {
  readonly ms: number;
  readonly rawMs: number;
  /** Speed of ours as a share of raw. */
  readonly share: number;
}

/** Take turns between `ours` and a replay of what was written after the last mark. */
export async function compare(
  params: Params,
  recording: Recording,
  ours: Repetition,
  times: Times,
): Promise<Compared> {
  const raw = new RawStore(join(params.folder, "raw"), recording);
  const pairs = await inTurns(ours, () => raw.replay().at(-1) ?? 0, times);
  raw.close();
  return { ms: median(pairs.ours), rawMs: median(pairs.raw), share: shareOfRaw(pairs) };
}

/** Commits of a recording after its last mark. */
export function commitsOf({ transactions, marks }: Recording): readonly number[] {
  return transactions.slice(marks.at(-1) ?? 0);
}

/** How many rows in how many commits, after the last mark. */
export function sizeOf(recording: Recording): string {
  const commits = commitsOf(recording);
  const rows = commits.reduce((sum, size) => sum + size, 0);
  return `${counted(rows, "row")} in ${counted(commits.length, "commit")}`;
}

function counted(n: number, what: string): string {
  return `${n.toLocaleString("en-US")} ${what}${n === 1 ? "" : "s"}`;
}
