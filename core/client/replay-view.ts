import type { PlannedOverride, ReplayPlan } from "../journal/entry.ts";
import type { CallView, Execution, OverrideView } from "./execution.ts";

/**
 * What a replay was to do otherwise and what came of it. Overrides nobody asked for count once it has `ended`; a checkpoint
 * that failed may have asked for a model without an answer, of which nothing is recorded.
 */
export function replayView(
  { from, overrides = [], skip = [] }: ReplayPlan,
  calls: readonly CallView[],
  ended: boolean,
): Pick<Execution, "replay" | "unusedOverrides"> {
  const targets = new Set(overrides.map(({ target }) => target));
  const views = overrides.map((override) => overrideView(override, calls, targets));
  const isInDoubt = calls.some(({ kind, status }) => kind === "checkpoint" && status === "failed");
  const unused = views
    .filter((view) => view.calls.length === 0)
    .map((view) => view.target)
    .filter((target) => !(isInDoubt && target.startsWith("llm.")));
  return {
    replay: { ...(from === undefined ? {} : { from }), overrides: views, skip },
    ...(ended && unused.length > 0 ? { unusedOverrides: [...new Set(unused)] } : {}),
  };
}

function overrideView(
  { target, field }: PlannedOverride,
  calls: readonly CallView[],
  targets: ReadonlySet<string>,
): OverrideView {
  const meant = calls.filter((call) => isMeant(target, call, targets));
  return { target, field, calls: meant.map((call) => call.id) };
}

/** An override for one call beats those for its name; a model call inside a checkpoint goes by its name. */
function isMeant(target: string, call: CallView, targets: ReadonlySet<string>): boolean {
  if (call.disposition === "reused") return false;
  if (call.id === target) return true;
  if (`${call.kind}.${call.name}` === target) return !targets.has(call.id);
  return call.kind === "checkpoint" && call.llm.some(({ name }) => `llm.${name}` === target);
}
