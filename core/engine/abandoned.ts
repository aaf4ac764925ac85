import { isEnd, readHead } from "../journal/head.ts";
import { readInbox, timeKey } from "../journal/inbox.ts";
import type { StoredRecord } from "../ports/records.ts";
import type { EngineContext } from "./context.ts";
import { dueRecords } from "./due.ts";
import { driverOf, restartExecution } from "./restart.ts";
import { load } from "./session.ts";

interface Look {
  /** Which process an execution was last seen with: read once, for as long as that one is there. */
  readonly owners: Map<string, string>;
  /** Records that were read to find those at work. */
  read: number;
  /** Sweeps since, this one included. */
  sweeps: number;
}

const looks = new WeakMap<EngineContext, Look>();

/** Most records a sweep reads, on average: it comes every second, and nearly all that is due some day rests until then. */
const recordsASweep = 1000;

/**
 * Take up what was at work in processes that are known to be gone, long before it is overdue; returns how many executions
 * that were. Only where processes themselves drive executions: elsewhere the native orchestration is there to be asked.
 * Where many rest, not every sweep looks. What is wrong with one execution goes to `failed`, and the others have their turn.
 */
export async function takeUpAbandoned(
  context: EngineContext,
  failed: (error: unknown) => void,
): Promise<number> {
  if (context.backend.orchestrator.drives === undefined) return 0;
  const before = looks.get(context);
  if (before !== undefined && before.sweeps++ * recordsASweep < before.read) return 0;
  const look: Look = { owners: new Map(), read: 0, sweeps: 1 };
  looks.set(context, look);
  let count = 0;
  // what says of itself when it will be overdue
  for await (const record of dueRecords(context, { from: timeKey(context.clock.now() + 1) })) {
    look.read++;
    if (record.sort !== "head") continue;
    try {
      if (await takeUpIfAbandoned(context, record, look, before)) count++;
    } catch (error) {
      failed(error);
    }
  }
  return count;
}

async function takeUpIfAbandoned(
  context: EngineContext,
  record: StoredRecord,
  look: Look,
  before: Look | undefined,
): Promise<boolean> {
  const { orchestrator } = context.backend;
  const { facts, view } = readHead(record);
  const { id } = facts;
  if (view.status === "waiting" || isEnd(view.status)) return false; // these rest until they are due
  if (orchestrator.drives?.(id) === true || orchestrator.canDrive?.(facts) === false) return false;
  const owner = await ownerOf(context, id, before?.owners.get(id));
  if (owner === undefined) return false;
  if (await isGone(context, owner)) return restartExecution(context, record);
  look.owners.set(id, owner);
  return false;
}

/** The process an execution is with, as last seen or as its journal says. Undefined while it is only being started. */
async function ownerOf(
  context: EngineContext,
  id: string,
  seen: string | undefined,
): Promise<string | undefined> {
  if (seen !== undefined && !(await isGone(context, seen))) return seen;
  const { inbox, journal } = await load(context, id);
  return driverOf(readInbox(inbox), journal.state);
}

async function isGone({ backend }: EngineContext, owner: string): Promise<boolean> {
  return (await backend.orchestrator.isGone?.(owner)) === true;
}
