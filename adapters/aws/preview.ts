import type { EmittedFlow } from "../../core/plan/offer.ts";
import type { FlowPlan, Plan } from "../../core/plan/plan.ts";
import { type MachineParts, emitStateMachine } from "./emit.ts";
import { machineName } from "./names.ts";

/** The state machine a deployment would create; REGION and ACCOUNT stand where only a deployment knows them. */
export function previewFlow(stack: string, plan: Plan, flow: FlowPlan): EmittedFlow {
  const definition = emitStateMachine(plan, flow, partsOf(stack));
  const edges = Object.entries(definition.States).flatMap(([from, state]) =>
    [...new Set(targetsOf(state))].map((to) => [from, to] as const),
  );
  return { name: machineName(stack, flow.flow, plan.bundle), definition, edges };
}

/** A runtime of one size that holds everything: which size a task gets is known to a deployment. */
function partsOf(stack: string): MachineParts {
  const arn = (role: string): string =>
    `arn:aws:lambda:REGION:ACCOUNT:function:kitaru-${stack}-${role}`;
  const size = { memoryMb: Infinity, storageMb: Infinity, timeoutMs: Infinity };
  return {
    advance: arn("advance"),
    park: arn("park"),
    tasks: [{ size: "default", arn: arn("task-SIZE"), ...size }],
    bucket: `kitaru-${stack}-ACCOUNT-REGION`,
  };
}

function targetsOf(state: Readonly<Record<string, unknown>>): string[] {
  const {
    Next,
    Default,
    Choices = [],
    Catch = [],
  } = state as {
    readonly Next?: string;
    readonly Default?: string;
    readonly Choices?: readonly { readonly Next: string }[];
    readonly Catch?: readonly { readonly Next: string }[];
  };
  return [Next, ...Choices.map((one) => one.Next), Default, ...Catch.map((one) => one.Next)].filter(
    (name) => name !== undefined,
  );
}
