import type { ReplayOf, ReplayPlan, StartedEntry } from "../../journal/entry.ts";
import type { ValueRef, ValueStore } from "../../journal/values.ts";

/** What a replay inherits from its source. */
export interface Inherited {
  readonly of: ReplayOf;
  readonly seed: string;
}

/** What a replay of an execution inherits, pinned to what its journal says now. */
export function pinned(
  id: string,
  { seed, at, hash, replayOf }: StartedEntry,
  position: number,
  plan: ValueRef | undefined,
): Inherited {
  const began = replayOf?.at ?? at;
  return { seed, of: { id, position, at: began, hash, ...(plan === undefined ? {} : { plan }) } };
}

/** What is to be different in a replay. */
export async function readPlan(values: ValueStore, { plan }: ReplayOf): Promise<ReplayPlan> {
  return plan === undefined ? {} : ((await values.get(plan)) as ReplayPlan);
}
