import { KitaruCancelledError, KitaruStateError } from "../errors.ts";
import type { EndStatus, ReplayPlan, ScheduledEntry } from "../journal/entry.ts";
import { type Head, type HeadView, headKey, isEnd, readHead } from "../journal/head.ts";
import {
  type ChildItem,
  type InboxItem,
  inboxDraft,
  inboxKey,
  readInbox,
  versionOf,
} from "../journal/inbox.ts";
import type { EngineContext } from "./context.ts";
import { isParentCancel, parentCancel, parentRetry, voidedBy } from "./retry-execution.ts";
import type { JournalState } from "../journal/state.ts";
import { storeError } from "../journal/stored-error.ts";
import { takeUp } from "./restart.ts";
import { isRetryPending, signal } from "./signal.ts";
import { pinned } from "./replay/plan.ts";
import { type Session, load } from "./session.ts";
import { type StartExecution, startExecution } from "./start.ts";

/** Id of the execution a child call runs as. */
export function childExecutionId(parentId: string, callId: string): string {
  return `${parentId}/${callId}`;
}

/**
 * Make sure the child of an open call runs, whoever drove it before; resolves to its end when it has ended already.
 * One that failed before its call was scheduled anew, or that its parent had cancelled before it was retried, is retried.
 */
export async function ensureChild(
  session: Session,
  open: ScheduledEntry,
): Promise<Pick<ChildItem, "out" | "err"> | undefined> {
  const { context } = session;
  const id = open.child ?? "";
  const record = await context.backend.records.get(headKey(id));
  const head = record === undefined ? await startChild(session, open, id) : readHead(record);
  if (head === undefined) return undefined;
  if (!isEnd(head.view.status)) {
    if (record !== undefined) await takeUp(context, id);
    return undefined;
  }
  const round = roundOf(session.state, open, head.view.status);
  if (round === 0) return endOf(id, head.view);
  return (await retryAlong(context, id, round)) ? undefined : presentEnd(context, id);
}

/** What the end of an execution means for the call that started it. */
export function endOf(
  id: string,
  { status, out, err }: Pick<HeadView, "status" | "out" | "err">,
): Pick<ChildItem, "out" | "err"> {
  if (status === "completed") return out === undefined ? {} : { out };
  // one that was cancelled twice has ended without a word of its own
  return { err: err ?? storeError(new KitaruCancelledError(`Execution ${id} was cancelled.`)) };
}

async function startChild(
  session: Session,
  open: ScheduledEntry,
  id: string,
): Promise<Head | undefined> {
  const { context, executionId } = session;
  const flow = context.registry.flow(open.name);
  const [input] = open.in;
  if (flow === undefined || input === undefined) return undefined;
  if (session.state.retries.length > 0) await withdrawCancel(context, id);
  const parent = readHead(session.head).facts;
  const replay = await replayOfChild(context, open);
  return startExecution(context, {
    id,
    flow,
    input: await context.values.get(input),
    pin: parent,
    stack: parent.stack,
    parent: { id: executionId, call: open.id },
    ...(parent.source === undefined ? {} : { source: parent.source }),
    ...(replay === undefined ? {} : { replay }),
    ...(parent.isReplay === true ? { isReplay: true } : {}),
  });
}

/** In a replay, a child flow that runs again replays the one before it. */
async function replayOfChild(
  context: EngineContext,
  { src, asks }: ScheduledEntry,
): Promise<StartExecution["replay"]> {
  if (src === undefined) return undefined;
  const { journal } = await load(context, src);
  const { started, position } = journal.state;
  if (started === undefined) return undefined; // it never came to run
  const plan = asks === true ? await context.values.put({ asks } satisfies ReplayPlan) : undefined;
  return pinned(src, started, position, plan);
}

