import type { AttemptSize } from "../../core/ports/backend.ts";

/** What a runtime consists of, as its infrastructure writes it down and everything else finds it. */
export interface RuntimeDocument {
  readonly format: 1;
  readonly table: string;
  readonly bucket: string;
  /** Role of the state machines. */
  readonly role: string;
  /** ARNs of the functions. */
  readonly advance: string;
  readonly park: string;
  readonly api: string;
  /** Functions for isolated checkpoints, smallest first. */
  readonly tasks: readonly TaskFunction[];
}

/** A function that runs isolated checkpoints. */
export interface TaskFunction extends AttemptSize {
  readonly arn: string;
}

/** Name of the parameter that holds the document of a runtime. */
export function documentName(stack: string): string {
  return `/kitaru/${stack}/runtime`;
}
