import type { EmittedFlow } from "../../core/plan/offer.ts";
import type { FlowPlan, Plan } from "../../core/plan/plan.ts";
import {
  type WorkflowDefinition,
  type WorkflowParts,
  emitWorkflow,
  workflowDefinition,
} from "./emit.ts";
import { workflowName } from "./names.ts";

/** The workflow a deployment would create; REGION and PROJECT stand where only a deployment knows them. */
export function previewFlow(stack: string, plan: Plan, flow: FlowPlan): EmittedFlow {
  const url = (role: string): string =>
    `https://REGION-PROJECT.cloudfunctions.net/kitaru-${stack}-${role}`;
  const parts: WorkflowParts = {
    advance: url("advance"),
    task: () => url("task-SIZE"), // which size it gets is known to a deployment
  };
  const definition = workflowDefinition(plan, parts);
  const name = workflowName(stack, flow.flow, plan.bundle);
  const source = emitWorkflow(plan, flow, parts);
  return { name, definition, source, edges: edgesOf(definition.main.steps) };
}

/** Where each step may lead: to what it names, else to the one below. */
function edgesOf(steps: WorkflowDefinition["main"]["steps"]): [from: string, to: string][] {
  const named = steps.flatMap((step) => Object.entries(step));
  return named.flatMap(([name, body], at) => {
    const below = named[at + 1]?.[0];
    const { next, switch: conditions = [] } = body as {
      readonly next?: string;
      readonly switch?: readonly { readonly next?: string }[];
    };
    const falls = next === undefined && !("return" in body) && !("raise" in body);
    const targets = [...conditions.map((one) => one.next), next, ...(falls ? [below] : [])];
    return [...new Set(targets)]
      .filter((to) => to !== undefined)
      .map((to): [string, string] => [name, to]);
  });
}
