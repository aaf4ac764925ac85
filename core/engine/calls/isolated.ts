import { KitaruExecutionError } from "../../errors.ts";
import type { ScheduledEntry } from "../../journal/entry.ts";
import { readDocument } from "../../journal/inbox.ts";
import { storeError } from "../../journal/stored-error.ts";
import { type Call, fieldsOf } from "../call.ts";
import { refsOf } from "../captured.ts";
import type { CheckpointDefinition } from "../definitions.ts";
import type { FlowRun } from "../flow-run.ts";
import { decideRetry } from "../retry.ts";
import { type TaskOutcome, llmsLeft, spentAttempts, taskSort } from "../task.ts";
import { crashedAfter } from "../task-deadline.ts";
import { interrupted, isDelayed } from "./inline.ts";

/** Longest an isolated attempt without a timeout of its own may take: what AWS Lambda grants one invocation. */
const isolatedTimeoutMs = 15 * 60_000;

/** Have an attempt run in its own invocation, or take in what one has left. */
export async function beginIsolated(
  run: FlowRun,
  call: Call,
  definition: CheckpointDefinition,
  now: number,
): Promise<void> {
  const failures = run.failures(call.id);
  const number = spentAttempts(run.state, call.id) + failures.length + 1;
  const open = run.state.opens.get(call.id);
  const scheduled = open?.t === "scheduled" ? open : undefined;
  if (scheduled?.no === number) return adopt(run, call, definition, scheduled, now);
  if (isDelayed(run, call, failures.at(-1), now)) return;
  const { values, backend } = run.session.context;
  const until = now + (definition.timeoutMs ?? isolatedTimeoutMs) + backend.capabilities.graceMs;
  run.open.set(call.id, call);
  const input = scheduled?.in ?? (await refsOf(values, call.inputs));
  const base = call.replayed?.base;
  const code = run.params.replay?.codeOf(call);
  run.record([
    {
      t: "scheduled",
      ...fieldsOf(call),
      no: number,
      in: input,
      until,
      ...(base === undefined ? {} : { src: base }),
      ...(code === undefined ? {} : { code }),
      at: now,
    },
  ]);
}

/** Take in the outcome document of an attempt, or its absence after the deadline. */
function adopt(
  run: FlowRun,
  call: Call,
  definition: CheckpointDefinition,
  open: ScheduledEntry,
  now: number,
): void {
  const document = run.session.execution.tasks.get(taskSort(call.id, open.no));
  const crashedAt = crashedAfter(run.session.execution, open);
  if (document === undefined && now < crashedAt) {
    run.open.set(call.id, call);
    call.due = crashedAt;
    return;
  }
  const outcome =
    document === undefined
      ? crashedOutcome(run, call, definition, open, now)
      : readDocument<TaskOutcome>(document, "at");
  const { s, at, out, err, retryMs } = outcome;
  const before = [...outcome.llms.filter((entry) => !isRecorded(run, entry)), ...outcome.extras];
  const common = { ...fieldsOf(call), in: open.in, s, at };
  const number = open.no - spentAttempts(run.state, call.id);
  const tries = number === 1 ? {} : { tries: number };
  if (out !== undefined) {
    run.record([...before, { t: "completed", ...common, ...tries, out }]);
    return;
  }
  const failure = err ?? storeError(new Error(`attempt ${open.no} left no outcome`));
  if (retryMs === undefined) {
    run.record([...before, { t: "failed", ...common, ...tries, err: failure }]);
    return;
  }
  run.record([
    ...before,
    { t: "attempt", ...common, no: open.no, err: failure, retryAt: at + retryMs },
  ]);
  run.restart(call);
}

/** Llm outcomes of earlier attempts travel along in the document of a later one. */
function isRecorded(run: FlowRun, entry: TaskOutcome["llms"][number]): boolean {
  return (run.state.llms.get(entry.id) ?? []).some((known) => known.i === entry.i);
}

function crashedOutcome(
  run: FlowRun,
  call: Call,
  definition: CheckpointDefinition,
  open: ScheduledEntry,
  now: number,
): TaskOutcome {
  const isOnce = definition.semantics === "at-most-once";
  const error = isOnce ? interrupted(call) : crashed(call, open);
  const number = open.no - spentAttempts(run.state, call.id);
  const decision = decideRetry(definition.retry, number, error, run.session.context.random);
  const retry = decision.retry && !isOnce ? { retryMs: decision.delayMs } : {};
  const llms = llmsLeft(run.session.execution.tasks, call.id, open.no);
  return { s: open.at, at: now, err: storeError(error), llms, extras: [], ...retry };
}

function crashed(call: Call, open: ScheduledEntry): KitaruExecutionError {
  return new KitaruExecutionError(
    `Attempt ${open.no} of ${call.id} left no outcome until its deadline: its process crashed or was stopped.`,
    { code: "crashed", details: { call: call.id, attempt: open.no } },
  );
}
