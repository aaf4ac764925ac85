import { KitaruExecutionError } from "../errors.ts";
import type {
  CancellingEntry,
  CompletedEntry,
  EndedEntry,
  Entry,
  OutcomeEntry,
  RejectedEntry,
} from "../journal/entry.ts";
import type { ChildItem, Inbox, InboxItem } from "../journal/inbox.ts";
import type { JournalState } from "../journal/state.ts";
import { storeError } from "../journal/stored-error.ts";
import { undefinedRef } from "../journal/values.ts";
import { type AnswerFields, answerFields, checkAnswer, undefinedDigest } from "./answer.ts";
import type { EngineContext } from "./context.ts";
import { isParentCancel, retriedAfter, voidedBy } from "./retry-execution.ts";

/**
 * Turn inbox items the journal has not yet taken in into entries, in order of arrival.
 * Items already journaled, and items for calls that have an outcome, are skipped.
 * Of an ended execution a retry alone is taken in; what else has been said counts from then on.
 */
export async function adopt(
  context: EngineContext,
  inbox: Inbox,
  state: JournalState,
  now: number,
): Promise<Entry[]> {
  if (state.ended !== undefined) return reopen(inbox, state, state.ended, now);
  const entries: Entry[] = [];
  const settled = new Set<string>();
  let cancelling: Cancelling = state.cancelling?.entry;
  const isAdopted = (item: InboxItem): boolean => state.items.has(item.i);
  const lastRetry = inbox.items.findLastIndex((item) => item.kind === "retry" && isAdopted(item));
  for (const [index, item] of inbox.items.entries()) {
    if (isAdopted(item)) continue;
    if (item.kind === "cancel" && index < lastRetry) continue; // meant for the run that had failed
    const entry = await entryFor(context, item, { state, settled, cancelling, now });
    if (entry === undefined) continue;
    if (entry.t === "cancelling") cancelling = entry;
    if (entry.t === "completed" || entry.t === "failed") settled.add(entry.id);
    entries.push(entry);
    if (entry.t === "ended") break;
  }
  return entries;
}

/** The cancel that stands already. */
type Cancelling = Pick<CancellingEntry, "item"> | undefined;

interface Adoption {
  readonly state: JournalState;
  readonly settled: ReadonlySet<string>;
  readonly cancelling: Cancelling;
  readonly now: number;
}

async function entryFor(
  context: EngineContext,
  item: InboxItem,
  adoption: Adoption,
): Promise<Entry | undefined> {
  const { state, settled, now } = adoption;
  if (item.kind === "retry" || isCancelledChild(item)) return undefined;
  if (item.kind === "cancel") return cancelEntry(item.i, adoption);
  if ("taken" in item || state.outcomes.has(item.call) || settled.has(item.call)) return undefined;
  const { at } = item;
  const call = {
    ...callFields(item, state),
    item: item.i,
    at: Math.min(now, Math.max(at, state.lastAdvance?.at ?? at)),
  };
  switch (item.kind) {
    case "answer":
      return item.raw === true ? checkRaw(context, item, call) : completed(call, item);
    case "expiry":
      return { t: "completed", ...call, out: undefinedRef, vh: undefinedDigest(), expired: true };
    case "abort":
      return { t: "failed", ...call, err: storeError(aborted(item.call)) };
    case "child":
      return item.err === undefined
        ? { t: "completed", ...call, out: item.out ?? undefinedRef }
        : { t: "failed", ...call, err: item.err };
  }
}

/** Whether an item says that a child must be looked after, whose cancel a retry of its parent takes back. */
export function isCancelledChild(
  item: InboxItem,
): item is InboxItem & ChildItem & { readonly cancelled: true } {
  return item.kind === "child" && item.cancelled === true;
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
  const wait = context.registry.wait(item.name);
  if (wait === undefined) return completed(call, item);
  const checked = await checkAnswer(wait, await context.values.get(item.value));
  if (!checked.ok)
    return { t: "rejected", item: item.i, id: item.call, reason: checked.issues, at: call.at };
  const answer = await answerFields(context, item.call, checked.value);
  return completed(call, answer.vh === item.vh ? answer : { ...answer, gh: item.vh });
}

function completed(call: CallPart, { value, vh, gh }: AnswerFields): CompletedEntry {
  return { t: "completed", ...call, out: value, vh, ...(gh === undefined ? {} : { gh }) };
}

/** A second cancel ends it at once, unless both are of a parent, which was retried and has failed again in between. */
function cancelEntry(
  item: string,
  { cancelling, now }: Adoption,
): CancellingEntry | EndedEntry | undefined {
  if (cancelling === undefined) return { t: "cancelling", reason: "cancel", item, at: now };
  if (isParentCancel(item) && isParentCancel(cancelling.item ?? "")) return undefined;
  return { t: "ended", status: "cancelled", at: now };
}

function reopen(inbox: Inbox, state: JournalState, ended: EndedEntry, now: number): Entry[] {
  const item = inbox.items.find(
    (said) => said.kind === "retry" && !state.items.has(said.i) && mayReopen(said, ended),
  );
  if (item === undefined) return [];
  return [{ ...retriedAfter(ended, voidedBy(state, ended)), item: item.i, at: now }];
}

function mayReopen(item: InboxItem & { readonly kind: "retry" }, { status }: EndedEntry): boolean {
  return status === "failed" || (status === "cancelled" && item.parent === true);
}

function aborted(callId: string): KitaruExecutionError {
  return new KitaruExecutionError(
    `The wait ${callId} was aborted by the person or program that was asked.`,
    { code: "wait_aborted", details: { call: callId } },
  );
}
