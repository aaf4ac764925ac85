import type { LlmEntry } from "../journal/entry.ts";
import type { ValueStore } from "../journal/values.ts";
import type { LlmOutcome } from "../ports/model.ts";

/** The part of an entry that says what a model answered. */
export async function llmFields(
  values: ValueStore,
  outcome: LlmOutcome,
  name: string,
): Promise<Pick<LlmEntry, "out" | "llm" | "prompt" | "response">> {
  return {
    out: await values.put(outcome.value, `the answer of ${name}`),
    llm: outcome.record,
    ...(outcome.prompt === undefined
      ? {}
      : { prompt: await values.put(outcome.prompt, "the prompt") }),
    ...(outcome.response === undefined
      ? {}
      : { response: await values.put(outcome.response, "the response") }),
  };
}
