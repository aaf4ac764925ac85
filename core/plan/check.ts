import type { Capabilities } from "../ports/backend.ts";
import type { Plan } from "./plan.ts";

/** Say what a stack of these capabilities cannot do of a plan, one sentence each; empty when it can do all of it. */
export function checkPlan(plan: Plan, capabilities: Capabilities): readonly string[] {
  if (capabilities.isolated) return [];
  return plan.tasks.map(
    ({ checkpoint }) =>
      `Checkpoint "${checkpoint}" is isolated, and a stack of kind "${capabilities.kind}" has no invocations of their own for checkpoints. Let it run inline, or choose another stack.`,
  );
}
