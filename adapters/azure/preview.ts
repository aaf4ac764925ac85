import type { EmittedFlow } from "../../core/plan/offer.ts";
import type { FlowPlan, Plan } from "../../core/plan/plan.ts";
import { pageTasks } from "./directive.ts";
import { functionNames } from "./names.ts";

/** A step of the loop: what it yields, and where it leads. */
interface LoopStep {
  readonly does: string;
  readonly next: readonly string[];
}

/**
 * What drives a flow. Nothing is created for it: one orchestrator function runs the loop of every flow, and its instances
 * show in the portal which of these steps they are at.
 */
export function previewFlow(plan: Plan, { flow }: FlowPlan): EmittedFlow {
  const steps = stepsOf(plan);
  const definition = {
    orchestrator: functionNames.loop,
    instance: "EXECUTION:GENERATION",
    input: { executionId: "EXECUTION", flow },
    bundle: plan.bundle,
    startAt: "Advance",
    steps,
  };
  const edges = Object.entries(steps).flatMap(([from, { next }]) =>
    next.map((to) => [from, to] as const),
  );
  return { name: functionNames.loop, definition, edges };
}

function stepsOf({ waits, tasks }: Plan): Readonly<Record<string, LoopStep>> {
  const parked = [...waits.map(({ wait }) => `Wait for ${wait}`), "Wait"];
  const sent = tasks.map(({ checkpoint }) => `Run ${checkpoint}`);
  const many = tasks.length === 0 ? [] : ["Run tasks"];
  const { advance, task, page } = functionNames;
  const back = (does: string): LoopStep => ({ does, next: ["Advance"] });
  const park = back("any([event wake:TURN, timer until the wait is due, at most 24 h])");
  return {
    Advance: {
      does: `activity ${advance}, tried 8 times`,
      next: ["Advance", ...parked, ...sent, ...many, "Completed", "Failed"],
    },
    ...Object.fromEntries(parked.map((name) => [name, park])),
    ...Object.fromEntries(sent.map((name) => [name, back(`all([activity ${task}, …])`)])),
    ...Object.fromEntries(
      many.map((name) => [
        name,
        back(`all([orchestration ${page} for each ${pageTasks} attempts, …])`),
      ]),
    ),
    Completed: { does: "return", next: [] },
    Failed: { does: "throw, so that the instance has failed too", next: [] },
  };
}
