import { KitaruExecutionError } from "../errors.ts";
import { digest } from "../hash.ts";
import type {
  CancellingEntry,
  EndedEntry,
  Entry,
  OutcomeEntry,
  RejectedEntry,
} from "../journal/entry.ts";
import type { Inbox, InboxItem } from "../journal/inbox.ts";
import type { JournalState } from "../journal/state.ts";
import { storeError } from "../journal/stored-error.ts";
import { undefinedRef } from "../journal/values.ts";
import { validate } from "../schema.ts";
import type { EngineContext } from "./context.ts";
import { voidedBy } from "./retry-execution.ts";

/** Digest of the answer of a gate and of an expired wait. */
export const undefinedDigest: string = digest(undefined);

/**
 * Turn inbox items the journal has not yet taken in into entries, in order of arrival.
 * Items already journaled, and items for calls that have an outcome, are skipped.
 */
export async function adopt(
  context: EngineContext,
  inbox: Inbox,
  state: JournalState,
  now: number,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  const settled = new Set<string>();
  let cancelling = state.cancelling !== undefined;
  for (const item of inbox.items) {
    if (state.items.has(item.i)) continue;
    const entry = await entryFor(context, item, { state, settled, cancelling, now });
    if (entry === undefined) continue;
    if (entry.t === "cancelling") cancelling = true;
    if (entry.t === "completed" || entry.t === "failed") settled.add(entry.id);
    entries.push(entry);
    if (entry.t === "ended") break;
  }
  return entries;
}

interface Adoption {
  readonly state: JournalState;
  readonly settled: ReadonlySet<string>;
  readonly cancelling: boolean;
  readonly now: number;
}

async function entryFor(
  context: EngineContext,
  item: InboxItem,
  adoption: Adoption,
): Promise<Entry | undefined> {
  const { state, settled, now } = adoption;
  if (item.kind === "retry") return retried(item.i, state, now);
  if (state.ended !== undefined) return undefined;
  if (item.kind === "cancel") return cancelEntry(item.i, adoption);
  if (state.outcomes.has(item.call) || settled.has(item.call)) return undefined;
  const { at } = item;
  const call = {
    ...callFields(item, state),
    item: item.i,
    at: Math.min(now, Math.max(at, state.lastAdvance?.at ?? at)),
  };
  switch (item.kind) {
    case "answer":
      return item.raw === true
        ? checkRaw(context, item, call)
        : { t: "completed", ...call, out: item.value, vh: item.vh };
    case "expiry":
      return { t: "completed", ...call, out: undefinedRef, vh: undefinedDigest, expired: true };
    case "abort":
      return { t: "failed", ...call, err: storeError(aborted(item.call)) };
    case "child":
      return item.err === undefined
        ? { t: "completed", ...call, out: item.out ?? undefinedRef }
        : { t: "failed", ...call, err: item.err };
  }
}

type CallPart = Pick<OutcomeEntry, "id" | "kind" | "name" | "ask" | "h" | "item" | "at">;

function callFields(
  item: Extract<InboxItem, { call: string }>,
  state: JournalState,
): Pick<OutcomeEntry, "id" | "kind" | "name" | "ask" | "h"> {
  const known = state.known.get(item.call);
  if (known !== undefined)
    return { id: known.id, kind: known.kind, name: known.name, ask: known.ask, h: known.h };
  const kind = item.kind === "child" ? "flow" : "wait";
  return { id: item.call, kind, name: item.call.slice(0, item.call.lastIndexOf(":")) };
}

async function checkRaw(
  context: EngineContext,
  item: Extract<InboxItem, { kind: "answer" }>,
  call: CallPart,
): Promise<OutcomeEntry | RejectedEntry> {
  const schema = context.registry.wait(item.name)?.schema;
  if (schema === undefined) return { t: "completed", ...call, out: item.value, vh: item.vh };
  const checked = await validate(schema, await context.values.get(item.value));
  if (!checked.ok)
    return { t: "rejected", item: item.i, id: item.call, reason: checked.issues, at: call.at };
  const out = await context.values.put(checked.value, `the answer to ${item.call}`);
  return { t: "completed", ...call, out, vh: digest(checked.value) };
}

function cancelEntry(
  item: string,
  { cancelling: again, now }: Adoption,
): CancellingEntry | EndedEntry {
  return again
    ? { t: "ended", status: "cancelled", at: now }
    : { t: "cancelling", reason: "cancel", item, at: now };
}

function retried(item: string, state: JournalState, now: number): Entry | undefined {
  if (state.ended?.status !== "failed") return undefined;
  return { t: "retried", voids: voidedBy(state, state.ended), item, at: now };
}

function aborted(callId: string): KitaruExecutionError {
  return new KitaruExecutionError(
    `The wait ${callId} was aborted by the person or program that was asked.`,
    { code: "wait_aborted", details: { call: callId } },
  );
}
