import type { Entry } from "../../journal/entry.ts";
import { undefinedRef } from "../../journal/values.ts";
import { type Call, fieldsOf } from "../call.ts";
import type { FlowRun } from "../flow-run.ts";

/** Fix the time at which a sleep is over, once. */
export function beginSleep(run: FlowRun, call: Call, length: number | Date, now: number): void {
  run.open.set(call.id, call);
  const open = run.state.opens.get(call.id);
  if (open?.t === "sleeping") {
    call.due = open.due;
    return;
  }
  const times =
    length instanceof Date ? { due: length.getTime() } : { due: now + length, ms: length };
  call.due = times.due;
  run.record([{ t: "sleeping", ...fieldsOf(call), ...times, at: now }]);
}

/** The outcome of a sleep that is over. */
export function wokenUp(call: Call, now: number): Entry {
  return { t: "completed", ...fieldsOf(call), out: undefinedRef, at: now };
}
