import type {
  IndexKeys,
  RecordDraft,
  RecordKey,
  RecordStore,
  StoredRecord,
  Version,
} from "../ports/records.ts";
import type { EndStatus, ReplayOf } from "./entry.ts";
import { dueKey, expiryField, readDocument, timeKey } from "./inbox.ts";
import { executionPartition } from "./journal.ts";
import type { StoredError } from "./stored-error.ts";
import { type ValueRef, utf8Length } from "./values.ts";

/** Status of an execution. */
export type ExecutionStatus = "queued" | "running" | "waiting" | EndStatus;

/** What is known of an execution from its start; never changes but for the generation. */
export interface HeadFacts {
  readonly id: string;
  readonly flow: string;
  /** Number of the deployed version it is pinned to, or `local`. A child has its parent's. */
  readonly version: string;
  /** Hash of the bundle that version is in; absent for a flow that runs from source. */
  readonly bundle?: string;
  readonly stack: string;
  readonly input: ValueRef;
  /** Digest of the input. */
  readonly h: string;
  readonly seed: string;
  readonly createdAt: number;
  /** Counts starts of the orchestration. */
  readonly generation: number;
  /** Epoch milliseconds at which the whole flow times out. */
  readonly timeoutAt?: number;
  readonly parent?: { readonly id: string; readonly call: string };
  readonly replayOf?: ReplayOf;
  /** Set in a replay, and in a child flow of one whether or not that has a source of its own. */
  readonly isReplay?: true;
  /** Module the flow can be loaded from, when the starter knew it. */
  readonly source?: string;
  /** Set where it was imported. */
  readonly imported?: Imported;
  /** Unique to the start that wrote the head, so it recognises its own write. */
  readonly nonce: string;
}

/** Where an imported execution came from. */
export interface Imported {
  /** Stack it was exported from. */
  readonly from: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** It had not ended, and its original was not retired: both may go on. */
  readonly copy?: boolean;
}

/** What the journal says, as far as some position; a convenience for lists and the sweep. */
export interface HeadView {
  /** Number of journal entries this view reflects. */
  readonly pos: number;
  /** Epoch of the last advance that came to rest. */
  readonly epoch: number;
  /** Last epoch whose advance is known to have ended because the store failed. */
  readonly outage?: number;
  readonly status: ExecutionStatus;
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** Call ids of open waits. */
  readonly waits?: readonly string[];
  readonly out?: ValueRef;
  readonly err?: StoredError;
  /** Names of artifacts it may have. */
  readonly saved?: Names;
  /** Executions it has loaded from. */
  readonly loaded?: Names;
}

/** Names, so that what has none of interest need not be read; `true` when there are too many to list. */
export type Names = readonly string[] | true;

/** Body of the head document. */
export interface Head {
  readonly facts: HeadFacts;
  readonly view: HeadView;
  /** Epoch milliseconds by which someone must have looked. */
  readonly dueAt?: number;
  /** Epoch milliseconds from which on the execution may be deleted. */
  readonly expiresAt?: number;
}

/** Key of the head of an execution. */
export function headKey(executionId: string): RecordKey {
  return { partition: executionPartition(executionId), sort: "head" };
}

const mostNames = 100;
const mostNameBytes = 4000;

/** Names as a head view lists them; undefined when there are none. */
export function listNames(names: ReadonlySet<string>): Names | undefined {
  if (names.size === 0) return undefined;
  const list = [...names];
  const isLong = list.length > mostNames || utf8Length(list.join("")) > mostNameBytes;
  return isLong ? true : list;
}

/** Whether `name` may be among the names of a head view. */
export function mayHave(names: Names | undefined, name: string): boolean {
  return names === true || names?.includes(name) === true;
}

/** Heads of records that have been read or written here, so that each is parsed once. */
const parsed = new WeakMap<StoredRecord, Head>();

/** Parse a head document. */
export function readHead(record: StoredRecord): Head {
  const known = parsed.get(record);
  if (known !== undefined) return known;
  const head = readDocument<Head>(record, "facts");
  parsed.set(record, head);
  return head;
}

/** The record that writing `draft`, which holds `head`, has made. */
export function storedHead(draft: RecordDraft, head: Head, version: Version): StoredRecord {
  const record = { ...draft, version };
  parsed.set(record, head);
  return record;
}

/** Draft of the head document. */
export function headDraft(head: Head, dueShards: number): RecordDraft {
  const { id, flow, createdAt } = head.facts;
  const sort = `${timeKey(createdAt)}/${id}`;
  const indexes: IndexKeys = {
    flow: { partition: `flow/${flow}`, sort },
    ...dueKey(id, "head", head.dueAt, dueShards),
  };
  return { ...headKey(id), body: JSON.stringify(head), indexes, ...expiryField(head) };
}

/** Whether an execution of this status has ended. */
export function isEnd(status: ExecutionStatus): status is EndStatus {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/**
 * Rewrite the head by compare-and-swap until `change` has been applied to what is stored.
 * `change` returns undefined to leave it. Resolves to the head as it then is.
 */
export async function updateHead(
  records: RecordStore,
  loaded: StoredRecord,
  dueShards: number,
  change: (head: Head) => Head | undefined,
): Promise<StoredRecord> {
  for (let current = loaded; ;) {
    const next = change(readHead(current));
    if (next === undefined) return current;
    const draft = headDraft(next, dueShards);
    const result = await records.put(draft, current.version);
    if (result.ok) return storedHead(draft, next, result.version);
    const found = await records.get(headKey(readHead(current).facts.id));
    if (found === undefined) return current;
    if (found.body === draft.body) return found; // our own write, its reply was lost
    current = found;
  }
}
