import { type Head, type HeadFacts, headDraft, isEnd, readHead } from "../journal/head.ts";
import { type Inbox, readInbox } from "../journal/inbox.ts";
import type { LoadedExecution } from "../journal/load.ts";
import type { JournalState } from "../journal/state.ts";
import type { StartParams } from "../ports/orchestrator.ts";
import type { StoredRecord } from "../ports/records.ts";
import type { EngineContext } from "./context.ts";
import { load } from "./session.ts";

/** What an orchestrator needs to know of an execution. */
export function startParams({ id, flow, bundle, generation }: HeadFacts): StartParams {
  return {
    executionId: id,
    flow,
    ...(bundle === undefined ? {} : { bundle }),
    generation,
  };
}

/**
 * Set going an execution whose orchestration is gone, under the next generation.
 * Does nothing when somebody else did so first.
 */
export async function restartExecution(
  context: EngineContext,
  record: StoredRecord,
): Promise<boolean> {
  const { records, orchestrator, capabilities } = context.backend;
  const head = readHead(record);
  const generation = head.facts.generation + 1;
  const dueAt = context.clock.now() + capabilities.graceMs;
  const next: Head = { ...head, facts: { ...head.facts, generation }, dueAt };
  const result = await records.put(headDraft(next, capabilities.dueShards), record.version);
  if (!result.ok) return false;
  await orchestrator.start(startParams(next.facts));
  return true;
}

/**
 * Set going an execution that nobody drives any more, where the stack can tell at once.
 * Elsewhere the sweep finds it.
 */
export async function takeUp(context: EngineContext, id: string): Promise<void> {
  if (context.backend.orchestrator.isGone === undefined) return;
  await takeUpLeft(context, await load(context, id));
}

/**
 * Like {@link takeUp}, for those who only wait for the execution and look again and again: who has created it may not have
 * begun, and is given the time to. Resolves to who drives it, as far as that is known; given with the next look, the journal
 * is not read as long as that one is there.
 */
export async function takeUpAwaited(
  context: EngineContext,
  id: string,
  driver?: string,
): Promise<string | undefined> {
  const { orchestrator } = context.backend;
  if (orchestrator.isGone === undefined) return undefined;
  if (driver !== undefined && !(await orchestrator.isGone(driver))) return driver;
  const execution = await load(context, id);
  if (isBeingStarted(execution, context.clock.now())) return undefined;
  await takeUpLeft(context, execution);
  return driverOf(readInbox(execution.inbox), execution.journal.state);
}

/** Whether an execution was created so recently that nobody need have begun with it. */
export function isBeingStarted({ head, journal }: LoadedExecution, now: number): boolean {
  const dueAt = head === undefined ? undefined : readHead(head).dueAt;
  return journal.state.lastAdvance === undefined && dueAt !== undefined && dueAt > now;
}

async function takeUpLeft(context: EngineContext, execution: LoadedExecution): Promise<void> {
  const { orchestrator } = context.backend;
  const { head: record } = execution;
  if (record === undefined || orchestrator.isGone === undefined) return;
  const { facts, view } = readHead(record);
  if (isEnd(view.status) || orchestrator.canDrive?.(facts) === false) return;
  const driver = driverOf(readInbox(execution.inbox), execution.journal.state);
  if (driver !== undefined && !(await orchestrator.isGone(driver))) return;
  await restartExecution(context, record);
}

/** Who drives an execution, or rests with it, as its inbox and its journal say. Undefined while it is only being started. */
export function driverOf(inbox: Inbox, state: JournalState): string | undefined {
  return inbox.parked ?? state.lastAdvance?.owner;
}
