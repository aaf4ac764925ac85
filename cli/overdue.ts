import { Executions } from "../core/client/executions.ts";
import type { Runtime } from "../core/engine/runtime.ts";
import { load } from "../core/engine/session.ts";
import { type HeadFacts, readHead } from "../core/journal/head.ts";
import { duePartition, readInbox, timeKey } from "../core/journal/inbox.ts";

/** Most executions that are looked at per shard of the index. */
const mostPerShard = 100;

/**
 * Executions that somebody should have gone on with before `before`, epoch milliseconds, and nobody has. One that
 * waits for an answer is none of them: whoever answers goes on with it.
 */
export async function overdueExecutions(runtime: Runtime, before: number): Promise<HeadFacts[]> {
  const { records, capabilities } = runtime.backend;
  const ids = new Set<string>();
  for (let shard = 0; shard < capabilities.dueShards; shard++) {
    const page = await records.listIndex("due", {
      partition: duePartition(shard),
      to: timeKey(before),
      limit: mostPerShard,
    });
    for (const { partition } of page.items) ids.add(partition.slice("exec/".length));
  }
  const found = await Promise.all([...ids].map((id) => overdue(runtime, id, before)));
  return found.filter((one) => one !== undefined);
}

async function overdue(
  runtime: Runtime,
  id: string,
  before: number,
): Promise<HeadFacts | undefined> {
  const { context } = runtime;
  const execution = await load(context, id);
  if (execution.head === undefined) return undefined;
  const { facts, view } = readHead(execution.head);
  const inbox = readInbox(execution.inbox);
  const { items, lastAdvance: owner } = execution.journal.state;
  if (view.status === "waiting") {
    const isUnread = inbox.items.some(({ i }) => !items.has(i));
    const isAsleep = !isUnread && (inbox.dueAt ?? 0) > before;
    const isWell = isAsleep || (!isUnread && (await waitsForAnswer(runtime, id, before)));
    return isWell ? undefined : facts;
  }
  const isHeld = owner !== undefined && context.clock.now() < owner.until;
  const isGone = isHeld && (await context.backend.orchestrator.isGone?.(owner.owner)) === true;
  return isHeld && !isGone ? undefined : facts;
}

/** Whether all that is open are questions, and children, which are looked at themselves. */
async function waitsForAnswer(runtime: Runtime, id: string, before: number): Promise<boolean> {
  const executions = new Executions(async () => runtime);
  const { calls, pendingWaits } = await executions.get(id);
  const open = calls.filter(({ status }) => status === "waiting" || status === "running");
  const isExpired = pendingWaits.some(
    ({ expiresAt }) => expiresAt !== undefined && expiresAt.getTime() <= before,
  );
  return !isExpired && open.every(({ kind }) => kind === "wait" || kind === "flow");
}
