import type { CheckpointFacts, FlowFacts, Manifest, WaitFacts } from "./manifest.ts";

/**
 * What a stack orchestrates for a bundle, in no cloud's words. The loop of every flow is the same (advance, then end,
 * advance, run tasks or park); what differs is named here.
 */
export interface Plan {
  readonly kind: "plan";
  /** Hash of the bundle. */
  readonly bundle: string;
  readonly flows: readonly FlowPlan[];
  /** Checkpoints that run where the flow runs, and say how long they may take; absent: none. */
  readonly inline?: readonly InlinePlan[];
  /** Checkpoints that run in an invocation of their own. */
  readonly tasks: readonly TaskPlan[];
  /** Waits that a console may show by name; others are parked without one. */
  readonly waits: readonly WaitPlan[];
}

/** The orchestration of one flow. */
export interface FlowPlan {
  readonly flow: string;
  /** Names the orchestration by flow and bundle, so that versions stand side by side. */
  readonly name: string;
  readonly timeoutMs?: number;
}

/** What runs within an invocation of the flow. */
export interface InlinePlan {
  readonly checkpoint: string;
  readonly timeoutMs: number;
}

/** An invocation the orchestration makes. */
export interface TaskPlan {
  readonly checkpoint: string;
  /** Absent: as long as the stack lets one invocation take. */
  readonly timeoutMs?: number;
  /** Memory and temporary files it needs, in MB; absent: whatever there is. */
  readonly memoryMb?: number;
  readonly storageMb?: number;
}

/** A wait the orchestration parks for. */
export interface WaitPlan {
  readonly wait: string;
  readonly question?: string;
}

/** The part of a manifest a plan is made of. */
type PlannedManifest = Pick<Manifest, "flows" | "checkpoints" | "waits"> & {
  readonly bundle: Pick<Manifest["bundle"], "hash">;
};

/** Lay out what a stack must orchestrate for the flows of a manifest. */
export function buildPlan(manifest: PlannedManifest): Plan {
  const { bundle, flows, checkpoints, waits } = manifest;
  return Object.freeze<Plan>({
    kind: "plan",
    bundle: bundle.hash,
    flows: Object.freeze(flows.map((flow) => flowPlan(flow, bundle.hash))),
    inline: Object.freeze(checkpoints.flatMap(inlinePlan)),
    tasks: Object.freeze(checkpoints.filter(({ runtime }) => runtime === "isolated").map(taskPlan)),
    waits: Object.freeze(waits.map(waitPlan)),
  });
}

function flowPlan({ name, timeoutMs }: FlowFacts, bundle: string): FlowPlan {
  return Object.freeze({
    flow: name,
    name: `${name}-${bundle.slice(0, 12)}`,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

function inlinePlan({ name, runtime, timeoutMs }: CheckpointFacts): readonly InlinePlan[] {
  if (runtime === "isolated" || timeoutMs === undefined) return [];
  return [Object.freeze({ checkpoint: name, timeoutMs })];
}

function taskPlan({ name, timeoutMs, memoryMb, storageMb }: CheckpointFacts): TaskPlan {
  return Object.freeze({
    checkpoint: name,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(memoryMb === undefined ? {} : { memoryMb }),
    ...(storageMb === undefined ? {} : { storageMb }),
  });
}

function waitPlan({ name, question }: WaitFacts): WaitPlan {
  return Object.freeze({ wait: name, ...(question === undefined ? {} : { question }) });
}
