import type { CallKind, Disposition } from "../journal/entry.ts";
import type { ExecutionStatus } from "../journal/head.ts";
import type { Usage } from "../models/usage.ts";
import type { LlmRecord } from "../ports/model.ts";

/** One durable run of a flow, as its journal tells it. */
export interface Execution {
  readonly id: string;
  readonly flow: string;
  /** Deployment version, or `local` for a flow that runs from source. */
  readonly version: string;
  readonly stack: string;
  readonly status: ExecutionStatus;
  /** The value, or a {@link StoredValue} when it is too large to be read along. */
  readonly input: unknown;
  /** As {@link input}; present once completed. */
  readonly output?: unknown;
  readonly error?: ErrorView;
  readonly createdAt: Date;
  readonly startedAt?: Date;
  readonly endedAt?: Date;
  /** Waits that are asked and that nobody has answered. */
  readonly pendingWaits: readonly PendingWait[];
  /** In the order the flow asked for them. */
  readonly calls: readonly CallView[];
  readonly artifacts: readonly ArtifactView[];
  readonly usage: Usage;
  /** The execution this one replays. */
  readonly replayOf?: string;
  /** The execution and the call that started this one. */
  readonly parent?: ParentView;
  /** Where it was imported from. */
  readonly imported?: ImportedView;
  /** What the replay was to do otherwise, without the values that were put in. */
  readonly replay?: ReplayView;
  /** Targets of overrides that no call of the ended replay asked for. */
  readonly unusedOverrides?: readonly string[];
}

/** Where an imported execution came from. */
export interface ImportedView {
  /** Stack it was exported from. */
  readonly from: string;
  readonly at: Date;
  /** It is a copy: its original was not retired, and may go on. */
  readonly copy: boolean;
}

/** What a replay was to do otherwise, and which of its calls that applied to. */
export interface ReplayView {
  /** The call from which everything was executed. */
  readonly from?: string;
  readonly overrides: readonly OverrideView[];
  /** Calls whose recorded outcomes were reused whatever their input. */
  readonly skip: readonly string[];
}

/** One override, without its value. */
export interface OverrideView {
  /** Call id, or `kind.name` for all calls of a name. */
  readonly target: string;
  readonly field: "output" | "input" | "model" | "code";
  /** Ids of the calls it applied to so far; for a model call inside a checkpoint, that of the checkpoint. */
  readonly calls: readonly string[];
}

/** Status of an execution in a list; `damaged`: it cannot be read. */
export type ListedStatus = ExecutionStatus | "damaged";

/** What a list tells of an execution. */
export type ExecutionSummary = Pick<
  Execution,
  | "id"
  | "flow"
  | "version"
  | "stack"
  | "error"
  | "createdAt"
  | "startedAt"
  | "endedAt"
  | "parent"
  | "replayOf"
> & {
  /** Of a `damaged` one `error` says why it cannot be read; its version and stack may be `unknown`. */
  readonly status: ListedStatus;
  /** Call ids of the waits nobody has answered. */
  readonly pendingWaits: readonly string[];
  /** For continuing a list after this execution. */
  readonly cursor: string;
};

/** The call that started a child execution. */
export interface ParentView {
  readonly id: string;
  readonly call: string;
}

/** A failure as it was recorded. */
export interface ErrorView {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly cause?: ErrorView;
}

/** A wait that is asked and not answered. */
export interface PendingWait {
  /** Call id: `name:0`. */
  readonly id: string;
  readonly name: string;
  readonly question?: string;
  /** The value, or a {@link StoredValue} when it is too large to be read along. */
  readonly metadata?: unknown;
  /** JSON Schema of the answer, when the schema can state one. */
  readonly schema?: unknown;
  /** Whether it takes no value: it is continued or aborted. */
  readonly gate: boolean;
  readonly createdAt: Date;
  readonly expiresAt?: Date;
}

/** State of a call. `cancelled`: still open when the execution ended, so it left no outcome. */
export type CallStatus = "running" | "waiting" | "completed" | "failed" | "cancelled";

/** One use of a checkpoint, llm, wait, sleep or child flow. */
export interface CallView {
  /** `name:n`; what a replay can start from. */
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  /** The checkpoint's own label, where this program defines the checkpoint. */
  readonly type?: string;
  readonly status: CallStatus;
  readonly disposition: Disposition;
  /** Tries that ended or are known to have begun; empty for calls that are not tried. */
  readonly attempts: readonly AttemptView[];
  readonly startedAt: Date;
  readonly endedAt?: Date;
  readonly error?: ErrorView;
  /** Model calls, in the order they were recorded. */
  readonly llm: readonly LlmView[];
  readonly artifacts: readonly ArtifactView[];
}

/** One try of a call. */
export interface AttemptView {
  /** Counts from 1. */
  readonly number: number;
  readonly startedAt: Date;
  readonly endedAt?: Date;
  readonly error?: ErrorView;
}

/** One model call. */
export interface LlmView extends LlmRecord {
  readonly name: string;
  /** Attempt of the checkpoint it was made in. */
  readonly attempt: number;
  /** Paid in this execution, or taken over from a recorded outcome. */
  readonly usage: "incurred" | "reused";
  /** The answer was put in by an override; no model was asked. */
  readonly overridden?: true;
  readonly startedAt: Date;
  readonly endedAt: Date;
}

/** Where a named value is, and what is known without reading it. */
export interface ArtifactView {
  /** `EXECUTION/CALL/NAME`; further ones of that name in one call end in `~2`, `~3`, … */
  readonly id: string;
  readonly executionId: string;
  readonly callId: string;
  readonly name: string;
  /** `prompt response context input output blob`. */
  readonly type: string;
  /** Hash of the content: equal contents are one version, wherever and however often they are kept. */
  readonly version: string;
  /** Bytes as stored. */
  readonly size: number;
  readonly createdAt: Date;
}

/** One line of an execution's log. */
export interface LogLine {
  readonly at: Date;
  /** Absent for a line about the execution itself. */
  readonly callId?: string;
  /** `log`: from `log()`. `lifecycle`: what the runtime did. */
  readonly kind: "log" | "lifecycle";
  readonly message: string;
  /** What was logged. */
  readonly fields?: unknown;
}
