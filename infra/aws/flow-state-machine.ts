import { Stack } from "aws-cdk-lib";
import { CfnStateMachine } from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";
import { emitStateMachine } from "../../adapters/aws/emit.ts";
import { machineName } from "../../adapters/aws/names.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { acknowledge } from "./acknowledgements.ts";
import type { KitaruRuntime } from "./kitaru-runtime.ts";

/** Properties of {@link FlowStateMachine}. */
export interface FlowStateMachineProps {
  readonly runtime: KitaruRuntime;
  /** What the bundle's flows need. */
  readonly plan: Plan;
  /** Name of one of its flows. */
  readonly flow: string;
}

/**
 * The state machine of one flow and bundle, for teams that create everything with CloudFormation. `kitaru deploy` creates
 * the same one by itself, and takes this one for it.
 */
export class FlowStateMachine extends Construct {
  readonly machine: CfnStateMachine;

  constructor(scope: Construct, id: string, { runtime, plan, flow: name }: FlowStateMachineProps) {
    super(scope, id);
    const flow = plan.flows.find((one) => one.flow === name);
    if (flow === undefined)
      throw new Error(
        `FlowStateMachine: the plan has no flow "${name}". It has: ${plan.flows.map((one) => one.flow).join(", ")}.`,
      );
    this.machine = new CfnStateMachine(this, "Machine", {
      stateMachineName: machineName(runtime.name, name, plan.bundle),
      stateMachineType: "STANDARD",
      roleArn: runtime.machineRole.roleArn,
      definitionString: Stack.of(this).toJsonString(emitStateMachine(plan, flow, runtime.document)),
      tags: [
        { key: "kitaru:stack", value: runtime.name },
        { key: "kitaru:flow", value: name },
        { key: "kitaru:bundle", value: plan.bundle },
      ],
    });
    this.machine.node.addDependency(runtime.machineRole);
    acknowledge(
      this.machine,
      "SF1",
      "What passes through the machine is ids, and its own history shows each step for 90 days; the journal has everything else.",
    );
    acknowledge(
      this.machine,
      "SF2",
      "A trace would show the loop of advances, not the flow: `kitaru executions get` shows each call with its times.",
    );
  }
}
