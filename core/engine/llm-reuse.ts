import type { LlmEntry } from "../journal/entry.ts";
import type { JournalState } from "../journal/state.ts";

/**
 * Llm outcomes a new attempt of `callId` may use instead of asking again: all of them after a crash or a
 * timeout; after a throw all but the last, since the throw may be about what that one said.
 */
export function reusableLlms(state: JournalState, callId: string): readonly LlmEntry[] {
  const llms = state.llms.get(callId);
  if (llms === undefined) return none;
  const thrown = (state.attempts.get(callId) ?? [])
    .filter((attempt) => attempt.err !== undefined && !keepsAll.has(attempt.err.code ?? ""))
    .map((attempt) => attempt.no);
  const suspects = new Set(thrown.map((no) => llms.findLast((entry) => entry.no === no)));
  return llms.filter((entry) => !suspects.has(entry));
}

const none: readonly LlmEntry[] = [];
const keepsAll = new Set(["timeout", "crashed", "cancelled"]);
