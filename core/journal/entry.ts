import { KitaruBackendError, messageOf } from "../errors.ts";
import type { LlmRecord } from "../ports/model.ts";
import { PlainOutcome } from "./plain-outcome.ts";
import type { StoredError } from "./stored-error.ts";
import type { ValueRef } from "./values.ts";

/** Version of the entry format; recorded in `started` and never changed for an execution. */
export const formatVersion = 1;

/** What kind of call an entry is about. */
export type CallKind = "checkpoint" | "llm" | "wait" | "sleep" | "flow";

/** How a call got its outcome. */
export type Disposition = "executed" | "reused" | "overridden" | "cached";

/** How an execution ended. */
export type EndStatus = "completed" | "failed" | "cancelled";

/** Identity of a call, repeated in each of its entries so that any one of them can be matched. */
export interface CallFields {
  /** `name:n`. */
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  /** Place among all calls in the order the flow asked, from 0. */
  readonly ask: number;
  /** What stands for the call's inputs: a fingerprint, or a digest. */
  readonly h: string;
}

interface Base {
  /** Nonce of the append, on its first entry. */
  readonly n?: string;
  /** Epoch milliseconds when the entry was made. */
  readonly at: number;
}

export interface StartedEntry extends Base {
  readonly t: "started";
  readonly format: number;
  readonly hash: number;
  readonly segmentBytes: number;
  readonly flow: string;
  readonly version: string;
  readonly seed: string;
  readonly input: ValueRef;
  /** Digest of the input. */
  readonly h: string;
  /** Epoch milliseconds at which the whole flow times out. */
  readonly due?: number;
  readonly replayOf?: ReplayOf;
}

/** The execution a replay is made from. Nothing of it that counts can change any more. */
export interface ReplayOf {
  readonly id: string;
  /** Number of entries of its journal that count. */
  readonly position: number;
  /** Epoch milliseconds at which the clock of its flow body began, which is where a replay's begins. */
  readonly at: number;
  /** Version of the hashes in its journal, in which a replay hashes too: else nothing would match. @default 1 */
  readonly hash?: number;
  /** A {@link ReplayPlan}: what is to be different, if anything. */
  readonly plan?: ValueRef;
}

/** What is to be different in a replay. Targets are a call id, or `kind.name` for all calls of a name. */
export interface ReplayPlan {
  /** Id of the call from which everything is executed. */
  readonly from?: string;
  readonly overrides?: readonly PlannedOverride[];
  /** Calls whose recorded outcomes are reused whatever else holds. */
  readonly skip?: readonly string[];
  /** No recorded answer is reused: what its waits are about has changed before the first of them. */
  readonly asks?: true;
}

/** One thing that is put in place of what the source recorded. */
export type PlannedOverride = { readonly target: string } & (
  | { readonly field: "output"; readonly value: ValueRef; readonly vh: string }
  /** The arguments, as an array. */
  | { readonly field: "input"; readonly value: ValueRef }
  | { readonly field: "model"; readonly model: string }
  /** Name of the checkpoint whose function runs instead. */
  | { readonly field: "code"; readonly checkpoint: string }
);

export interface AdvanceEntry extends Base {
  readonly t: "advance";
  readonly epoch: number;
  readonly owner: string;
  readonly until: number;
  /** Number of entries before it. A journal that has another number there has lost some, or gained what is not its own. */
  readonly pos?: number;
  /** Start of the orchestration that made it. */
  readonly gen?: number;
  /** Set when a running advance extends its own claim. */
  readonly renew?: true;
  /** Last epoch before this one whose advance ended because the store had failed. */
  readonly outage?: number;
}

interface OutcomeFields extends Base {
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  /** Absent in an answer that came before its question. */
  readonly ask?: number;
  readonly h?: string;
  readonly in?: readonly ValueRef[];
  /** Epoch milliseconds when the last attempt started. */
  readonly s?: number;
  /** Number of attempts made; absent means one. */
  readonly tries?: number;
  readonly disp?: Exclude<Disposition, "executed">;
  /** Call of the replayed execution that this outcome was taken from, when its id is another. */
  readonly src?: string;
  /** Execution that ran as the child flow this outcome was taken from. */
  readonly child?: string;
  /** Inbox item this outcome was adopted from. */
  readonly item?: string;
  readonly llm?: LlmRecord;
  readonly prompt?: ValueRef;
  /** What counts of a model call's request beside the prompt. */
  readonly options?: ValueRef;
  readonly response?: ValueRef;
}

