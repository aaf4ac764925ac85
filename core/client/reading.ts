import { readEntries } from "../engine/artifacts.ts";
import type { EngineContext } from "../engine/context.ts";
import { readPlan } from "../engine/replay/plan.ts";
import { load } from "../engine/session.ts";
import { settledStart } from "../engine/starts.ts";
import { presentHead, tellStatus } from "../engine/status.ts";
import { hasCode } from "../errors.ts";
import type { Entry, ReplayPlan } from "../journal/entry.ts";
import type { ExecutionStatus, Head } from "../journal/head.ts";
import { type Inbox, readInbox } from "../journal/inbox.ts";
import type { LoadedExecution } from "../journal/load.ts";

/** An execution as the store has it, at one position of its journal. */
export interface ReadExecution {
  readonly head: Head;
  readonly inbox: Inbox;
  readonly entries: readonly Entry[];
  readonly status: ExecutionStatus;
  readonly loaded: LoadedExecution;
  /** What a replay was to do otherwise. */
  readonly plan: ReplayPlan | undefined;
}

/** Read an execution. Throws a state error (`not_found`) when there is none. */
export async function readExecution(context: EngineContext, id: string): Promise<ReadExecution> {
  await settledStart(id);
  const loaded = await load(context, id);
  const status = await tellStatus(context, loaded, id);
  const entries = await readEntries(context, id);
  const head = presentHead(loaded, id);
  const { replayOf } = head.facts;
  return {
    head,
    plan: replayOf && (await readPlan(context.values, replayOf)),
    inbox: readInbox(loaded.inbox),
    // what was appended in between belongs to a later position than the status
    entries: entries.slice(0, loaded.journal.state.position),
    status,
    loaded,
  };
}

/** Read an execution; undefined when there is none. */
export async function readIfThere(
  context: EngineContext,
  id: string,
): Promise<ReadExecution | undefined> {
  try {
    return await readExecution(context, id);
  } catch (error) {
    if (hasCode(error, "not_found")) return undefined;
    throw error;
  }
}
