import type { EndedEntry, RetriedEntry } from "../journal/entry.ts";
import type { JournalState, KnownCall } from "../journal/state.ts";

/** Codes of failures that are not the flow's own and leave every outcome standing. */
const withoutCause = new Set(["divergence", "stalled", "timeout"]);

/** Whether a retry can change how a failed execution ends. */
export function isRetryable(ended: EndedEntry): boolean {
  return ended.cause !== undefined || withoutCause.has(ended.err?.code ?? "");
}

/** Whether the failure of a call has ended an execution, by itself or among others. */
export function endedBy(ended: EndedEntry | undefined, callId: string): boolean {
  return ended?.cause === callId || ended?.causes?.includes(callId) === true;
}

/**
 * Ids of the calls a retry forgets: those that failed, and all that were first asked after its failure, or the
 * timeout or cancel that ended the flow, was delivered. `unwritten`: calls whose outcomes go into the journal with it.
 */
export function voidedBy(
  state: JournalState,
  { cause, causes = [], asks }: EndedEntry,
  unwritten: readonly KnownCall[] = [],
): string[] {
  const known = [...state.known.values(), ...unwritten];
  const later = known.filter((call) => asks !== undefined && call.ask >= asks);
  const failed = cause === undefined ? [] : [cause, ...causes];
  return [...new Set([...failed, ...later.map((call) => call.id)])];
}

/** What a retry of an execution that has ended writes, but for who asks for it. */
export function retriedAfter(
  { logs }: EndedEntry,
  voids: readonly string[],
): Pick<RetriedEntry, "t" | "voids" | "logs"> {
  return { t: "retried", voids, ...(logs === undefined ? {} : { logs }) };
}

/** Item by which a parent cancels its children; retries of the parent are counted in `round`. */
export function parentCancel(round: number): string {
  return `${cancelPrefix}${round}`;
}

/** Item by which a parent that was retried retries a child. */
export function parentRetry(round: number): string {
  return `parent-retry:${round}`;
}

/** Whether an item of an inbox is one by which a parent cancels its children. */
export function isParentCancel(item: string): boolean {
  return item.startsWith(cancelPrefix);
}

/** Whether an execution ended because its parent cancelled it: nothing the parent need be told. */
export function isParentsCancel({ cancelling }: JournalState, { status }: EndedEntry): boolean {
  return status === "cancelled" && isParentCancel(cancelling?.entry.item ?? "");
}

/** Whether the parent, whose state is given, has been retried since it cancelled the child. */
export function isTakenBack({ cancelling }: JournalState, parent: JournalState): boolean {
  const round = Number(cancelling?.entry.item?.slice(cancelPrefix.length));
  return round < parent.retries.length;
}

/** Whether the parent can take back its cancel: the flow saw it, so it is known what came after. */
export function isRevocable(state: JournalState, ended: EndedEntry): boolean {
  return isParentsCancel(state, ended) && ended.asks !== undefined;
}

const cancelPrefix = "parent:";
