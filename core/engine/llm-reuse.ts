import type { LlmEntry } from "../journal/entry.ts";
import type { JournalState } from "../journal/state.ts";
import type { StoredError } from "../journal/stored-error.ts";

/**
 * Llm outcomes a new attempt of `callId` may use instead of asking again: all of them after a crash or a
 * timeout; after a throw all but the last, since the throw may be about what that one said.
 */
export function reusableLlms(state: JournalState, callId: string): readonly LlmEntry[] {
  const llms = state.llms.get(callId);
  if (llms === undefined) return none;
  const thrown = (state.attempts.get(callId) ?? [])
    .filter((attempt) => attempt.err !== undefined && !isOutside(attempt.err))
    .map((attempt) => attempt.no);
  const suspects = new Set(thrown.map((no) => llms.findLast((entry) => entry.no === no)));
  return llms.filter((entry) => !suspects.has(entry));
}

/** Number of the next model answer of a call; some numbers may be missing. */
export function nextLlm(llms: readonly Pick<LlmEntry, "i">[] | undefined): number {
  return (llms ?? none).reduce((next, { i }) => Math.max(next, i + 1), 0);
}

/** Whether a failure came from outside the attempt, and so is not about what a model answered. */
export function isOutside({ code }: StoredError): boolean {
  return code === "timeout" || code === "crashed" || code === "cancelled";
}

const none: readonly never[] = [];
