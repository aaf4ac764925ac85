import type { CallKind, Disposition } from "../journal/entry.ts";
import type { ExecutionStatus } from "../journal/head.ts";
import type { CallStatus } from "./execution.ts";

/** How executions of one flow differ from an original. */
export interface ExecutionDiff {
  readonly flow: string;
  /** What the others are compared with. */
  readonly original: DiffedExecution;
  readonly others: readonly ComparedExecution[];
  /** One for each call of any of them: in the order of the original, those that only others have in between. */
  readonly rows: readonly DiffRow[];
}

/** What model calls used; a figure that is not known of every one of them is absent, and never 0. */
export interface DiffedUsage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly totalTokens?: number;
  /** In US dollars. */
  readonly cost?: number;
}

/** Differences of figures, always other − original; absent where one of the two is. */
export interface Delta extends DiffedUsage {
  readonly durationMs?: number;
}

/** One of the executions. */
export interface DiffedExecution extends DiffedUsage {
  readonly id: string;
  readonly version: string;
  readonly status: ExecutionStatus;
  readonly createdAt: Date;
  /** The execution it replays. */
  readonly replayOf?: string;
  /** From its start to its end. */
  readonly durationMs?: number;
  /** How much of the usage was taken over from recorded answers, and not paid again. */
  readonly reused?: DiffedUsage;
}

/** One of the others, compared as a whole. */
export interface ComparedExecution extends DiffedExecution {
  readonly state: "match" | "changed";
  /** What of the execution itself differs, its calls aside. */
  readonly differences: readonly Difference[];
  readonly delta: Delta;
  /** Present where they were asked for and differ. */
  readonly values?: readonly DiffedValue[];
}

/** One call, in every execution that has it. */
export interface DiffRow {
  /** Call id in the original; in the others where only they have it. */
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  readonly original?: DiffedCall;
  /** One for each of {@link ExecutionDiff.others}. */
  readonly others: readonly DiffCell[];
}

/** One call of one of the others. */
export interface DiffCell {
  /** `neither`: of a call that other executions have. */
  readonly state: "match" | "changed" | "only original" | "only other" | "neither";
  readonly differences: readonly Difference[];
  readonly call?: DiffedCall;
  readonly delta: Delta;
  /** Present where they were asked for and differ. */
  readonly values?: readonly DiffedValue[];
}

/** In what two calls, or two executions, differ. */
export type Difference = "input" | "status" | "output" | "error" | "model" | "artifacts";

/** One call of one execution. */
export interface DiffedCall extends DiffedUsage {
  /** May be another than that of the row: the same call, asked at another place. */
  readonly id: string;
  readonly status: CallStatus;
  readonly disposition: Disposition;
  /** Tries it took. */
  readonly attempts: number;
  /** Absent while it is open, and where nothing ran. */
  readonly durationMs?: number;
}

/** A value that differs: `argument 1`, `output`, `error`; absent where one side has none. */
export interface DiffedValue {
  readonly name: string;
  /** The value, or a {@link StoredValue} when it is too large to be read along. */
  readonly original?: unknown;
  readonly other?: unknown;
}

/** How to compare. */
export interface DiffOptions {
  /** Read the values that differ. @default false */
  readonly values?: boolean;
}
