import type { OutcomeEntry } from "../../journal/entry.ts";
import type { Inbox, InboxItem, Taken } from "../../journal/inbox.ts";
import type { JournalState } from "../../journal/state.ts";
import { undefinedDigest } from "../answer.ts";

/** What a replay has said about a wait. */
export type TakenItem = Extract<InboxItem, { readonly taken?: Taken }> & { readonly taken: Taken };

/** Whether a replay itself has said this. */
export function isTaken(item: InboxItem): item is TakenItem {
  return "taken" in item;
}

/** What a replay has said about a wait already, and its journal does not have yet. */
export function takenItem(
  inbox: Inbox,
  { items }: JournalState,
  callId: string,
): TakenItem | undefined {
  return inbox.items.find(
    (item): item is TakenItem => isTaken(item) && item.call === callId && !items.has(item.i),
  );
}

/** What keeps others from answering a wait whose outcome a replay takes over or was given. */
export function fencing(entry: OutcomeEntry, i: string, at: number): InboxItem {
  const { id: call, name, disp, src = call } = entry;
  const taken: Taken = disp === "reused" ? { src } : {};
  const common = { i, at, call, name, taken };
  if (entry.t === "failed") return { ...common, kind: "abort" };
  if (entry.expired === true) return { ...common, kind: "expiry" };
  const { out, vh = undefinedDigest(), gh } = entry;
  const digests = gh === undefined ? { vh } : { vh, gh };
  return { ...common, kind: "answer", value: out, ...digests };
}
