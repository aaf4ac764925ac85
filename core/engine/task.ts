import { encode } from "../codec.ts";
import { KitaruExecutionError, KitaruStateError } from "../errors.ts";
import type { LlmEntry, ScheduledEntry } from "../journal/entry.ts";
import { readHead } from "../journal/head.ts";
import { executionPartition } from "../journal/journal.ts";
import type { JournalState } from "../journal/state.ts";
import { type StoredError, storeError } from "../journal/stored-error.ts";
import type { ValueRef } from "../journal/values.ts";
import type { TaskRef } from "../ports/orchestrator.ts";
import { findArtifact } from "./artifacts.ts";
import { Attempt, type AttemptResult, type LlmRecording, abortAfter } from "./attempt.ts";
import { type ExtraEntry, extraEntries } from "./calls/extras.ts";
import { contextOf } from "./code.ts";
import { type EngineContext, observe } from "./context.ts";
import type { CheckpointDefinition } from "./definitions.ts";
import { llmFields } from "./llm-entry.ts";
import { nextLlm, reusableLlms } from "./llm-reuse.ts";
import { replacementOf } from "./replay/given.ts";
import { type ReplayedLlms, replayedLlmsOf } from "./replay/llms.ts";
import { decideRetry } from "./retry.ts";
import { load } from "./session.ts";

/** Outcome document of one isolated attempt, written by whoever ran it. */
export interface TaskOutcome {
  /** Epoch milliseconds when the attempt started and ended. */
  readonly s: number;
  readonly at: number;
  readonly out?: ValueRef;
  readonly err?: StoredError;
  /** Delay before the next attempt; absent when there is none. The worker decides, since it has the error itself. */
  readonly retryMs?: number;
  readonly llms: readonly LlmEntry[];
  readonly extras: readonly ExtraEntry[];
}

/** Sort key of the outcome document of an attempt. */
export function taskSort(callId: string, attempt: number): string {
  return `t/${callId}/${attempt}`;
}

/** How many attempts of a call a retry of its execution has made void; their documents are still there. */
export function spentAttempts(state: JournalState, callId: string): number {
  return state.spent.get(callId) ?? 0;
}

/** Llm outcomes an attempt has left, whether or not it lived to leave its own. */
export function llmsLeft(
  tasks: ReadonlyMap<string, { readonly body: string }>,
  callId: string,
  attempt: number,
): LlmEntry[] {
  return llmDocuments(tasks, callId).filter((entry) => entry.no === attempt);
}

function llmDocuments(
  tasks: ReadonlyMap<string, { readonly body: string }>,
  callId: string,
): LlmEntry[] {
  const prefix = `t/${callId}/llm/`;
  return [...tasks]
    .filter(([sort]) => sort.startsWith(prefix))
    .map(([, document]) => JSON.parse(document.body) as LlmEntry)
    .toSorted((a, b) => a.i - b.i);
}

/**
 * Run one isolated attempt and store its outcome. Whoever stores first wins; a double leaves no trace.
 * Does nothing when the call has been settled meanwhile.
 */
export async function runTask(
  process: EngineContext,
  ref: TaskRef,
  signal?: AbortSignal,
): Promise<void> {
  const { head, journal, tasks } = await load(process, ref.executionId);
  const open = journal.state.opens.get(ref.callId);
  if (head === undefined || open?.t !== "scheduled" || open.no !== ref.attempt) return;
  if (journal.state.outcomes.has(ref.callId) || tasks.has(taskSort(ref.callId, ref.attempt)))
    return;
  const { facts } = readHead(head);
  const context = await contextOf(process, facts);
  const definition = context.registry.checkpoint(open.name);
  if (definition === undefined)
    throw new KitaruStateError(
      `Checkpoint "${open.name}" of flow "${facts.flow}" is not defined in this program. Import the module that defines it.`,
    );
  if (definition.semantics === "at-most-once" && !(await claimStart(context, ref))) return;
  const { state } = journal;
  const worker = new Worker({
    context,
    ref,
    definition: withCodeOf(context, definition, open),
    open,
    state,
    recordedLlms: nextLlm([
      ...llmDocuments(tasks, ref.callId),
      ...(state.llms.get(ref.callId) ?? []),
    ]),
    replayed: await replayedLlmsOf(context, state, open),
    isReplay: readHead(head).facts.isReplay === true,
  });
  const left = llmsLeft(tasks, ref.callId, ref.attempt);
  const reusable = [...reusableLlms(journal.state, ref.callId), ...left];
  await storeOutcome(context, ref, await worker.run(reusable, signal));
}

/** Store that an attempt ended without one: its process died. Loses against an outcome that is there. */
export async function recordCrash(
  context: EngineContext,
  ref: TaskRef,
  why: string,
): Promise<void> {
  const { head, journal, tasks } = await load(context, ref.executionId);
  const open = journal.state.opens.get(ref.callId);
  if (head === undefined || open === undefined) return;
  const { registry } = await contextOf(context, readHead(head).facts);
  const definition = registry.checkpoint(open.name);
  if (definition === undefined) return;
  const atMostOnce = definition.semantics === "at-most-once";
  const number = ref.attempt - spentAttempts(journal.state, ref.callId);
  const error = new KitaruExecutionError(
    `Attempt ${number} of ${ref.callId} ended without an outcome: ${why}.`,
    { code: atMostOnce ? "interrupted" : "crashed", details: { call: ref.callId } },
  );
  const decision = decideRetry(definition.retry, number, error, context.random);
  const at = context.clock.now();
  const retry = decision.retry && !atMostOnce ? { retryMs: decision.delayMs } : {};
  await storeOutcome(context, ref, {
    s: open.at,
    at,
    err: storeError(error),
    llms: llmsLeft(tasks, ref.callId, ref.attempt),
    extras: [],
    ...retry,
  });
}

