import type { Plan } from "../plan/plan.ts";
import type { Expectation } from "./records.ts";

/** One isolated attempt to run. */
export interface TaskRef {
  readonly executionId: string;
  readonly callId: string;
  readonly attempt: number;
}

/** What an advance asks the orchestrator to do next. */
export type Directive =
  /** Nothing is left to do here; `ended` says how the execution ended, and is absent when another owner drives it. */
  | { readonly kind: "end"; readonly ended?: EndOfExecution }
  | { readonly kind: "advance"; readonly epoch?: number }
  | { readonly kind: "tasks"; readonly tasks: readonly TaskRef[]; readonly epoch?: number }
  | ParkDirective;

/** How an execution ended. */
export interface EndOfExecution {
  readonly status: "completed" | "failed" | "cancelled";
  /** Code of the error of a failed one. */
  readonly code?: string;
}

/** Release compute until a wake or `wakeAt`. */
export interface ParkDirective {
  readonly kind: "park";
  /** Name of what is awaited, for the cloud's console. */
  readonly label: string;
  /** Inbox version whose items have all been adopted. */
  readonly seen: Expectation;
  /** Epoch milliseconds. */
  readonly wakeAt: number;
  readonly epoch: number;
}

/** Which code an execution runs. */
export interface FlowCode {
  readonly flow: string;
  /** Hash of the bundle its deployed version is in; absent for a flow that runs from source. */
  readonly bundle?: string;
}

/** Names one orchestration of an execution. */
export interface StartParams extends FlowCode {
  readonly executionId: string;
  /** Counts restarts of the orchestration, from 1. */
  readonly generation: number;
}

/** Parameters of one advance. */
export interface AdvanceParams {
  readonly executionId: string;
  /** Identifies the sequential orchestrator that calls; two advances of one owner never overlap by intent. */
  readonly owner: string;
  /**
   * Start of the orchestration that calls: {@link StartParams.generation}. A later one takes over as soon as nobody is at
   * work, and an earlier one is told to end. Absent: whoever takes over waits until the claim before has run out.
   */
  readonly generation?: number;
  /** Epoch milliseconds by which the advance must have returned; absent in a process without a limit. */
  readonly deadline?: number;
  /** Aborts when this process is going away; the advance yields as soon as it can. */
  readonly signal?: AbortSignal;
  /** Called once with a function that makes a running advance look into the inbox at once. */
  readonly onRunning?: (poke: () => void) => void;
}

/** Parameters of parking an execution under a wake token. */
export interface ParkParams {
  readonly executionId: string;
  readonly seen: Expectation;
  readonly token: string;
  readonly wakeAt: number;
}

/** The runtime, as an orchestrator calls it. */
export interface OrchestratorHost {
  advance(params: AdvanceParams): Promise<Directive>;
  /** False when something arrived since `seen`: advance again at once. */
  park(params: ParkParams): Promise<boolean>;
  /** Run one isolated attempt and store its outcome. */
  task(ref: TaskRef, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Store that an isolated attempt died without an outcome. */
  crashed(ref: TaskRef, why: string): Promise<void>;
  /** Tell those who wait for the execution in this process that its driver gave up. */
  failed(executionId: string, error: unknown): void;
  /** Restart or wake what is overdue; returns how many executions were touched. */
  sweep(): Promise<number>;
  /** Whether this program has the code, or can load it. */
  knows(code: FlowCode): boolean;
}

/** A resumable alarm clock: it carries no data and may lose, double or invent wakes. */
export interface Orchestrator {
  /** In-process orchestrators drive the host they are attached to; cloud ones ignore this. */
  attach?(host: OrchestratorHost): void;
  /** Make ready for executions of a bundle; absent where nothing has to be. Repeatable, and other bundles' stay. */
  publish?(plan: Plan): Promise<void>;
  /** Begin driving an execution. Doubled starts are harmless. */
  start(params: StartParams): Promise<void>;
  /** Nudge a parked or running orchestration. False when it is known that nobody listens on `token` any more. */
  wake(token: string, executionId: string): Promise<boolean>;
  /** Tear down the native side of an execution, best effort. */
  stop(executionId: string): Promise<void>;
  /** Whether `owner` is known to be gone, so its claim need not be waited out. */
  isGone?(owner: string): Promise<boolean>;
  /** Whether this process drives an execution, or rests with it; absent where orchestration runs elsewhere. */
  drives?(executionId: string): boolean;
  /** Whether this process could take over an execution of this code; absent where orchestration runs elsewhere. */
  canDrive?(code: FlowCode): boolean;
  close?(): Promise<void>;
}
