import type { Entry } from "../journal/entry.ts";
import {
  type Inbox,
  type InboxItem,
  inboxDraft,
  inboxKey,
  readInbox,
  storedInbox,
  versionOf,
} from "../journal/inbox.ts";
import { type LoadedExecution, freshExecution, loadExecution } from "../journal/load.ts";
import type { JournalState } from "../journal/state.ts";
import type { StoredRecord } from "../ports/records.ts";
import { readHead } from "../journal/head.ts";
import { type EngineContext, makeNonce, observe } from "./context.ts";

/** Read everything an execution has. */
export function load(context: EngineContext, executionId: string): Promise<LoadedExecution> {
  const { records, capabilities } = context.backend;
  const { segmentBytes, recordBytes } = capabilities;
  return loadExecution({ records, executionId, segmentBytes, recordBytes });
}

/** An execution this process has only just created: nobody can have written more of it, so it is not read. */
export function takeFresh(
  context: EngineContext,
  executionId: string,
): LoadedExecution | undefined {
  const head = context.fresh.get(executionId);
  if (head === undefined) return undefined;
  context.fresh.delete(executionId);
  const { segmentBytes, recordBytes } = context.backend.capabilities;
  return freshExecution({ executionId, segmentBytes, recordBytes }, head);
}

/** One advance's hold on an execution: its journal, its inbox as last read, and the epoch it writes under. */
export class Session {
  readonly context: EngineContext;
  readonly executionId: string;
  readonly execution: LoadedExecution;
  /** Inbox whose items have all been adopted. */
  inbox: StoredRecord | undefined;
  head: StoredRecord;
  epoch = 0;
  /** Whether this process created the execution a moment ago and nothing has been read of it. */
  readonly isFresh: boolean;
  /** Whether it was not read for this advance: others may have written meanwhile. */
  readonly isAssumed: boolean;
  /** Unique among all advances; the appends after the first are unique by their epoch, which this advance then holds. */
  readonly #firstNonce: string;
  #appends = 0;

  constructor(
    context: EngineContext,
    execution: LoadedExecution,
    head: StoredRecord,
    { isFresh = false, isAssumed = false }: { isFresh?: boolean; isAssumed?: boolean } = {},
  ) {
    this.context = context;
    this.executionId = readHead(head).facts.id;
    this.execution = execution;
    this.inbox = execution.inbox;
    this.head = head;
    this.isFresh = isFresh;
    this.isAssumed = isAssumed;
    this.#firstNonce = makeNonce(context);
  }

  get state(): JournalState {
    return this.execution.journal.state;
  }

  /** Append under this epoch; false when another advance has taken over. */
  append(entries: readonly Entry[]): Promise<boolean> {
    const nonce = this.#appends++ === 0 ? this.#firstNonce : `${this.epoch}.${this.#appends}`;
    return this.execution.journal
      .append(this.context.backend.records, entries, nonce)
      .then((result) => {
        if (result === "superseded") return false;
        observe(this.context, (o) => o.appended?.({ executionId: this.executionId, entries }));
        return true;
      });
  }

  /** Read the inbox anew; undefined when nothing has changed since. */
  async refreshInbox(): Promise<Inbox | undefined> {
    const found = await this.context.backend.records.get(inboxKey(this.executionId));
    if (found?.version === this.inbox?.version) return undefined;
    this.inbox = found;
    return readInbox(found);
  }

  /**
   * Put items into the inbox if it is as last read. False on a conflict: read it again.
   * The inbox decides who settles a wait, so an expiry goes through it like an answer.
   */
  async addToInbox(items: readonly InboxItem[]): Promise<boolean> {
    const { records, capabilities } = this.context.backend;
    const current = readInbox(this.inbox);
    const dueAt = this.context.clock.now() + capabilities.graceMs;
    const next: Inbox = { ...current, items: [...current.items, ...items], dueAt };
    const draft = inboxDraft(this.executionId, next, capabilities.dueShards);
    const result = await records.put(draft, versionOf(this.inbox));
    if (!result.ok) return false;
    this.inbox = storedInbox(draft, next, result.version);
    return true;
  }
}
