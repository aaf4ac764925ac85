import type { EngineContext } from "../engine/context.ts";
import { load } from "../engine/session.ts";
import { presentHead, statusOf } from "../engine/status.ts";
import type { OpeningEntry } from "../journal/entry.ts";
import { headKey, readHead } from "../journal/head.ts";
import { readInbox } from "../journal/inbox.ts";
import type { LoadedExecution } from "../journal/load.ts";
import { pendingWaitsOf } from "./execution-view.ts";

/**
 * What an execution that no advance is working on rests on: `wait` when it asks something, or when all its children
 * rest and one of them does; `time` when nobody is asked. Undefined while something of it is under way.
 */
export async function restOf(
  context: EngineContext,
  id: string,
): Promise<"wait" | "time" | undefined> {
  const record = await context.backend.records.get(headKey(id));
  if (record === undefined || readHead(record).view.status !== "waiting") return undefined;
  const execution = await load(context, id);
  const now = context.clock.now();
  const inbox = readInbox(execution.inbox);
  const { state } = execution.journal;
  if (
    statusOf(execution, id, now) !== "waiting" ||
    inbox.items.some((item) => !state.items.has(item.i)) ||
    isOverdue(execution, id, now)
  )
    return undefined;
  if (pendingWaitsOf(state, inbox).length > 0) return "wait";
  return restOfAll(context, [...state.pending()]);
}

/** Whether the time of something an execution rests on has come, so that an advance takes it further. */
export function isOverdue(execution: LoadedExecution, id: string, now: number): boolean {
  const { timeoutAt } = presentHead(execution, id).facts;
  if (timeoutAt !== undefined && timeoutAt <= now) return true;
  return [...execution.journal.state.pending()].some(
    (open) => open.t !== "scheduled" && open.due !== undefined && open.due <= now,
  );
}

/** Ids of the executions that ask somebody: this one, and children under it that are open. */
export async function askersOf(context: EngineContext, id: string): Promise<string[]> {
  const { inbox, journal } = await load(context, id);
  const asks = pendingWaitsOf(journal.state, readInbox(inbox)).length > 0;
  const below: string[] = [];
  for (const child of childrenOf([...journal.state.pending()]))
    below.push(...(await askersOf(context, child)));
  return asks ? [id, ...below] : below;
}

async function restOfAll(
  context: EngineContext,
  opens: readonly OpeningEntry[],
): Promise<"wait" | "time" | undefined> {
  if (opens.some(isAttempt)) return undefined;
  let isAsked = false;
  // The one that was started last is the likeliest to be at work, and one at work is enough to know.
  for (const child of childrenOf(opens).toReversed()) {
    const rest = await restOf(context, child);
    if (rest === undefined) return undefined;
    isAsked ||= rest === "wait";
  }
  return isAsked ? "wait" : "time";
}

function childrenOf(opens: readonly OpeningEntry[]): string[] {
  return opens.flatMap((open) =>
    open.t === "scheduled" && open.child !== undefined ? [open.child] : [],
  );
}

/** Of an isolated checkpoint, which runs elsewhere. */
function isAttempt(open: OpeningEntry): boolean {
  return open.t === "scheduled" && open.child === undefined;
}
