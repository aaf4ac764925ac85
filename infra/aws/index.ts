export { FlowStateMachine, type FlowStateMachineProps } from "./flow-state-machine.ts";
export { KitaruRuntime, type KitaruRuntimeProps, type TaskSize } from "./kitaru-runtime.ts";
export { planFlows, type PlanFlowsOptions } from "./plan-flows.ts";
