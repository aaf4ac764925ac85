import type { EmitCase } from "./cases.ts";

/** How the cases are shown for one cloud. */
export interface EmitCloud {
  /** Why executions cannot be run here; undefined when they can. */
  readonly missing: string | undefined;
  /** What is emitted for a case: its parts by name, in the order they are written. */
  emit(given: EmitCase): Readonly<Record<string, unknown>>;
  /** Write parts in the cloud's own format. */
  write(parts: Readonly<Record<string, unknown>>): string;
  /** Start what executions run on. */
  start(): Promise<EmitRunner>;
}

/** Runs what was emitted. */
export interface EmitRunner {
  /** Take an execution through the turns of a case; resolves to what it went through. */
  path(given: EmitCase): Promise<readonly string[]>;
  close(): Promise<void>;
}