async function storeOutcome(
  context: EngineContext,
  ref: TaskRef,
  outcome: TaskOutcome,
): Promise<void> {
  await context.backend.records.put(
    {
      partition: executionPartition(ref.executionId),
      sort: taskSort(ref.callId, ref.attempt),
      body: JSON.stringify(outcome),
    },
    "absent",
  );
}

/** Durable before the function starts: only one process ever gets to run an at-most-once attempt. */
async function claimStart(context: EngineContext, ref: TaskRef): Promise<boolean> {
  const partition = executionPartition(ref.executionId);
  const sort = `s/${ref.callId}/${ref.attempt}`;
  const body = JSON.stringify({ at: context.clock.now() });
  return (await context.backend.records.put({ partition, sort, body }, "absent")).ok;
}

/** In a replay another checkpoint's function may run. */
function withCodeOf(
  { registry }: EngineContext,
  definition: CheckpointDefinition,
  { id, code }: ScheduledEntry,
): CheckpointDefinition {
  return code === undefined
    ? definition
    : { ...definition, fn: replacementOf(registry, id, code).fn };
}

interface WorkerParams {
  readonly context: EngineContext;
  readonly ref: TaskRef;
  readonly definition: CheckpointDefinition;
  readonly open: ScheduledEntry;
  readonly state: JournalState;
  /** Where new llm outcomes are numbered from. */
  readonly recordedLlms: number;
  readonly replayed: ReplayedLlms | undefined;
  readonly isReplay: boolean;
}

class Worker {
  readonly #params: WorkerParams;
  readonly #context: EngineContext;
  readonly #ref: TaskRef;
  readonly #definition: CheckpointDefinition;
  readonly #open: ScheduledEntry;
  /** Counts from 1 since the last retry of the execution. */
  readonly #number: number;
  readonly #llms: LlmEntry[] = [];

  constructor(params: WorkerParams) {
    const { context, ref, definition, open, state } = params;
    this.#params = params;
    this.#number = ref.attempt - spentAttempts(state, ref.callId);
    this.#context = context;
    this.#ref = ref;
    this.#definition = definition;
    this.#open = open;
  }

  async run(reusable: readonly LlmEntry[], signal: AbortSignal | undefined): Promise<TaskOutcome> {
    const context = this.#context;
    const startedAt = context.clock.now();
    const { executionId, callId } = this.#ref;
    const { recordedLlms, replayed, isReplay } = this.#params;
    const scope = new Attempt({
      context,
      name: this.#definition.name,
      executionId,
      callId,
      number: this.#number,
      isReplay,
      sink: {
        reusable,
        recordedLlms,
        replayed,
        llm: (record) => this.#keepLlm(record),
        load: (id, name) => findArtifact(context, id, name),
      },
    });
    const abort = (): void => scope.abort(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const args = await Promise.all(this.#open.in.map((input) => context.values.get(input)));
    const cancelTimeout = abortAfter(context, scope, callId, this.#definition.timeoutMs);
    const { name } = this.#definition;
    observe(context, (o) => o.started?.({ executionId, callId, name, attempt: this.#number }));
    const result = await scope.run(() => this.#definition.fn(...args));
    cancelTimeout();
    signal?.removeEventListener("abort", abort);
    return this.#outcome(scope, result, startedAt, reusable);
  }

  async #outcome(
    scope: Attempt,
    result: AttemptResult,
    startedAt: number,
    reusable: readonly LlmEntry[],
  ): Promise<TaskOutcome> {
    const stored = result.ok ? await this.#stored(result.value) : result;
    const fields = {
      s: startedAt,
      at: this.#context.clock.now(),
      llms: [...reusable.filter((entry) => entry.no === this.#ref.attempt), ...this.#llms],
    };
    const extras = await extraEntries(this.#context, this.#ref.callId, scope, stored.ok);
    if (stored.ok) return { ...fields, extras, out: stored.value as ValueRef };
    const decision = decideRetry(
      this.#definition.retry,
      this.#number,
      stored.error,
      this.#context.random,
    );
    const retry = decision.retry ? { retryMs: decision.delayMs } : {};
    return { ...fields, extras, err: storeError(stored.error), ...retry };
  }

  async #stored(value: unknown): Promise<AttemptResult> {
    try {
      const encoded = encode(value, `the result of ${this.#ref.callId}`);
      return { ok: true, value: await this.#context.values.putEncoded(encoded) };
    } catch (error) {
      return { ok: false, error };
    }
  }

  async #keepLlm(recording: LlmRecording): Promise<void> {
    const { index, name, hash, outcome, startedAt, taken } = recording;
    const { callId, attempt, executionId } = this.#ref;
    const entry: LlmEntry = {
      t: "llm",
      id: callId,
      no: attempt,
      i: index,
      name,
      h: hash,
      ...(await llmFields(this.#context.values, outcome, name)),
      s: startedAt,
      at: this.#context.clock.now(),
    };
    this.#llms.push(...taken, entry);
    await this.#context.backend.records.put(
      {
        partition: executionPartition(executionId),
        sort: `t/${callId}/llm/${index}`,
        body: JSON.stringify(entry),
      },
      "absent",
    );
  }
}
