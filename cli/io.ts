import type { PendingWait } from "../core/client/execution.ts";

/** What a person said to a wait. */
export type Said =
  | { readonly kind: "answer"; readonly value: unknown }
  | { readonly kind: "abort" }
  /** Leave it pending. */
  | { readonly kind: "later" };

/** Asks a person at the terminal; `problem` says why the last answer did not fit. */
export type Ask = (wait: PendingWait, problem?: string) => Promise<Said>;

/** The process around a command. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Directory that relative paths of arguments start from. */
  readonly cwd: string;
  /** How this program is called, for commands to copy. */
  readonly self: string;
  /** Whether a person reads standard output, and standard error. */
  readonly isTerminal: boolean;
  readonly out: (text: string | Uint8Array) => void;
  readonly err: (text: string) => void;
  /** Present when a person can answer. */
  readonly ask?: Ask;
  /** Call `stop` when the person interrupts; the result ends that. */
  readonly onInterrupt: (stop: () => void) => () => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}
