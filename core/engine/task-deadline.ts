import type { ScheduledEntry } from "../journal/entry.ts";
import { readDocument } from "../journal/inbox.ts";
import type { LoadedExecution } from "../journal/load.ts";
import { taskSort } from "./task.ts";

type Known = Pick<LoadedExecution, "tasks" | "journal">;

/** What is known of the queue that the isolated attempts of an execution stand in. */
interface Queue {
  /** Epoch milliseconds at which one of them last left something. */
  readonly lastSign: number;
  /** Longest time one of them may take, in milliseconds. */
  readonly longest: number;
}

const queues = new WeakMap<Known["tasks"], Queue>();

/**
 * Epoch milliseconds after which a scheduled attempt that has left nothing has crashed. An orchestrator runs only so many
 * at once, and one may begin long after it was scheduled; but as long as any is left to begin, one of those that run ends
 * within the longest timeout. So the time counts from the last one that has left something.
 */
export function crashedAfter(execution: Known, open: Pick<ScheduledEntry, "at" | "until">): number {
  const { lastSign, longest } = queueOf(execution);
  return Math.max(open.at, lastSign) + Math.max(longest, allowed(open));
}

/**
 * When all attempts that are open have left something or crashed. Undefined when none is open, and while none has left
 * anything since `sentAt`: they may have been lost on their way.
 */
export function openTasksUntil(execution: Known, sentAt: number): number | undefined {
  if (queueOf(execution).lastSign < sentAt) return undefined;
  let until: number | undefined;
  for (const open of execution.journal.state.opens.values()) {
    if (open.t !== "scheduled" || open.until === undefined) continue;
    if (execution.tasks.has(taskSort(open.id, open.no))) continue;
    until = Math.max(until ?? 0, crashedAfter(execution, open));
  }
  return until;
}

/** Read once for all attempts: there may be thousands. */
function queueOf(execution: Known): Queue {
  const known = queues.get(execution.tasks);
  if (known !== undefined) return known;
  let lastSign = 0;
  for (const document of execution.tasks.values())
    lastSign = Math.max(lastSign, readDocument<{ readonly at: number }>(document, "at").at);
  let longest = 0;
  for (const open of execution.journal.state.opens.values())
    if (open.t === "scheduled") longest = Math.max(longest, allowed(open));
  const queue = { lastSign, longest };
  queues.set(execution.tasks, queue);
  return queue;
}

function allowed({ at, until = at }: Pick<ScheduledEntry, "at" | "until">): number {
  return until - at;
}
