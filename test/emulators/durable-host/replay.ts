import {
  type Action,
  type HistoryEvent,
  type RetryOptions,
  actionType,
  eventType,
} from "./protocol.ts";

/** Something new to be done, with its place in the history. */
export type Decision =
  | { readonly kind: "task"; readonly id: number; readonly name: string; readonly input: unknown }
  | {
      readonly kind: "child";
      readonly id: number;
      readonly name: string;
      readonly instance: string | undefined;
      readonly input: unknown;
    }
  | { readonly kind: "timer"; readonly id: number; readonly fireAt: string };

/** What follows from an orchestrator function's actions, held against the history it was given. */
export interface Replayed {
  readonly decisions: readonly Decision[];
  /** Whether every action is done, so that the function's own end counts. */
  readonly isThrough: boolean;
  /** Whether something is still under way, which keeps the instance from ending. */
  readonly hasOpen: boolean;
  /** Input to begin anew with, when asked to. */
  readonly renewedWith: { readonly input: unknown } | undefined;
}

/** An orchestrator function did other things than its history says it has done. */
export class NonDeterminism extends Error {}

/**
 * Go through the actions as the extension does: one after the other, each only when the one before is done, giving
 * everything they begin the next number. Throws {@link NonDeterminism} for a history that does not fit them.
 */
export function replayActions(
  actions: readonly Action[],
  history: readonly HistoryEvent[],
): Replayed {
  const replay = new Replay(history);
  let isThrough = true;
  let renewedWith: Replayed["renewedWith"];
  for (const action of actions) {
    if (action.actionType === actionType.continueAsNew) renewedWith = { input: action.input };
    else if (replay.invoke(action) === "open") {
      isThrough = false;
      break;
    }
  }
  return { ...replay.finish(), isThrough, renewedWith };
}

type Progress = "done" | "failed" | "open";

class Replay {
  #next = 0;
  #open = 0;
  readonly #decisions: Decision[] = [];
  readonly #begun = new Map<number, HistoryEvent>();
  readonly #ends = new Map<number, Progress>();
  readonly #events = new Map<string, number>();
  readonly #matched = new Set<number>();

  constructor(history: readonly HistoryEvent[]) {
    for (const event of history) this.#read(event);
  }

  invoke(action: Action): Progress {
    switch (action.actionType) {
      case actionType.callActivity:
        return this.#task(action);
      case actionType.callActivityWithRetry:
        return this.#retried(action);
      case actionType.callChild:
        return this.#child(action);
      case actionType.createTimer:
        return this.#timer(action.fireAt ?? "", action.isCanceled === true);
      case actionType.waitForEvent:
        return this.#event(action.externalEventName ?? "");
      case actionType.whenAny: {
        const each = (action.compoundActions ?? []).map((inner) => this.invoke(inner));
        return each.some((progress) => progress !== "open") ? "done" : "open";
      }
      case actionType.whenAll: {
        const each = (action.compoundActions ?? []).map((inner) => this.invoke(inner));
        if (each.includes("open")) return "open";
        return each.includes("failed") ? "failed" : "done";
      }
      default:
        throw new Error(`This host does not know the action type ${action.actionType}.`);
    }
  }

  finish(): Pick<Replayed, "decisions" | "hasOpen"> {
    for (const [id, { EventType, Name }] of this.#begun)
      if (!this.#matched.has(id))
        throw new NonDeterminism(
          `Non-Deterministic workflow detected: A previous execution of this orchestration scheduled ${wordFor(EventType)} with sequence ID ${id}${Name === undefined ? "" : ` and name '${Name}'`}, but the current replay execution hasn't (yet?) scheduled this task.`,
        );
    return { decisions: this.#decisions, hasOpen: this.#open > 0 };
  }

  #read(event: HistoryEvent): void {
    switch (event.EventType) {
      case eventType.taskScheduled:
      case eventType.childCreated:
      case eventType.timerCreated:
        this.#begun.set(event.EventId, event);
        break;
      case eventType.taskCompleted:
      case eventType.childCompleted:
        this.#ends.set(event.TaskScheduledId ?? -1, "done");
        break;
      case eventType.taskFailed:
      case eventType.childFailed:
        this.#ends.set(event.TaskScheduledId ?? -1, "failed");
        break;
      case eventType.timerFired:
        this.#ends.set(event.TimerId ?? -1, "done");
        break;
      case eventType.eventRaised: {
        const name = (event.Name ?? "").toLowerCase();
        this.#events.set(name, (this.#events.get(name) ?? 0) + 1);
        break;
      }
    }
  }

  #task({ functionName: name = "", input }: Action): Progress {
    const id = this.#next++;
    if (!this.#isBegun(id, eventType.taskScheduled, name))
      this.#decisions.push({ kind: "task", id, name, input });
    return this.#endOf(id);
  }

  #retried(action: Action): Progress {
    const retry = action.retryOptions;
    if (retry === undefined) return this.#task(action);
    for (let attempt = 1; ; attempt++) {
      const progress = this.#task(action);
      if (progress !== "failed") return progress;
      // the extension waits after the last attempt, too
      const waited = this.#timer(
        new Date(Date.now() + delayOf(retry, attempt)).toISOString(),
        false,
      );
      if (waited === "open") return "open";
      if (attempt >= retry.maxNumberOfAttempts) return "failed";
    }
  }

  #child({ functionName: name = "", instanceId: instance, input }: Action): Progress {
    const id = this.#next++;
    if (!this.#isBegun(id, eventType.childCreated, name))
      this.#decisions.push({ kind: "child", id, name, instance, input });
    return this.#endOf(id);
  }

  #timer(fireAt: string, isCanceled: boolean): Progress {
    const id = this.#next++;
    if (!this.#isBegun(id, eventType.timerCreated))
      this.#decisions.push({ kind: "timer", id, fireAt });
    return isCanceled ? "failed" : this.#endOf(id);
  }

  #event(given: string): Progress {
    const name = given.toLowerCase();
    const left = this.#events.get(name) ?? 0;
    if (left === 0) return "open";
    this.#events.set(name, left - 1);
    return "done";
  }

  #isBegun(id: number, type: number, name?: string): boolean {
    const event = this.#begun.get(id);
    if (event === undefined) return false;
    if (event.EventType !== type || (name !== undefined && event.Name !== name))
      throw new NonDeterminism(
        `Non-Deterministic workflow detected: A previous execution of this orchestration scheduled ${wordFor(event.EventType)} with sequence ID ${id} and name '${event.Name ?? ""}', but the current replay execution scheduled ${wordFor(type)} '${name ?? ""}' instead.`,
      );
    this.#matched.add(id);
    return true;
  }

  #endOf(id: number): Progress {
    const end = this.#ends.get(id);
    if (end !== undefined) return end;
    this.#open += 1;
    return "open";
  }
}

function delayOf(retry: RetryOptions, attempt: number): number {
  const delay =
    retry.firstRetryIntervalInMilliseconds * (retry.backoffCoefficient ?? 1) ** (attempt - 1);
  return Math.min(delay, retry.maxRetryIntervalInMilliseconds ?? Infinity);
}

function wordFor(type: number): string {
  if (type === eventType.taskScheduled) return "an activity task";
  return type === eventType.timerCreated ? "a timer" : "a sub-orchestration";
}