export interface CompletedEntry extends OutcomeFields {
  readonly t: "completed";
  readonly out: ValueRef;
  /** Digest of the value, where equality matters later: answers. */
  readonly vh?: string;
  /** Digest of the answer as it was given, where its schema made another value of it. */
  readonly gh?: string;
  /** A wait that passed its due time. */
  readonly expired?: true;
}

export interface FailedEntry extends OutcomeFields {
  readonly t: "failed";
  readonly err: StoredError;
}

/** One failed attempt that will be followed by another, or (`open`) the start of an at-most-once attempt. */
export interface AttemptEntry extends Base, CallFields {
  readonly t: "attempt";
  readonly no: number;
  readonly s: number;
  readonly open?: true;
  readonly err?: StoredError;
  /** Epoch milliseconds before which the next attempt does not start. */
  readonly retryAt?: number;
  readonly in?: readonly ValueRef[];
}

export interface WaitingEntry extends Base, CallFields {
  readonly t: "waiting";
  readonly due?: number;
  readonly question?: string;
  /** JSON Schema of the answer, when the schema can state one. */
  readonly schema?: unknown;
  /** A wait without a schema: continue or abort. */
  readonly gate?: true;
  /** What the replayed execution asked, kept with the answer that is reused. */
  readonly disp?: "reused";
  readonly meta?: ValueRef;
}

export interface SleepingEntry extends Base, CallFields {
  readonly t: "sleeping";
  readonly due: number;
  /** How long it was to sleep; absent when it was until a date. */
  readonly ms?: number;
}

/** An isolated attempt or a child flow that runs elsewhere. */
export interface ScheduledEntry extends Base, CallFields {
  readonly t: "scheduled";
  readonly no: number;
  readonly in: readonly ValueRef[];
  /** Epoch milliseconds after which an attempt without an outcome document has crashed. */
  readonly until?: number;
  /** Execution id of a child flow. */
  readonly child?: string;
  /** In a replay, what model answers may be taken from: a call of the source; for a child flow, an execution. */
  readonly src?: string;
  /** For a child flow in a replay: it must ask its waits again. */
  readonly asks?: true;
  /** Name of the checkpoint whose function runs instead, in a replay. */
  readonly code?: string;
}

export interface LlmEntry extends Base {
  readonly t: "llm";
  /** Call id of the enclosing checkpoint. */
  readonly id: string;
  readonly no: number;
  /** Place among the llm calls of the checkpoint, from 0. */
  readonly i: number;
  readonly name: string;
  readonly h: string;
  readonly disp?: "reused" | "overridden";
  /** Place of the reused answer among those of the replayed execution's call. */
  readonly src?: number;
  readonly out: ValueRef;
  readonly llm: LlmRecord;
  readonly prompt?: ValueRef;
  readonly response?: ValueRef;
  readonly s: number;
}

export interface ArtifactEntry extends Base {
  readonly t: "artifact";
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly out: ValueRef;
  readonly vh: string;
  readonly disp?: "reused";
}

/** What a checkpoint read of an execution with `load()`; recorded with its outcome, for lineage alone. */
export interface LoadedEntry extends Base {
  readonly t: "loaded";
  readonly id: string;
  /** Execution it was read from. */
  readonly from: string;
  /** Call that had made it. */
  readonly call: string;
  /** Name of a saved artifact; absent for the result of the call. */
  readonly name?: string;
}

export interface LogEntry extends Base {
  readonly t: "log";
  /** Call id; absent for a log of the execution itself. */
  readonly id?: string;
  readonly fields: ValueRef;
}

export interface CancellingEntry extends Base {
  readonly t: "cancelling";
  readonly reason: "cancel" | "timeout";
  readonly item?: string;
}

export interface RetriedEntry extends Base {
  readonly t: "retried";
  readonly voids: readonly string[];
  /** How many entries the flow's body had logged when it was told of the failure; what it logs after that counts anew. */
  readonly logs?: number;
  readonly item?: string;
  /** Made by the flow's own `retries`. */
  readonly auto?: true;
  /** Stack it came from: it was moved, and goes on here. */
  readonly from?: string;
}

/** An inbox item that turned out not to fit once the code could look at it. */
export interface RejectedEntry extends Base {
  readonly t: "rejected";
  readonly item: string;
  readonly id: string;
  readonly reason: string;
}

