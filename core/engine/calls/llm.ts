import type { OutcomeEntry } from "../../journal/entry.ts";
import { storeError } from "../../journal/stored-error.ts";
import type { LlmCall } from "../../ports/model.ts";
import { runLlm } from "../attempt.ts";
import { type Call, fieldsOf, optionsOf } from "../call.ts";
import { observe } from "../context.ts";
import type { FlowRun } from "../flow-run.ts";
import { llmFields } from "../llm-entry.ts";

/** Ask a model on behalf of the flow body. */
export function beginLlm(run: FlowRun, call: Call, request: LlmCall, now: number): void {
  run.running.set(call.id, call);
  run.background(askModel(run, call, request, now));
}

async function askModel(
  run: FlowRun,
  call: Call,
  request: LlmCall,
  startedAt: number,
): Promise<void> {
  const controller = new AbortController();
  call.work = controller;
  const { context, executionId } = run.session;
  observe(context, (o) =>
    o.started?.({ executionId, callId: call.id, name: call.name, attempt: 1 }),
  );
  const entry = await outcomeOf(run, call, request, controller.signal, startedAt);
  run.running.delete(call.id);
  if (run.wants(call)) run.record([entry]);
  else run.poke();
}

async function outcomeOf(
  run: FlowRun,
  call: Call,
  request: LlmCall,
  signal: AbortSignal,
  startedAt: number,
): Promise<OutcomeEntry> {
  const { context } = run.session;
  try {
    const outcome = await runLlm(context, request, signal);
    const fields = await llmFields(context.values, outcome, call.id);
    const isKept = outcome.prompt !== undefined;
    const options = isKept
      ? await context.values.put(optionsOf(request), "the options")
      : undefined;
    return {
      t: "completed",
      ...fieldsOf(call),
      ...fields,
      ...(options === undefined ? {} : { options }),
      s: startedAt,
      at: context.clock.now(),
    };
  } catch (error) {
    const err = storeError(error);
    return { t: "failed", ...fieldsOf(call), err, s: startedAt, at: context.clock.now() };
  }
}
