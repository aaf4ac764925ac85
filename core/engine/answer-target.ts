import { KitaruStateError, KitaruUsageError } from "../errors.ts";
import type { HeadFacts } from "../journal/head.ts";
import { definitionsAtHand } from "./code.ts";
import type { EngineContext } from "./context.ts";

const targetPattern = /^[A-Za-z][A-Za-z0-9_-]{0,79}(?::(?:0|[1-9]\d{0,8}))?$/;

/** Throw a usage error unless `target` can be the name of a wait or the id of its call. */
export function checkTarget(target: string): void {
  if (targetPattern.test(target)) return;
  throw new KitaruUsageError(
    `${JSON.stringify(target)} is neither the name of a wait nor the id of its call. Write NAME, such as approve, or NAME:NUMBER, such as approve:0.`,
  );
}

/**
 * Throw a state error for an answer to a wait that was never asked, where the code is at hand and has no such wait:
 * it would be kept for ever.
 */
export function checkUnasked(context: EngineContext, facts: HeadFacts, name: string): void {
  const definitions = definitionsAtHand(context, facts);
  if (definitions?.flow(facts.flow) === undefined || definitions.wait(name) !== undefined) return;
  const known = definitions.all("wait").map((wait) => wait.name);
  throw new KitaruStateError(
    `Execution ${facts.id} of flow "${facts.flow}" has no wait "${name}". Its program defines: ${known.length === 0 ? "none" : known.join(", ")}.`,
    { code: "not_found", details: { waits: known } },
  );
}
