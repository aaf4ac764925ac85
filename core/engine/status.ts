import { type ExecutionStatus, type Head, isEnd, readHead } from "../journal/head.ts";
import type { LoadedExecution } from "../journal/load.ts";
import { readInbox } from "../journal/inbox.ts";
import type { EngineContext } from "./context.ts";
import { noExecution } from "./no-execution.ts";
import { load } from "./session.ts";
import { isRetryPending } from "./signal.ts";

/** Status of an execution, from its journal. Throws a state error (`not_found`) when there is none. */
export async function readStatus(context: EngineContext, id: string): Promise<ExecutionStatus> {
  return tellStatus(context, await load(context, id), id);
}

/**
 * The status to tell somebody: an execution whose process is known to be gone does not run, though its claim still
 * stands; it is queued for whoever takes it up.
 */
export async function tellStatus(
  context: EngineContext,
  execution: LoadedExecution,
  id: string,
): Promise<ExecutionStatus> {
  const status = statusOf(execution, id, context.clock.now());
  const owner = execution.journal.state.lastAdvance?.owner;
  if (status !== "running" || owner === undefined) return status;
  return (await context.backend.orchestrator.isGone?.(owner)) === true ? "queued" : status;
}

/** Status as the journal and the head say it together. */
export function statusOf(execution: LoadedExecution, id: string, now: number): ExecutionStatus {
  const { view } = presentHead(execution, id);
  const { state } = execution.journal;
  if (state.ended !== undefined) return state.ended.status;
  if (state.started === undefined) return "queued";
  const isAtRest = view.epoch >= state.epoch && !isEnd(view.status);
  return isAtRest ? view.status : runningOrWaiting(execution, now);
}

/** The head of an execution. Throws a state error (`not_found`) when there is none. */
export function presentHead({ head }: LoadedExecution, id: string): Head {
  if (head === undefined) throw noExecution(id);
  return readHead(head);
}

/** Between advances, an execution whose every open call awaits the outside world is waiting. */
function runningOrWaiting({ journal }: LoadedExecution, now: number): ExecutionStatus {
  const claimed = journal.state.lastAdvance;
  return claimed !== undefined && now < claimed.until ? "running" : "queued";
}

/** Whether an execution has ended, as its head says, and is not being retried. */
export async function hasEnded(context: EngineContext, { facts, view }: Head): Promise<boolean> {
  if (!isEnd(view.status)) return false;
  return view.status === "completed" || !(await isReopened(context, facts.id));
}

/** Whether an execution whose head says that it has ended is being retried. */
export async function isReopened(context: EngineContext, id: string): Promise<boolean> {
  const { inbox, journal } = await load(context, id);
  return journal.state.ended === undefined || isRetryPending(readInbox(inbox), journal.state);
}
