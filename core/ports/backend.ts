import type { BlobStore } from "./blobs.ts";
import type { Clock } from "./clock.ts";
import type { Orchestrator } from "./orchestrator.ts";
import type { RecordStore } from "./records.ts";
import type { SecretStore } from "./secrets.ts";

/** How stacks differ, as data. */
export interface Capabilities {
  /** Name of the kind of stack: `local`, `aws`, … */
  readonly kind: string;
  /** Values up to this many UTF-8 bytes sit inside a journal entry; larger ones become blobs. */
  readonly inlineBytes: number;
  /** A journal segment of this many UTF-8 bytes or more is full. Fixed per execution at its start. */
  readonly segmentBytes: number;
  /** Largest record body the store takes, in UTF-8 bytes. */
  readonly recordBytes: number;
  /**
   * Whether one page of a listing shows its records as of one moment. The inbox comes before the journal in that order, so
   * what a listing has of it is then never newer than what it has of the journal.
   * @default false
   */
  readonly snapshotPages?: boolean;
  /** Number of partitions the `due` index is spread over. */
  readonly dueShards: number;
  /** Whether only deployed versions run; `run()` then starts the one tagged `default`. @default false */
  readonly deployedOnly?: boolean;
  /** Whether isolated checkpoints run as their own invocation. */
  readonly isolated: boolean;
  /** Longest time one invocation runs a flow and its inline checkpoints, in milliseconds. @default unlimited */
  readonly advanceMs?: number;
  /** Sizes of what isolated attempts run in; each attempt runs in one of them. @default unlimited */
  readonly attemptSizes?: readonly AttemptSize[];
  /** Longest time an orchestration stays parked before it looks again, in milliseconds. At most 24 h. */
  readonly heartbeatMs: number;
  /** How long an advance without a deadline owns an execution before it renews, in milliseconds. */
  readonly leaseMs: number;
  /** How long the records of an ended execution are kept, in milliseconds. @default for ever */
  readonly retentionMs?: number;
  /** Added to deadlines before another owner takes over, in milliseconds; covers clock skew. */
  readonly graceMs: number;
}

/** What one isolated attempt may have. */
export interface AttemptSize {
  readonly size: string;
  readonly memoryMb: number;
  readonly storageMb: number;
  readonly timeoutMs: number;
}

/** Everything a stack gives the runtime. */
export interface Backend {
  readonly records: RecordStore;
  readonly blobs: BlobStore;
  readonly secrets: SecretStore;
  readonly orchestrator: Orchestrator;
  readonly capabilities: Capabilities;
  readonly clock?: Clock;
  /** Release files, sockets and timers. */
  close?(): Promise<void>;
}
