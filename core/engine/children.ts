import { isKitaruError } from "../errors.ts";
import type { ScheduledEntry } from "../journal/entry.ts";
import { type Head, headKey, isEnd, readHead } from "../journal/head.ts";
import type { ChildItem } from "../journal/inbox.ts";
import type { EngineContext } from "./context.ts";
import type { Session } from "./session.ts";
import { signal } from "./signal.ts";
import { startExecution } from "./start.ts";

/** Id of the execution a child call runs as. */
export function childExecutionId(parentId: string, callId: string): string {
  return `${parentId}/${callId}`;
}

/**
 * Make sure the child of an open call runs; resolves to its end when it has ended already.
 * A child that had failed before its call was scheduled anew (`fresh`) is retried.
 */
export async function ensureChild(
  session: Session,
  open: ScheduledEntry,
  fresh: boolean,
): Promise<Pick<ChildItem, "out" | "err"> | undefined> {
  const { context } = session;
  const id = open.child ?? "";
  const record = await context.backend.records.get(headKey(id));
  const head = record === undefined ? await startChild(session, open, id) : readHead(record);
  if (head === undefined || !isEnd(head.view.status)) return undefined;
  if (fresh && head.view.status === "failed" && (await retried(context, id))) return undefined;
  return endOf(head);
}

/** What the end of an execution means for the call that started it. */
export function endOf(head: Head): Pick<ChildItem, "out" | "err"> {
  const { out, err } = head.view;
  return { ...(out === undefined ? {} : { out }), ...(err === undefined ? {} : { err }) };
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
  const parent = readHead(session.head).facts;
  return startExecution(context, {
    id,
    flow,
    input: await context.values.get(input),
    version: parent.version,
    stack: parent.stack,
    parent: { id: executionId, call: open.id },
    ...(parent.source === undefined ? {} : { source: parent.source }),
  });
}

async function retried(context: EngineContext, id: string): Promise<boolean> {
  try {
    await signal(context, id, { kind: "retry" });
    return true;
  } catch (error) {
    if (isKitaruError(error)) return false; // its own error: retrying cannot change it
    throw error;
  }
}

/** Cancel a child once, however often the parent's advance comes by here. */
export async function signalChildCancel(context: EngineContext, id: string): Promise<void> {
  try {
    await signal(context, id, { kind: "cancel", item: "parent" });
  } catch (error) {
    if (!isKitaruError(error)) throw error; // it never started, or has ended: nothing to cancel
  }
}
