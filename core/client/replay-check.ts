import type { ExecutionStatus } from "../journal/head.ts";
import type { SourcePlace } from "./call-site.ts";

/** Which executions to check, and against which code. */
export interface ReplayCheckOptions {
  readonly flow: string;
  /** Only executions of the version that has this tag. */
  readonly tag?: string;
  /** Only executions of this version; `local` for those that ran from source. */
  readonly version?: number | "local";
  /** Most executions that are checked, the newest ones, from 1 to 1000. @default 20 */
  readonly last?: number;
  /** A deployed version, or `local` for the flow as this program defines it. */
  readonly against: number | "local";
  /** Tell the values that differ, shortened. @default false */
  readonly values?: boolean;
}

/** What the code does with what executions have recorded. */
export interface ReplayCheck {
  readonly flow: string;
  /** Version of the code. */
  readonly against: string;
  /** Version of the executions, where only those of one were wanted. */
  readonly version?: string;
  /** Whether no execution diverges. */
  readonly ok: boolean;
  /** The newest first. */
  readonly executions: readonly CheckedExecution[];
  readonly summary: {
    readonly checked: number;
    readonly diverged: number;
    readonly skipped: number;
  };
}

/** One execution, checked against other code. */
export interface CheckedExecution {
  readonly id: string;
  readonly version: string;
  readonly status: ExecutionStatus;
  readonly createdAt: Date;
  readonly result: "match" | "diverged" | "skipped";
  /** Why it was skipped. */
  readonly reason?: string;
  /** In the order the flow comes by them. After a new call there are none: what it would return is not known. */
  readonly divergences: readonly CallDivergence[];
}

/** One thing the code does otherwise than it was recorded. */
export interface CallDivergence {
  /**
   * `new`: a call that is not recorded. `gone`: a recorded one that is not asked for. `input`: asked with another
   * input. `order`: asked after one it was before. `kind`: a wait that was a checkpoint, or the like. `result`: all
   * calls are as recorded, and what the flow returns or throws is not.
   */
  readonly kind: "new" | "gone" | "input" | "order" | "kind" | "result";
  /** Call id; absent for `result`. */
  readonly call?: string;
  readonly message: string;
  /** What differs in the input or the result: `argument 1.topic`. */
  readonly path?: string;
  /** The values there, shortened; present where they were asked for. */
  readonly values?: string;
  /** Where the code asks for the call; of one that is gone, where it asks for the next. */
  readonly place?: SourcePlace;
}
