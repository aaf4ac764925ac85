/** JSON Schema (2020-12). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a bundle holds, as its modules have defined it. Frozen data, readable in the bucket. */
export interface Manifest {
  readonly format: 1;
  readonly bundle: {
    /** SHA-256 of the bundle's code, in hexadecimal: the same source gives the same hash. */
    readonly hash: string;
    readonly bytes: number;
  };
  /** Version of kitaru that built it. */
  readonly engine: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** Module it was built from, relative to its package. */
  readonly entry: string;
  /** Git commit of that module's folder, and whether there were changes on top of it. */
  readonly commit?: Commit;
  /** What may surprise when the bundle runs. */
  readonly warnings: readonly string[];
  readonly flows: readonly FlowFacts[];
  readonly checkpoints: readonly CheckpointFacts[];
  readonly waits: readonly WaitFacts[];
}

/** A state of a git repository. */
export interface Commit {
  readonly sha: string;
  readonly dirty: boolean;
}

/** A flow as its manifest describes it. */
export interface FlowFacts {
  readonly name: string;
  readonly retries: number;
  readonly timeoutMs?: number;
  /** Present when the flow checks its input. */
  readonly input?: {
    /** Absent when the schema's library or type has no JSON form. */
    readonly schema?: JsonSchema;
  };
}

/** A checkpoint as its manifest describes it. */
export interface CheckpointFacts {
  readonly name: string;
  readonly runtime: "inline" | "isolated";
  readonly semantics: "at-least-once" | "at-most-once";
  /** Tries after the first. */
  readonly retries: number;
  readonly timeoutMs?: number;
  /** Memory and temporary files an isolated attempt needs, in MB. */
  readonly memoryMb?: number;
  readonly storageMb?: number;
  readonly type?: string;
}

/** A wait as its manifest describes it. */
export interface WaitFacts {
  readonly name: string;
  /** Whether it is continued or aborted only, and takes no value. */
  readonly gate: boolean;
  readonly schema?: JsonSchema;
  readonly question?: string;
  readonly timeoutMs?: number;
}

/** Whether `value` is a manifest of a format this version knows. */
export function isManifest(value: unknown): value is Manifest {
  return (
    typeof value === "object" &&
    value !== null &&
    "format" in value &&
    value.format === 1 &&
    "flows" in value &&
    Array.isArray(value.flows)
  );
}
