import type { CallKind, Disposition } from "../journal/entry.ts";
import type { ExecutionStatus } from "../journal/head.ts";
import type { CallStatus } from "./execution.ts";

/** Where the values of an execution came from and where they went. */
export interface ExecutionGraph {
  readonly id: string;
  readonly flow: string;
  readonly version: string;
  readonly status: ExecutionStatus;
  /** The execution it replays. */
  readonly replayOf?: string;
  /** The input, the calls in the order they were asked, and the result; then what is outside of this execution. */
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  /** Number of large values that were compared as a whole, so that what is inside them was not found. */
  readonly opaque: number;
}

/** What to draw in a graph. */
export interface GraphOptions {
  /** Also find what calls of other executions have loaded from this one; looks at every execution. @default false */
  readonly readers?: boolean;
}

/** A node of an {@link ExecutionGraph}. */
export type GraphNode = EndNode | CallNode | OutsideNode;

/** What the flow was given and what it returned. */
export interface EndNode {
  readonly kind: "input" | "result";
  /** As {@link EndNode.kind}. */
  readonly id: string;
}

/** One call. */
export interface CallNode {
  readonly kind: CallKind;
  /** Call id: `name:0`. */
  readonly id: string;
  readonly name: string;
  /** The checkpoint's own label, where this program defines the checkpoint. */
  readonly type?: string;
  readonly status: CallStatus;
  readonly disposition: Disposition;
  /** Names of what it saved. */
  readonly saved: readonly string[];
}

/** Something of another execution. */
export interface OutsideNode {
  /** `artifact`: read here by `load()`. `reader`: a call that read from here. `child`, `parent`: executions. */
  readonly kind: "artifact" | "reader" | "child" | "parent";
  /** `EXECUTION/CALL/NAME`, `EXECUTION/CALL` for a call or its result, or the id of the execution. */
  readonly id: string;
  readonly executionId: string;
}

/** A connection of two nodes. */
export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /**
   * `value`: an equal value was made by the one and given to the other. `load`: read by name. `child`: started as a
   * child flow. `order`: the one had ended when the other began, and nothing else connects them.
   */
  readonly kind: "value" | "load" | "child" | "order";
  /** What was handed on; present for `value`. */
  readonly values?: readonly HandedValue[];
}

/** One value that was handed on, or a part of it. */
export interface HandedValue {
  /** Path inside what was made, such as `.title`; empty for the whole. */
  readonly from: string;
  /** Where it was given: `argument 1`, `metadata.text`; empty for the whole result. */
  readonly to: string;
}
