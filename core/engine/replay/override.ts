/** Something put in place of what an execution recorded, for `.replay()`. */
export type Override = OutputOverride | InputOverride | ModelOverride | CodeOverride;

interface Targeted {
  readonly kind: "override";
  /** `checkpoint.NAME`, `wait.NAME`, `llm.NAME`, `flow.NAME` for all calls of a name, or a call id for one. */
  readonly target: string;
}

/** The outcome itself: the call does not run. */
export interface OutputOverride extends Targeted {
  readonly field: "output";
  readonly output: unknown;
  /** Given where types could not hold it: for a wait it is an answer, which its schema checks. */
  readonly isUnchecked?: true;
}

/** Other arguments: the call runs with them. */
export interface InputOverride extends Targeted {
  readonly field: "input";
  readonly input: readonly unknown[];
}

/** Another model: the llm call asks it. */
export interface ModelOverride extends Targeted {
  readonly field: "model";
  /** Alias or `provider/model`. */
  readonly model: string;
}

/** Another checkpoint's function: the call runs that. */
export interface CodeOverride extends Targeted {
  readonly field: "code";
  /** Name of that checkpoint. */
  readonly code: string;
}
