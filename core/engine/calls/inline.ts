import { type Encoded, decodeOnce, encode } from "../../codec.ts";
import { KitaruExecutionError, hasCode } from "../../errors.ts";
import type { AttemptEntry, Entry, FailedEntry, LlmEntry } from "../../journal/entry.ts";
import { PlainOutcome } from "../../journal/plain-outcome.ts";
import { storeError } from "../../journal/stored-error.ts";
import { type ValueRef, isPlainScalar } from "../../journal/values.ts";
import { type FoundArtifact, findArtifact } from "../artifacts.ts";
import {
  Attempt,
  type AttemptResult,
  type AttemptSink,
  type LlmRecording,
  abortAfter,
} from "../attempt.ts";
import { cacheSettingOf, readCache, writeCache } from "../cache.ts";
import { type Call, fieldsOf } from "../call.ts";
import { refsOf, release } from "../captured.ts";
import { observe } from "../context.ts";
import type { CacheSetting, CheckpointDefinition } from "../definitions.ts";
import type { FlowRun } from "../flow-run.ts";
import { llmFields } from "../llm-entry.ts";
import { nextLlm, reusableLlms } from "../llm-reuse.ts";
import type { ReplayedLlms } from "../replay/llms.ts";
import { decideRetry } from "../retry.ts";
import { extraEntries } from "./extras.ts";

/** Longest retry delay that holds compute; a longer one suspends the execution. */
const heldDelayMs = 5000;

/** Run a checkpoint inside this advance. */
export function beginInline(
  run: FlowRun,
  call: Call,
  definition: CheckpointDefinition,
  now: number,
): void | Promise<void> {
  const failures = run.failures(call.id);
  const attempt = new InlineAttempt(run, call, definition, failures.length + 1, now);
  if (run.hasUnfinishedAttempt(call.id)) return settleFailure(attempt, interrupted(call), noExtras);
  if (isDelayed(run, call, failures.at(-1), now)) return undefined;
  const isFrom = call.replayed?.isFrom === true;
  const cache = isFrom ? undefined : cacheSettingOf(definition, run.params.flow);
  if (cache?.enabled === true && failures.length === 0) return startUnlessCached(attempt, cache);
  return start(attempt);
}

async function startUnlessCached(attempt: InlineAttempt, setting: CacheSetting): Promise<void> {
  const { run, call, definition, startedAt } = attempt;
  const { context } = run.session;
  const out = await readCache(context, definition, call.h, setting, startedAt);
  if (out === undefined) return start(attempt);
  const input = await refsOf(context.values, call.inputs);
  run.record([
    {
      t: "completed",
      ...fieldsOf(call),
      in: input,
      out,
      disp: "cached",
      s: startedAt,
      at: startedAt,
    },
  ]);
}

/** Wait out what is left of a recorded retry delay. */
export function isDelayed(
  run: FlowRun,
  call: Call,
  last: AttemptEntry | undefined,
  now: number,
): boolean {
  if (last?.retryAt === undefined || last.retryAt <= now) return false;
  call.due = last.retryAt;
  run.open.set(call.id, call);
  return true;
}

/** The failure of a call that was started, may run once at most, and left no outcome. */
export function interrupted(call: Call): KitaruExecutionError {
  return new KitaruExecutionError(
    `${call.id} was started and its process ended before it left an outcome. It is declared at-most-once, so it is not run again: find out whether it took effect.`,
    { code: "interrupted", details: { call: call.id } },
  );
}

/** One attempt of a call in this advance. */
class InlineAttempt implements AttemptSink {
  readonly run: FlowRun;
  readonly call: Call;
  readonly definition: CheckpointDefinition;
  readonly number: number;
  readonly startedAt: number;
  readonly scope: Attempt;
  readonly recordedLlms: number;
  readonly replayed: ReplayedLlms | undefined;

  constructor(
    run: FlowRun,
    call: Call,
    definition: CheckpointDefinition,
    number: number,
    startedAt: number,
  ) {
    this.run = run;
    this.call = call;
    this.definition = definition;
    this.number = number;
    this.startedAt = startedAt;
    this.recordedLlms = nextLlm(run.state.llms.get(call.id));
    this.replayed = run.params.replay?.llmsOf(call);
    const { context, executionId } = run.session;
    this.scope = new Attempt({
      context,
      name: definition.name,
      executionId,
      callId: call.id,
      number,
      isReplay: run.params.isReplay,
      sink: this,
    });
  }

