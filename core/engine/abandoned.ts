import { isEnd, readHead } from "../journal/head.ts";
import { duePartition, readInbox, timeKey } from "../journal/inbox.ts";
import type { StoredRecord } from "../ports/records.ts";
import type { EngineContext } from "./context.ts";
import { restartExecution } from "./restart.ts";
import { load } from "./session.ts";

/** Which process an execution was last seen with: read once, for as long as that one is there. */
const owners = new WeakMap<EngineContext, Map<string, string>>();

/**
 * Take up what was at work in processes that are known to be gone, long before it is overdue; returns how many executions
 * that were. Only where processes themselves drive executions: elsewhere the native orchestration is there to be asked.
 */
export async function takeUpAbandoned(context: EngineContext): Promise<number> {
  if (context.backend.orchestrator.drives === undefined) return 0;
  const before = owners.get(context);
  const seen = new Map<string, string>();
  owners.set(context, seen);
  let count = 0;
  for (let shard = 0; shard < context.backend.capabilities.dueShards; shard++)
    for await (const record of atWork(context, shard)) {
      const { id } = readHead(record).facts;
      const owner = await ownerOf(context, id, before?.get(id));
      if (owner === undefined) continue;
      if (!(await isGone(context, owner))) seen.set(id, owner);
      else if (await restartExecution(context, record)) count++;
    }
  return count;
}

/** Heads that say when an execution at work elsewhere will be overdue. */
async function* atWork(context: EngineContext, shard: number): AsyncGenerator<StoredRecord> {
  const { records, orchestrator } = context.backend;
  const from = timeKey(context.clock.now() + 1);
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await records.listIndex("due", {
      partition: duePartition(shard),
      from,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const record of page.items) {
      if (record.sort !== "head") continue;
      const { facts, view } = readHead(record);
      if (view.status === "waiting" || isEnd(view.status)) continue; // these rest until they are due
      if (orchestrator.drives?.(facts.id) === true) continue;
      if (orchestrator.canDrive?.(facts) !== false) yield record;
    }
    cursor = page.cursor;
  }
}

/** The process an execution is with, as last seen or as its journal says. Undefined while it is only being started. */
async function ownerOf(
  context: EngineContext,
  id: string,
  seen: string | undefined,
): Promise<string | undefined> {
  if (seen !== undefined && !(await isGone(context, seen))) return seen;
  const { inbox, journal } = await load(context, id);
  return readInbox(inbox).parked ?? journal.state.lastAdvance?.owner;
}

async function isGone({ backend }: EngineContext, owner: string): Promise<boolean> {
  return (await backend.orchestrator.isGone?.(owner)) === true;
}