/** Which retry of its parent a child that has ended is to be retried along with; 0 for none. */
function roundOf({ retries }: JournalState, open: ScheduledEntry, status: EndStatus): number {
  if (status === "completed") return 0;
  return status === "failed" ? open.no - 1 : retries.length;
}

/** Retry a child along with its parent, once for each retry of that; false when that says nothing new. */
async function retryAlong(context: EngineContext, id: string, round: number): Promise<boolean> {
  try {
    const item = parentRetry(round);
    return !(await signal(context, id, { kind: "retry", item })).repeated;
  } catch (error) {
    if (error instanceof KitaruStateError) return false; // it goes on already, or a retry cannot change its end
    throw error;
  }
}

/**
 * Whether a retry that forgets these calls would run a checkpoint a second time that is declared at-most-once, its own or
 * one of a child that is retried along. Only a person may ask for that.
 */
export async function repeatsOnce(
  context: EngineContext,
  state: JournalState,
  voids: readonly string[],
): Promise<boolean> {
  for (const id of voids) {
    if (state.attempts.get(id)?.some((attempt) => attempt.open === true) === true) return true;
    const open = state.opens.get(id);
    const hasFailed = state.outcomes.get(id)?.entry.t === "failed";
    if (!hasFailed || open?.t !== "scheduled" || open.child === undefined) continue;
    const { journal } = await load(context, open.child);
    const { ended } = journal.state;
    if (ended === undefined) continue;
    if (await repeatsOnce(context, journal.state, voidedBy(journal.state, ended))) return true;
  }
  return false;
}

/** How a child that was retried before has ended, if it has: its head may still show the end before. */
async function presentEnd(
  context: EngineContext,
  id: string,
): Promise<Pick<ChildItem, "out" | "err"> | undefined> {
  const { inbox, journal } = await load(context, id);
  const { ended } = journal.state;
  if (ended === undefined || isRetryPending(readInbox(inbox), journal.state)) return undefined;
  return endOf(id, ended);
}

/** Cancel a child once, however often the parent's advance comes by here. */
export async function cancelChild({ context, state }: Session, id: string): Promise<void> {
  const item = parentCancel(state.retries.length);
  for (;;) {
    try {
      await signal(context, id, { kind: "cancel", item });
      return;
    } catch (error) {
      if (!(error instanceof KitaruStateError)) throw error;
      if (error.code !== "not_found") return; // it has ended: nothing to cancel
    }
    if (await cancelBefore(context, id, item)) return;
  }
}

/**
 * Cancel a child that has not been started, which an advance that was superseded may still do: its first advance finds
 * this. False when there is something of it meanwhile.
 */
async function cancelBefore(context: EngineContext, id: string, i: string): Promise<boolean> {
  const { records, capabilities } = context.backend;
  const record = await records.get(inboxKey(id));
  const inbox = readInbox(record);
  if (inbox.items.some((item) => item.i === i)) return true;
  const cancel: InboxItem = { i, at: context.clock.now(), kind: "cancel" };
  const next = { ...inbox, items: [...inbox.items, cancel] };
  const draft = inboxDraft(id, next, capabilities.dueShards);
  return (await records.put(draft, versionOf(record))).ok;
}

/** Take back what {@link cancelBefore} has left for a child; its parent has been retried. */
async function withdrawCancel({ backend }: EngineContext, id: string): Promise<void> {
  const { records, capabilities } = backend;
  for (;;) {
    const record = await records.get(inboxKey(id));
    const inbox = readInbox(record);
    const items = inbox.items.filter((item) => !isParentCancel(item.i));
    if (items.length === inbox.items.length) return;
    const draft = inboxDraft(id, { ...inbox, items }, capabilities.dueShards);
    if ((await records.put(draft, versionOf(record))).ok) return;
  }
}

/** Cancel every open child. */
export async function cancelChildren(session: Session): Promise<void> {
  for (const open of session.state.pending())
    if (open.t === "scheduled" && open.child !== undefined) await cancelChild(session, open.child);
}
