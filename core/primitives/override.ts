/** A value put in place of a recorded outcome, for `.replay()`. */
export interface Override {
  readonly kind: "override";
  /** `checkpoint.NAME`, `wait.NAME`, `llm.NAME` for all calls of a name, or a call id for one. */
  readonly target: string;
  readonly output: unknown;
}
