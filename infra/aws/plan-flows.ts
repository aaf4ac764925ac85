import { planModule } from "../../core/deployments/deploy.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { configuredModels } from "../../core/stacks.ts";

/** Options of {@link planFlows}. */
export interface PlanFlowsOptions {
  /** Names of the flows of the module that are deployed. @default all it defines */
  readonly flows?: readonly string[];
}

/**
 * Build a module of flows as `kitaru deploy` does, with the models of the nearest kitaru.config.ts, and lay out what it
 * needs, for {@link FlowStateMachine}.
 *
 * @throws KitaruUsageError when the module cannot be built, or has no flow of a name that is asked for
 */
export async function planFlows(
  entry: string | URL,
  { flows }: PlanFlowsOptions = {},
): Promise<Plan> {
  const models = await configuredModels();
  const built = await planModule({ entry, models, ...(flows === undefined ? {} : { flows }) });
  return built.plan;
}