  get reusable(): readonly LlmEntry[] {
    return reusableLlms(this.run.state, this.call.id);
  }

  llm(recording: LlmRecording): Promise<void> {
    return this.#unlessStoreFails(recordLlm(this, recording));
  }

  load(executionId: string, name: string): Promise<FoundArtifact> {
    return this.#unlessStoreFails(findArtifact(this.run.session.context, executionId, name));
  }

  /** Of a store that fails the checkpoint hears nothing: that is the failure of the advance, which is tried again. */
  #unlessStoreFails<T>(work: Promise<T>): Promise<T> {
    return work.catch((error: unknown) => {
      if (!hasCode(error, "backend")) throw error;
      this.run.background(Promise.reject(error));
      return new Promise<never>(() => undefined);
    });
  }
}

function start(attempt: InlineAttempt): void {
  const { run, call, definition, scope } = attempt;
  run.running.set(call.id, call);
  call.work = scope;
  if (definition.semantics === "at-least-once") run.background(execute(attempt));
  else run.background(executeOnce(attempt));
}

/** At most once: the start is durable before the function runs. */
async function executeOnce(attempt: InlineAttempt): Promise<void> {
  const { run, call, number, startedAt } = attempt;
  const input = await refsOf(run.session.context.values, call.inputs);
  const entry: AttemptEntry = {
    t: "attempt",
    ...fieldsOf(call),
    no: number,
    s: startedAt,
    open: true,
    in: input,
    at: startedAt,
  };
  await run.recordDurably([entry]);
  return execute(attempt);
}

function execute(attempt: InlineAttempt): void | Promise<void> {
  const { run, call, definition, scope, number } = attempt;
  const { context, executionId } = run.session;
  observe(context, (o) =>
    o.started?.({ executionId, callId: call.id, name: call.name, attempt: number }),
  );
  const cancelTimeout = abortAfter(context, scope, call.id, definition.timeoutMs);
  const ended = (result: AttemptResult): void | Promise<void> => {
    cancelTimeout();
    return finish(attempt, result);
  };
  const result = scope.run(() => definition.fn(...call.inputs.map(release)));
  return result instanceof Promise ? result.then(ended) : ended(result);
}

/** Synchronous wherever nothing has to be stored first: most attempts end this way. */
function finish(attempt: InlineAttempt, result: AttemptResult): void | Promise<void> {
  const { logs, artifacts, loads, takenLlms } = attempt.scope;
  if (logs.length + artifacts.length + loads.length + takenLlms.length > 0)
    return finishWithExtras(attempt, result);
  return settle(attempt, result, noExtras);
}

async function finishWithExtras(attempt: InlineAttempt, result: AttemptResult): Promise<void> {
  const { run, call, scope } = attempt;
  let extras: readonly Entry[];
  try {
    extras = await extraEntries(run.session.context, call.id, scope, result.ok);
  } catch (error) {
    return unstorable(attempt, error);
  }
  return settle(attempt, result, extras);
}

const noExtras: readonly Entry[] = [];

function settle(
  attempt: InlineAttempt,
  result: AttemptResult,
  extras: readonly Entry[],
): void | Promise<void> {
  if (!result.ok) return settleFailure(attempt, result.error, extras);
  if (isPlainScalar(result.value)) return settleValue(attempt, { v: result.value }, extras);
  return settleEncoded(attempt, result.value, extras);
}

function settleEncoded(
  attempt: InlineAttempt,
  value: unknown,
  extras: readonly Entry[],
): void | Promise<void> {
  const { run, call } = attempt;
  let encoded: Encoded;
  try {
    encoded = encode(value, `the result of ${call.id}`);
  } catch (error) {
    return unstorable(attempt, error);
  }
  const out = run.session.context.values.putEncoded(encoded);
  run.keep(call.id, decodeOnce(encoded)); // so that it is not read back
  return out instanceof Promise
    ? out.then((ref) => settleValue(attempt, ref, extras))
    : settleValue(attempt, out, extras);
}