export interface EndedEntry extends Base {
  readonly t: "ended";
  readonly status: EndStatus;
  readonly out?: ValueRef;
  readonly err?: StoredError;
  /** Call whose failure ended the flow. */
  readonly cause?: string;
  /** Other calls whose failures were thrown as one with it, or had not been delivered when it ended the flow. */
  readonly causes?: readonly string[];
  /** It goes on elsewhere: its export was the last that was done with it here. */
  readonly moved?: true;
  /** How many calls had been asked when that failure, or the cancel or timeout that ended the flow, was delivered. */
  readonly asks?: number;
  /** How many entries the flow's body had logged by then. */
  readonly logs?: number;
  /** How many calls had been asked at the end, where nothing else tells of some of them: those a flow needed no more. */
  readonly asked?: number;
}

export type OutcomeEntry = CompletedEntry | FailedEntry;
export type OpeningEntry = WaitingEntry | SleepingEntry | ScheduledEntry;

/** One line of the journal. */
export type Entry =
  | StartedEntry
  | AdvanceEntry
  | OutcomeEntry
  | AttemptEntry
  | OpeningEntry
  | LlmEntry
  | ArtifactEntry
  | LoadedEntry
  | LogEntry
  | CancellingEntry
  | RetriedEntry
  | RejectedEntry
  | EndedEntry;

/** Write entries as journal lines, the first one stamped with the append's nonce. */
export function writeLines(entries: readonly Entry[], nonce: string): string[] {
  return entries.map((entry, index) => {
    const json = entry instanceof PlainOutcome ? entry.json() : JSON.stringify(entry);
    return index === 0 ? `{"n":"${nonce}",${json.slice(1)}\n` : `${json}\n`;
  });
}

/** Read the lines of one segment. Throws a `corrupt` backend error that names the segment and the line. */
export function readLines(body: string, where: string): Entry[] {
  const entries: Entry[] = [];
  for (let from = 0; from < body.length;) {
    const newline = body.indexOf("\n", from);
    const to = newline === -1 ? body.length : newline;
    entries.push(readLineAt({ body, sort: where }, from, to));
    from = to + 1;
  }
  return entries;
}

/** Read the line of a segment that begins and ends there. Throws like {@link readLines}. */
export function readLineAt(
  { body, sort }: { readonly body: string; readonly sort: string },
  from: number,
  to: number,
): Entry {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.slice(from, to));
  } catch (error) {
    throw corruptLine(sort, lineNumber(body, from), messageOf(error), error);
  }
  if (!isEntry(parsed))
    throw corruptLine(sort, lineNumber(body, from), "it is not a journal entry");
  if (!entryKinds.has(parsed.t)) throw unknownKind(sort, lineNumber(body, from), parsed.t);
  return parsed;
}

function lineNumber(body: string, from: number): number {
  return body.slice(0, from).split("\n").length;
}

const kinds = {
  started: true,
  advance: true,
  completed: true,
  failed: true,
  attempt: true,
  waiting: true,
  sleeping: true,
  scheduled: true,
  llm: true,
  artifact: true,
  loaded: true,
  log: true,
  cancelling: true,
  retried: true,
  rejected: true,
  ended: true,
} satisfies Record<Entry["t"], true>;

const entryKinds: ReadonlySet<string> = new Set(Object.keys(kinds));

function isEntry(value: unknown): value is Entry {
  return (
    typeof value === "object" &&
    value !== null &&
    "t" in value &&
    typeof value.t === "string" &&
    "at" in value &&
    typeof value.at === "number"
  );
}

function corruptLine(
  where: string,
  line: number,
  why: string,
  cause?: unknown,
): KitaruBackendError {
  return new KitaruBackendError(
    `The journal cannot be read: line ${line} of ${where}: ${why}. ` +
      `Restore the record from a backup; nothing was changed.`,
    { code: "corrupt", cause },
  );
}

function unknownKind(where: string, line: number, kind: string): KitaruBackendError {
  return new KitaruBackendError(
    `The journal cannot be read: line ${line} of ${where} is an entry of the kind ${JSON.stringify(kind)}, which this version of kitaru does not know. ` +
      `Update the kitaru package, or restore the record from a backup; nothing was changed.`,
    { code: "corrupt" },
  );
}
