import type { EndedEntry } from "../journal/entry.ts";
import type { JournalState } from "../journal/state.ts";

/** Codes of failures that are not the flow's own and leave every outcome standing. */
const withoutCause = new Set(["divergence", "stalled", "timeout"]);

/** Whether a retry can change how a failed execution ends. */
export function isRetryable(ended: EndedEntry): boolean {
  return ended.cause !== undefined || withoutCause.has(ended.err?.code ?? "");
}

/** Ids of the calls a retry forgets: the one that failed, and all that were first asked after its failure was delivered. */
export function voidedBy(state: JournalState, ended: EndedEntry): string[] {
  const { cause, asks } = ended;
  if (cause === undefined) return [];
  const later = [...state.known.values()].filter((call) => asks !== undefined && call.ask >= asks);
  return [cause, ...later.map((call) => call.id).filter((id) => id !== cause)];
}
