import { advance } from "../engine/advance.ts";
import { type EngineContext, makeNonce } from "../engine/context.ts";
import { load } from "../engine/session.ts";
import { statusOf } from "../engine/status.ts";
import { KitaruStateError } from "../errors.ts";
import type { Entry } from "../journal/entry.ts";
import { type Inbox, inboxDraft, inboxKey, readInbox, versionOf } from "../journal/inbox.ts";
import type { LoadedExecution } from "../journal/load.ts";

/** Owner under which an execution is retired. */
const owner = "export";

/**
 * End an execution here, so that it can go on elsewhere: its journal and its inbox take nothing more, and whoever drove it
 * or says something to it finds that. Repeatable; one that has ended stays as it is. Throws a state error when it is not at
 * rest.
 */
export async function retire(context: EngineContext, id: string): Promise<void> {
  for (;;) {
    const execution = await load(context, id);
    const { journal } = execution;
    if (journal.state.ended !== undefined) {
      if (journal.state.ended.moved === true) break;
      return;
    }
    checkAtRest(execution, id, context.clock.now());
    const entries = retirement(execution, context.clock.now());
    const { records } = context.backend;
    if ((await journal.append(records, entries, makeNonce(context))) === "appended") break;
  }
  const token = await closeInbox(context, id);
  await advance(context, { executionId: id, owner }); // the head says so too
  if (token === undefined) return;
  await context.backend.orchestrator.wake(token, id).catch(() => false); // it ends at its next look, if not now
}

/** Throw a state error unless nothing of it runs. */
export function checkAtRest(execution: LoadedExecution, id: string, now: number): void {
  const status = statusOf(execution, id, now);
  const runs = [...execution.journal.state.pending()].find(
    (open) => open.t === "scheduled" && open.child === undefined,
  );
  if (runs === undefined && status !== "queued" && status !== "running") return;
  throw new KitaruStateError(
    `Execution ${id} is ${runs === undefined ? status : `running ${runs.id}`} and cannot be exported now. Export it once it rests on a wait, a sleep or a child flow, or has ended.`,
  );
}

function retirement({ journal }: LoadedExecution, at: number): readonly Entry[] {
  const { epoch, position } = journal.state;
  const message =
    "It was moved away with `executions export --move`, and goes on where that file is imported. Imported here, it goes on here.";
  const err = { name: "KitaruCancelledError", code: "cancelled", message };
  return [
    // its claim has passed on every clock, also on one that is behind
    { t: "advance", epoch: epoch + 1, owner, until: 0, pos: position, at },
    { t: "ended", status: "cancelled", err, moved: true, at },
  ];
}

/** What is said from now on is refused; what was being said meanwhile looks again. The token of whoever drove it. */
async function closeInbox(context: EngineContext, id: string): Promise<string | undefined> {
  const { records, capabilities } = context.backend;
  for (;;) {
    const record = await records.get(inboxKey(id));
    const inbox = readInbox(record);
    const closed: Inbox = { items: inbox.items };
    const draft = inboxDraft(id, closed, capabilities.dueShards);
    if ((await records.put(draft, versionOf(record))).ok) return inbox.parked;
  }
}
