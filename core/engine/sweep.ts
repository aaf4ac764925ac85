import { type Head, headDraft, isEnd, readHead } from "../journal/head.ts";
import { type Inbox, inboxDraft, readInbox, timeKey } from "../journal/inbox.ts";
import type { LoadedExecution } from "../journal/load.ts";
import type { StoredRecord } from "../ports/records.ts";
import { takeUpAbandoned } from "./abandoned.ts";
import type { EngineContext } from "./context.ts";
import { dueRecords } from "./due.ts";
import { load } from "./session.ts";
import { restartExecution } from "./restart.ts";
import { openTasksUntil } from "./task-deadline.ts";

/** Records that one sweep deletes at the most. */
const deletedAtOnce = 500;
/** How often a token that answers is poked before the execution is restarted all the same. */
const pokes = 2;

/**
 * Wake, restart or repair every execution that is overdue, take up what processes that are gone had at work, and delete
 * some of what has expired; returns how many executions that were.
 * One that cannot be read does not keep the others waiting: its error is thrown when all have had their turn.
 */
export async function sweep(context: EngineContext): Promise<number> {
  const overdue = new Set<string>();
  const to = timeKey(context.clock.now() + 1);
  for await (const { partition } of dueRecords(context, { to }))
    overdue.add(partition.slice("exec/".length));
  const failures: unknown[] = [];
  for (const id of overdue)
    await sweepExecution(context, id).catch((error: unknown) => failures.push(error));
  const failed = (error: unknown): void => void failures.push(error);
  await context.backend.records.deleteExpired?.(deletedAtOnce).catch(failed);
  const abandoned = await takeUpAbandoned(context, failed);
  if (failures.length > 0) throw failures[0];
  return overdue.size + abandoned;
}

/** Indexes lag, so the execution is read anew before anything is done about it. */
export async function sweepExecution(context: EngineContext, id: string): Promise<void> {
  const execution = await load(context, id);
  const { head: record } = execution;
  if (record === undefined) return;
  const head = readHead(record);
  const inbox = readInbox(execution.inbox);
  const now = context.clock.now();
  if (!isOverdue(head, inbox, now)) return;
  const { orchestrator } = context.backend;
  if (orchestrator.canDrive?.(head.facts) === false) return; // a process that knows the flow will
  if (isSettled(execution, head, inbox)) return clearInbox(context, id, execution);
  if (await isWellParked(context, execution, inbox, now))
    return dueWith(context, record, inbox.dueAt);
  if (await poked(context, id, execution, inbox, now)) return;
  const heldUntil = heldBy(execution, head);
  if (heldUntil !== undefined && now < heldUntil && !(await isOwnerGone(context, execution)))
    return dueWith(context, record, heldUntil);
  await restartExecution(context, record);
}

/** Until when somebody may be at work on the execution: an advance, or what it has sent its isolated attempts to. */
function heldBy(execution: LoadedExecution, head: Head): number | undefined {
  const { ended, lastAdvance, epoch } = execution.journal.state;
  if (ended !== undefined || lastAdvance === undefined) return undefined;
  const isAtRest = lastAdvance.gen !== undefined && head.view.epoch >= epoch;
  const claimed = isAtRest ? 0 : lastAdvance.until;
  return Math.max(claimed, openTasksUntil(execution, lastAdvance.at) ?? 0);
}

async function isOwnerGone(
  { backend }: EngineContext,
  { journal }: LoadedExecution,
): Promise<boolean> {
  const owner = journal.state.lastAdvance?.owner;
  return owner !== undefined && (await backend.orchestrator.isGone?.(owner)) === true;
}

function isOverdue(head: Head, inbox: Inbox, now: number): boolean {
  return (
    (head.dueAt !== undefined && head.dueAt <= now) ||
    (inbox.dueAt !== undefined && inbox.dueAt <= now)
  );
}

/** Ended, everybody told, and nobody wants it retried. */
function isSettled({ journal }: LoadedExecution, head: Head, inbox: Inbox): boolean {
  const { ended, items } = journal.state;
  if (ended === undefined || !isEnd(head.view.status) || head.dueAt !== undefined) return false;
  return !inbox.items.some((item) => item.kind === "retry" && !items.has(item.i));
}

/** Parked, nothing unread, not due, and somebody listens. */
async function isWellParked(
  context: EngineContext,
  { journal }: LoadedExecution,
  inbox: Inbox,
  now: number,
): Promise<boolean> {
  if (journal.state.ended !== undefined || inbox.parked === undefined || inbox.items.length > 0)
    return false;
  if (inbox.dueAt === undefined || inbox.dueAt <= now) return false;
  return (await context.backend.orchestrator.isGone?.(inbox.parked)) !== true;
}

async function poked(
  context: EngineContext,
  id: string,
  execution: LoadedExecution,
  inbox: Inbox,
  now: number,
): Promise<boolean> {
  const times = inbox.poked ?? 0;
  if (inbox.parked === undefined || execution.inbox === undefined || times >= pokes) return false;
  if (!(await context.backend.orchestrator.wake(inbox.parked, id))) return false;
  const { records, capabilities } = context.backend;
  const dueAt = now + capabilities.graceMs;
  const draft = inboxDraft(id, { ...inbox, poked: times + 1, dueAt }, capabilities.dueShards);
  await records.put(draft, execution.inbox.version);
  if (execution.head !== undefined) await dueWith(context, execution.head, dueAt);
  return true;
}

async function dueWith(
  context: EngineContext,
  record: StoredRecord,
  dueAt: number | undefined,
): Promise<void> {
  const { records, capabilities } = context.backend;
  const head = readHead(record);
  if (head.dueAt === dueAt || dueAt === undefined) return;
  await records.put(headDraft({ ...head, dueAt }, capabilities.dueShards), record.version);
}

async function clearInbox(
  context: EngineContext,
  id: string,
  { inbox: record }: LoadedExecution,
): Promise<void> {
  if (record === undefined) return;
  const { dueAt: _past, ...inbox } = readInbox(record);
  const { records, capabilities } = context.backend;
  await records.put(inboxDraft(id, inbox, capabilities.dueShards), record.version);
}
