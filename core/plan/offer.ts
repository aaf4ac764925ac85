import type { FlowPlan, Plan } from "./plan.ts";

/** One flow's orchestration, as a stack would create it. */
export interface EmittedFlow {
  /** What it is called in the cloud. */
  readonly name: string;
  /** In the cloud's own language; names of the account and region stand where only a deployment knows them. */
  readonly definition: object;
  /** The definition as the cloud takes it, where that is not JSON. */
  readonly source?: string;
  /** Where each state may lead, by name. */
  readonly edges: readonly (readonly [from: string, to: string])[];
}

/** Writes down what a stack would create for a flow, without asking anybody. */
export type EmitFlow = (plan: Plan, flow: FlowPlan) => Promise<EmittedFlow>;

/** What one execution of a flow does, in numbers. */
export interface Work {
  /** Checkpoints that run where the flow runs, and model calls. */
  readonly inline: number;
  /** Checkpoints that run in an invocation of their own. */
  readonly isolated: number;
  /** Waits, sleeps and child flows: times it rests. */
  readonly rests: number;
  /** Values too large for the journal. */
  readonly largeValues: number;
  /** Time spent in checkpoints. */
  readonly seconds: number;
}

/** One thing that is charged. */
export interface CostItem {
  readonly item: string;
  /** How much of it `executions` executions use. */
  readonly quantity: number;
  readonly unit: string;
  /** US dollars for one unit, by the list. */
  readonly unitPrice: number;
  /** US dollars for all of it. */
  readonly cost: number;
  /** Page with the price. */
  readonly source: string;
}

/** What executions would cost in one way of running them. */
export interface CostOption {
  readonly title: string;
  readonly items: readonly CostItem[];
  /** US dollars. */
  readonly total: number;
}

/** An estimate at list prices. */
export interface CostEstimate {
  /** Day of the price list, ISO 8601. */
  readonly pricesOf: string;
  readonly region: string;
  readonly executions: number;
  /** As the stack is configured. */
  readonly chosen: CostOption;
  /** The same work done otherwise. */
  readonly others: readonly CostOption[];
  /** What it rests on, and what it leaves out. */
  readonly assumptions: readonly string[];
}

/** Estimates what `executions` executions of this work cost. */
export type EstimateCost = (work: Work, executions: number) => Promise<CostEstimate>;

/** What a plan alone tells of an execution: each checkpoint and each wait of the bundle once, no large value, no time. */
export function workOf(plan: Plan, checkpoints: number): Work {
  const isolated = plan.tasks.length;
  return {
    inline: checkpoints - isolated,
    isolated,
    rests: plan.waits.length,
    largeValues: 0,
    seconds: 0,
  };
}