/** A value that cannot be stored is the checkpoint's failure; a store that fails is the advance's. */
function unstorable(attempt: InlineAttempt, error: unknown): Promise<void> {
  if (hasCode(error, "serialization")) return settleFailure(attempt, error, noExtras);
  throw error;
}

function settleValue(
  attempt: InlineAttempt,
  out: ValueRef,
  extras: readonly Entry[],
): void | Promise<void> {
  const refs = refsOf(attempt.run.session.context.values, attempt.call.inputs);
  if (refs instanceof Promise)
    return refs.then((input: readonly ValueRef[]) => recordValue(attempt, input, out, extras));
  return recordValue(attempt, refs, out, extras);
}

function recordValue(
  attempt: InlineAttempt,
  input: readonly ValueRef[],
  out: ValueRef,
  extras: readonly Entry[],
): void {
  const { run, call, number, startedAt } = attempt;
  run.running.delete(call.id);
  if (!run.wants(call)) return run.poke();
  const { id, kind, name, ask, h } = call;
  const at = run.session.context.clock.now();
  const fields = { id, name, ask, h, in: input, s: startedAt, out, at };
  const made: Entry =
    number === 1 ? new PlainOutcome(fields) : { t: "completed", kind, ...fields, tries: number };
  run.record(extras.length === 0 ? [made] : [...extras, made], cacheWriter(attempt, out));
}

function cacheWriter(
  { run, call, definition }: InlineAttempt,
  out: ValueRef,
): (() => void) | undefined {
  if (cacheSettingOf(definition, run.params.flow)?.enabled !== true) return undefined;
  const { context, executionId } = run.session;
  return () => void writeCache(context, definition, call.h, { executionId, callId: call.id, out });
}

async function settleFailure(
  attempt: InlineAttempt,
  error: unknown,
  extras: readonly Entry[],
): Promise<void> {
  const { run, call } = attempt;
  const input = await refsOf(run.session.context.values, call.inputs);
  run.running.delete(call.id);
  if (!run.wants(call)) return run.poke();
  const entry = failureEntry(attempt, error, input);
  if (entry.t === "failed") run.record([...extras, entry]);
  else run.record([...extras, entry], () => tryAgain(attempt, entry)); // an attempt is numbered by those recorded
}

function failureEntry(
  attempt: InlineAttempt,
  error: unknown,
  input: readonly ValueRef[],
): AttemptEntry | FailedEntry {
  const { run, call, definition, number, startedAt } = attempt;
  const { clock, random } = run.session.context;
  const at = clock.now();
  const err = storeError(error);
  const decision = decideRetry(definition.retry, number, error, random);
  const tries = number === 1 ? {} : { tries: number };
  return decision.retry
    ? {
        t: "attempt",
        ...fieldsOf(call),
        no: number,
        s: startedAt,
        err,
        in: input,
        retryAt: at + decision.delayMs,
        at,
      }
    : { t: "failed", ...fieldsOf(call), in: input, s: startedAt, ...tries, err, at };
}

/** Another attempt: soon, holding compute, or after the execution has been suspended. */
function tryAgain({ run, call }: InlineAttempt, { retryAt = 0, at }: AttemptEntry): void {
  if (!run.wants(call)) return;
  if (retryAt - at > heldDelayMs) {
    run.restart(call);
    return;
  }
  run.running.set(call.id, call);
  const letGo = (): void => {
    run.running.delete(call.id);
    run.poke();
  };
  const { clock } = run.session.context;
  const cancel = clock.schedule(retryAt - clock.now(), () => {
    letGo();
    if (run.wants(call)) run.restart(call);
  });
  call.work = {
    abort: () => {
      cancel();
      letGo();
    },
  };
}

async function recordLlm(
  { run, call, number }: InlineAttempt,
  recording: LlmRecording,
): Promise<void> {
  const { index, name, hash, outcome, startedAt, taken } = recording;
  const { values, clock } = run.session.context;
  const entry: LlmEntry = {
    t: "llm",
    id: call.id,
    no: number,
    i: index,
    name,
    h: hash,
    ...(await llmFields(values, outcome, name)),
    s: startedAt,
    at: clock.now(),
  };
  await run.recordDurably([...taken, entry]);
}
