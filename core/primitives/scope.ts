import { type CheckpointFacts, checkpointScope, currentScope } from "../engine/scope.ts";
import { KitaruContextError } from "../errors.ts";
import type { LlmCall } from "../ports/model.ts";

/** Facts about the running attempt. Throws a context error outside a checkpoint. */
export function checkpointContext(): CheckpointFacts {
  return checkpointScope("checkpointContext()").facts;
}

/**
 * Record a model call where the caller runs: as a call of its own in a flow body, under the checkpoint inside one.
 * @param done what the user did, for the message where neither is
 */
export function recordLlm(call: LlmCall, done = "llm() was called"): Promise<unknown> {
  const scope = currentScope();
  switch (scope?.kind) {
    case "flow":
      return scope.ask({ kind: "llm", call });
    case "checkpoint":
      return scope.llm(call);
    case undefined:
      throw new KitaruContextError(
        `${done} outside a flow. Do that in the body of a flow or inside a checkpoint.`,
      );
  }
}
