import type { LoadedExecution } from "../journal/load.ts";
import type { StoredRecord } from "../ports/records.ts";

/** Most journal text that is kept, in characters. */
const mostCharacters = 1024 * 1024;

interface Rest {
  readonly execution: LoadedExecution;
  /** Whether the inbox is as this process has just written it, for an advance that this wakes. */
  readonly isTold: boolean;
}

/**
 * What this process knows of executions that rest, so that telling one something need not read it. Others may have written
 * meanwhile: whatever is concluded from it has to be confirmed by a write that expects what is known here.
 */
export class Resting {
  readonly #rests = new Map<string, Rest>();
  #characters = 0;

  get(executionId: string): LoadedExecution | undefined {
    return this.#rests.get(executionId)?.execution;
  }

  /** Remember an execution that comes to rest. */
  keep(executionId: string, execution: LoadedExecution): void {
    this.#set(executionId, { execution, isTold: false });
  }

  /** Its inbox has been replaced by a write that expected `seen`. */
  parked(executionId: string, seen: string, inbox: StoredRecord): void {
    const rest = this.#rests.get(executionId);
    if (rest === undefined) return;
    if ((rest.execution.inbox?.version ?? "absent") !== seen) this.drop(executionId);
    else this.#set(executionId, { execution: { ...rest.execution, inbox }, isTold: false });
  }

  /**
   * Its inbox has been given something new. However long it is, it is kept for the advance that this wakes, until another
   * is. `known` is what was known of it here before, if it was: an advance that has taken that meanwhile has it for itself.
   */
  told(executionId: string, execution: LoadedExecution, known?: LoadedExecution): void {
    if (known !== undefined && this.get(executionId)?.journal !== known.journal) return;
    this.#set(executionId, { execution, isTold: true });
  }

  /** For the advance that goes on with it: what is known of it if it was told something, and nothing of its calls runs elsewhere. */
  take(executionId: string): LoadedExecution | undefined {
    const rest = this.#rests.get(executionId);
    this.drop(executionId);
    if (rest?.isTold !== true) return undefined;
    for (const open of rest.execution.journal.state.opens.values())
      if (open.t === "scheduled" && open.child === undefined) return undefined; // its outcome may have come
    return rest.execution;
  }

  drop(executionId: string): void {
    const rest = this.#rests.get(executionId);
    if (rest === undefined) return;
    this.#rests.delete(executionId);
    this.#characters -= rest.execution.journal.characters;
  }

  #set(executionId: string, rest: Rest): void {
    this.drop(executionId);
    if (rest.execution.tasks.size > 0) return;
    this.#rests.set(executionId, rest);
    this.#characters += rest.execution.journal.characters;
    for (const oldest of this.#rests.keys()) {
      const isLast = oldest === executionId;
      if (this.#characters <= mostCharacters || (isLast && rest.isTold)) return;
      this.drop(oldest);
    }
  }
}
