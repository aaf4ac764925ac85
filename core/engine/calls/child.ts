import { hasCode } from "../../errors.ts";
import type { ChildItem } from "../../journal/inbox.ts";
import { storeError } from "../../journal/stored-error.ts";
import { undefinedRef } from "../../journal/values.ts";
import { type Call, fieldsOf } from "../call.ts";
import { refsOf } from "../captured.ts";
import { cancelChild as cancel, childExecutionId, ensureChild } from "../children.ts";
import type { FlowRun } from "../flow-run.ts";

/** Record a child flow as scheduled, or look after one that is. */
export async function beginChild(run: FlowRun, call: Call, now: number): Promise<void> {
  run.open.set(call.id, call);
  if (run.state.opens.has(call.id)) {
    if (run.params.checkChildren) await startChild(run, call.id);
    return;
  }
  run.record([
    {
      t: "scheduled",
      ...fieldsOf(call),
      no: run.state.retries.length + 1,
      in: await refsOf(run.session.context.values, call.inputs),
      child: childExecutionId(run.executionId, call.id),
      ...run.params.replay?.childOf(call),
      at: now,
    },
  ]);
}

/** Start the child of a scheduled call, or take in its end when it has ended already. */
export async function startChild(run: FlowRun, callId: string): Promise<void> {
  const open = run.state.opens.get(callId);
  const call = run.open.get(callId);
  if (open?.t !== "scheduled" || call === undefined) return;
  const end = await endOfChild(run, open);
  if (end === undefined || !run.wants(call)) return;
  const common = { ...fieldsOf(call), in: open.in, at: run.session.context.clock.now() };
  run.record([
    end.err === undefined
      ? { t: "completed", ...common, out: end.out ?? undefinedRef }
      : { t: "failed", ...common, err: end.err },
  ]);
}

async function endOfChild(
  run: FlowRun,
  open: Parameters<typeof ensureChild>[1],
): Promise<Pick<ChildItem, "out" | "err"> | undefined> {
  try {
    return await ensureChild(run.session, open);
  } catch (error) {
    if (hasCode(error, "usage") || hasCode(error, "conflict")) return { err: storeError(error) }; // its input does not fit
    throw error;
  }
}

/** Pass a cancel on to the child of a call that is scheduled. */
export async function cancelChild(run: FlowRun, call: Call): Promise<void> {
  if (!run.state.opens.has(call.id)) return;
  await cancel(run.session, childExecutionId(run.executionId, call.id));
}
