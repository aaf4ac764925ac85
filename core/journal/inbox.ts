import { KitaruBackendError } from "../errors.ts";
import type {
  Expectation,
  IndexKeys,
  RecordDraft,
  RecordKey,
  StoredRecord,
  Version,
} from "../ports/records.ts";
import { executionPartition } from "./journal.ts";
import type { StoredError } from "./stored-error.ts";
import type { ValueRef } from "./values.ts";

/** What the outside world says to an execution. */
export type InboxItem = { readonly i: string; readonly at: number } & (
  | AnswerItem
  | { readonly kind: "abort"; readonly call: string; readonly name: string; readonly taken?: Taken }
  | {
      readonly kind: "expiry";
      readonly call: string;
      readonly name: string;
      readonly taken?: Taken;
    }
  | { readonly kind: "cancel" }
  /** `parent`: said by a parent that was retried itself, which may take up a child it had cancelled. */
  | { readonly kind: "retry"; readonly parent?: true }
  | ChildItem
);

/**
 * Said by a replay that settles a wait itself: it keeps others from answering, and the journal has the outcome from the
 * replay. `src` is the call of the source whose outcome it takes over; absent when an override gives it.
 */
export interface Taken {
  readonly src?: string;
}

/** An answer to a wait. */
export interface AnswerItem {
  readonly kind: "answer";
  readonly call: string;
  readonly name: string;
  readonly value: ValueRef;
  /** Digest of the value. */
  readonly vh: string;
  /** Digest of the answer as it was given, where its schema made another value of it. */
  readonly gh?: string;
  /** Given where the wait's schema was not at hand: checked by the advance that adopts it. */
  readonly raw?: true;
  readonly taken?: Taken;
}

/** The end of a child execution. */
export interface ChildItem {
  readonly kind: "child";
  readonly call: string;
  readonly out?: ValueRef;
  readonly err?: StoredError;
  /** Cancelled by its parent, which has been retried meanwhile and may take it up: no outcome. */
  readonly cancelled?: true;
}

/** Body of the inbox document. */
export interface Inbox {
  /** Not adopted by the journal when last parked. */
  readonly items: readonly InboxItem[];
  /** Token that wakes the parked orchestration. */
  readonly parked?: string;
  /** Epoch milliseconds by which someone must have looked. */
  readonly dueAt?: number;
  /** Epoch milliseconds from which on it may be deleted with its execution. */
  readonly expiresAt?: number;
  /** How often a sweep has poked the parked token in vain. */
  readonly poked?: number;
}

export const emptyInbox: Inbox = { items: [] };

/** Inboxes of records that have been read or written here, so that each is parsed once. */
const parsed = new WeakMap<StoredRecord, Inbox>();

/** Parse an inbox document; an absent one is empty. */
export function readInbox(record: StoredRecord | undefined): Inbox {
  if (record === undefined) return emptyInbox;
  const known = parsed.get(record);
  if (known !== undefined) return known;
  const inbox = readDocument<Inbox>(record, "items");
  parsed.set(record, inbox);
  return inbox;
}

/** The record that writing `draft`, which holds `inbox`, has made. */
export function storedInbox(draft: RecordDraft, inbox: Inbox, version: Version): StoredRecord {
  const record = { ...draft, version };
  parsed.set(record, inbox);
  return record;
}

/** Version a write of the inbox must expect. */
export function versionOf(record: StoredRecord | undefined): Expectation {
  return record?.version ?? "absent";
}

/** Parse a JSON document of an execution; `field` must be present in it. */
export function readDocument<T>(record: StoredRecord, field: keyof T & string): T {
  try {
    const value: unknown = JSON.parse(record.body);
    if (typeof value === "object" && value !== null && field in value) return value as T;
  } catch {
    // reported below, like any other unreadable body
  }
  throw new KitaruBackendError(
    `The record ${record.partition} ${record.sort} cannot be read: it is not the document kitaru wrote. Restore it from a backup; nothing was changed.`,
    { code: "corrupt", details: { execution: record.partition.slice("exec/".length) } },
  );
}

/** Key of the inbox of an execution. */
export function inboxKey(executionId: string): RecordKey {
  return { partition: executionPartition(executionId), sort: "inbox" };
}

/** Draft of the inbox document. */
export function inboxDraft(executionId: string, inbox: Inbox, dueShards: number): RecordDraft {
  const due = dueKey(executionId, "inbox", inbox.dueAt, dueShards);
  const body = JSON.stringify(inbox);
  return { ...inboxKey(executionId), body, indexes: due, ...expiryField(inbox) };
}

/** When the store may delete the record of a document. */
export function expiryField({
  expiresAt,
}: {
  readonly expiresAt?: number;
}): Pick<RecordDraft, "expiresAt"> {
  return expiresAt === undefined ? {} : { expiresAt };
}

/** Index key under which an overdue document is found, spread over shards by execution. */
export function dueKey(
  executionId: string,
  document: string,
  dueAt: number | undefined,
  shards: number,
): IndexKeys {
  if (dueAt === undefined) return {};
  const sort = `${timeKey(dueAt)}/${executionId}/${document}`;
  return { due: { partition: duePartition(shardOf(executionId, shards)), sort } };
}

/** Partition of one shard of the due index. */
export function duePartition(shard: number): string {
  return `due/${shard}`;
}

/** Epoch milliseconds as text that sorts by time. */
export function timeKey(ms: number): string {
  return String(Math.max(0, Math.floor(ms))).padStart(15, "0");
}

function shardOf(id: string, shards: number): number {
  if (shards <= 1) return 0;
  let hash = 0;
  for (let i = 0; i < id.length; i++) hash = (Math.imul(hash, 31) + id.charCodeAt(i)) >>> 0;
  return hash % shards;
}
