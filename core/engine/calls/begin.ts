import type { TaskRef } from "../../ports/orchestrator.ts";
import type { Call } from "../call.ts";
import type { FlowRun } from "../flow-run.ts";
import { crashedAfter } from "../task-deadline.ts";
import { beginChild } from "./child.ts";
import { beginInline } from "./inline.ts";
import { beginIsolated } from "./isolated.ts";
import { beginLlm } from "./llm.ts";
import { beginSleep } from "./sleep.ts";
import { beginWait } from "./wait.ts";

/** Set going a call the journal has no outcome for. */
export function begin(run: FlowRun, call: Call, now: number): void | Promise<void> {
  const { spec } = call;
  switch (spec.kind) {
    case "checkpoint":
      return spec.definition.runtime === "isolated" &&
        run.session.context.backend.capabilities.isolated
        ? beginIsolated(run, call, spec.definition, now)
        : beginInline(run, call, spec.definition, now);
    case "llm":
      return beginLlm(run, call, spec.call, now);
    case "wait":
      return beginWait(run, call, spec.definition, now);
    case "sleep":
      return beginSleep(run, call, spec.length, now);
    case "flow":
      return beginChild(run, call, now);
  }
}

/** Isolated attempts that still have to run, and the latest time one of them must have ended. */
export function openTasks(
  run: FlowRun,
): { readonly tasks: readonly TaskRef[]; readonly dueAt: number } | undefined {
  const tasks: TaskRef[] = [];
  let dueAt = 0;
  for (const call of run.open.values()) {
    const open = run.state.opens.get(call.id);
    if (open?.t !== "scheduled" || open.until === undefined) continue;
    const hasFailed = run.failures(call.id).some((attempt) => attempt.no === open.no);
    if (hasFailed) continue; // waits for its next attempt
    tasks.push({ executionId: run.executionId, callId: call.id, attempt: open.no });
    dueAt = Math.max(dueAt, crashedAfter(run.session.execution, open));
  }
  return tasks.length === 0 ? undefined : { tasks, dueAt };
}
