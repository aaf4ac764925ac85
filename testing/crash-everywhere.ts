import { isDeepStrictEqual, inspect } from "node:util";
import type { Observer } from "../core/engine/context.ts";
import { registry } from "../core/engine/definitions.ts";
import { seededRandom } from "../core/engine/prng.ts";
import { load } from "../core/engine/session.ts";
import { KitaruBackendError, KitaruExecutionError, isKitaruError } from "../core/errors.ts";
import { type EndedEntry, readLines } from "../core/journal/entry.ts";
import type { JournalState } from "../core/journal/state.ts";
import { reviveError } from "../core/journal/stored-error.ts";
import type { Flow } from "../core/primitives/flow.ts";
import type { FlowReplayOptions } from "../core/primitives/replay.ts";
import { type StoreOperation, isWrite } from "./process.ts";
import { rerun } from "./rerun.ts";
import { type Answers, MemoryStack, type TestStackOptions } from "./test-stack.ts";

/**
 * What happens at a write. `before` and `after`: the process is killed just before or just after it takes effect.
 * `conflict` and `error`: it takes effect, and the process is told that it lost a race, or that the store failed.
 */
export type CrashMode = "before" | "after" | "conflict" | "error";

/** Options of {@link crashEverywhere}. */
export interface CrashOptions {
  /** Answers to the waits, as for `run` of a test stack. */
  readonly answers?: Answers;
  /** Stack to run on. */
  readonly stack?: TestStackOptions;
  /** Run the flow undisturbed first, and disturb a replay of that. */
  readonly replay?: CrashReplay;
  /** What to try at each write. @default all modes */
  readonly modes?: readonly CrashMode[];
  /** Try only the write of this number, to look into one failure. */
  readonly write?: number;
  /** Names of calls that have an outcome in some runs only, without that it matters: losers of a race. */
  readonly ignore?: readonly string[];
  /** Take out of a result or an outcome what may differ between two runs: times, process ids. */
  readonly normalize?: (value: unknown) => unknown;
}

/** What the replay that is disturbed does otherwise than the run before it. */
export type CrashReplay = Pick<FlowReplayOptions<unknown>, "from" | "with" | "skip"> & {
  readonly input?: unknown;
};

/** What {@link crashEverywhere} has tried. */
export interface CrashReport {
  /** Durable writes of the undisturbed run. */
  readonly writes: number;
  /** Runs that were disturbed, all of which came to the same end. */
  readonly runs: number;
  /** Runs in which an at-most-once call was interrupted and not repeated. */
  readonly interrupted: number;
}

/**
 * Run a flow once undisturbed, then once for each durable write and mode, disturbed there. Each run must end with
 * the same result and the same recorded outcomes, run no recorded call again, run no at-most-once call twice, and
 * leave a journal that re-runs to the same end. Throws an error that says which run differed, and in what.
 */
export async function crashEverywhere<In, Out>(
  flow: Flow<In, Out>,
  input: In,
  options: CrashOptions = {},
): Promise<CrashReport> {
  const { modes = ["before", "after", "conflict", "error"] } = options;
  const undisturbed = await trial({ flow, input, options, cut: undefined });
  const all = Array.from({ length: undisturbed.writes.length }, (_, index) => index + 1);
  const writes = options.write === undefined ? all : [options.write];
  let runs = 0;
  let interrupted = 0;
  for (const write of writes)
    for (const mode of modes) {
      const cut = { write, mode };
      const disturbed = await trial({ flow, input, options, cut }).catch((error: unknown) =>
        fail(flow.name, cut, undisturbed.writes[write - 1], `it did not end: ${inspect(error)}`),
      );
      const why = difference(undisturbed, disturbed, options);
      if (why !== undefined) fail(flow.name, cut, disturbed.writes[write - 1], why);
      runs += 1;
      if (disturbed.interrupted.size > 0) interrupted += 1;
    }
  return { writes: undisturbed.writes.length, runs, interrupted };
}

interface Cut {
  readonly write: number;
  readonly mode: CrashMode;
}

interface TrialParams {
  readonly flow: Pick<Flow<never, unknown>, "name">;
  readonly input: unknown;
  readonly options: CrashOptions;
  readonly cut: Cut | undefined;
}

/** What one run left. */
interface Trial {
  /** Every durable write, described. */
  readonly writes: readonly string[];
  readonly result: Settled;
  /** Outcomes by `execution id call id`, child executions included. */
  readonly outcomes: ReadonlyMap<string, Settled>;
  /** How often the code of a call was started. */
  readonly starts: ReadonlyMap<string, number>;
  /** Calls started although their outcome had been recorded. */
  readonly repeated: readonly string[];
  /** At-most-once calls that were begun and left no outcome. */
  readonly interrupted: ReadonlySet<string>;
  /** What a clean re-run of the journal did otherwise. */
  readonly rerun: string | undefined;
  /** Whether somebody still has to look at it. */
  readonly isDue: boolean;
}

type Settled = ({ readonly value: unknown } | { readonly error: unknown }) & {
  /** Of a recorded outcome that a replay took over or was given. */
  readonly disp?: string | undefined;
};

const executionId = "crash";
const sourceId = "source";

async function trial({ flow, input, options, cut }: TrialParams): Promise<Trial> {
  const watch = new Watch(cut, options.replay === undefined);
  const stack = new MemoryStack({
    ...options.stack,
    random: randomOf,
    around: (operation, run) => watch.around(operation, run, stack),
    observer: watch,
  });
  await stack.open();
  try {
    const { answers = {}, normalize = same, replay } = options;
    const run = (id: string): Promise<unknown> =>
      stack.run(flow as Flow<unknown, unknown>, input, { id, answers });
    if (replay !== undefined) await settled(run(sourceId), normalize);
    watch.begin();
    const running =
      replay === undefined
        ? run(executionId)
        : stack.replay(flow as Flow<unknown, unknown>, sourceId, {
            ...replay,
            id: executionId,
            answers,
          });
    const result = await settled(running, normalize);
    if (!(await stack.hasEnded(executionId))) throw "error" in result ? result.error : result;
    await tidy(stack);
    const states = await statesOf(stack);
    return {
      result,
      writes: watch.writes,
      starts: watch.starts,
      repeated: watch.repeated,
      outcomes: await outcomesOf(stack, states, normalize),
      interrupted: interruptedCalls(states),
      rerun: await rerunDifference(stack, [...states.keys()]),
      isDue: (await stack.earliestDue()) !== undefined,
    };
  } finally {
    await stack.close();
  }
}

/** Equal seeds of the execution whichever start creates it; nonces that none after another start draws. */
function randomOf(start: number): () => number {
  const [shared, own] = [seededRandom("seed"), seededRandom(`start ${start}`)];
  let drawn = 0;
  return () => (drawn++ < 2 ? shared() : own());
}

function same(value: unknown): unknown {
  return value;
}

/** Counts writes, cuts one, and notes which code is run. */
class Watch implements Observer {
  readonly writes: string[] = [];
  readonly starts = new Map<string, number>();
  readonly repeated: string[] = [];
  readonly #recorded = new Set<string>();
  readonly #cut: Cut | undefined;
  /** Whether what happens counts. */
  #isOn: boolean;

  constructor(cut: Cut | undefined, isOn: boolean) {
    this.#cut = cut;
    this.#isOn = isOn;
  }

  begin(): void {
    this.#isOn = true;
  }

  readonly started: NonNullable<Observer["started"]> = ({ executionId: id, callId }) => {
    if (!this.#isOn) return;
    const call = `${id} ${callId}`;
    this.starts.set(call, (this.starts.get(call) ?? 0) + 1);
    if (this.#recorded.has(call)) this.repeated.push(call);
  };

  readonly appended: NonNullable<Observer["appended"]> = ({ executionId: id, entries }) => {
    for (const entry of entries) {
      if (entry.t === "completed" || entry.t === "failed") this.#recorded.add(`${id} ${entry.id}`);
      if (entry.t === "retried")
        for (const call of entry.voids) this.#recorded.delete(`${id} ${call}`);
    }
  };

  async around<T>(
    operation: StoreOperation,
    run: () => Promise<T>,
    stack: MemoryStack,
  ): Promise<T> {
    if (!this.#isOn || !isWrite(operation)) return run();
    this.writes.push(describe(operation));
    const { write, mode } = this.#cut ?? {};
    if (this.writes.length !== write) return run();
    if (mode === "before") stack.kill();
    else await run();
    if (mode === "after") stack.kill();
    this.#recorded.clear(); // a retry may have made some of them void
    for (const [id, { outcomes }] of await statesOf(stack))
      for (const call of outcomes.keys()) this.#recorded.add(`${id} ${call}`);
    if (mode === "error") throw new KitaruBackendError("The store failed on purpose.");
    return mode === "conflict" ? run() : new Promise(() => undefined); // the killed hear nothing
  }
}

/** An operation as a person recognises it. */
function describe(operation: StoreOperation): string {
  if (operation.store === "blobs") return `blob ${operation.key}`;
  const { key, draft, verb } = operation;
  const what = `${verb} ${key.partition} ${key.sort}`;
  if (draft === undefined || !key.sort.startsWith("j/")) return what;
  const last = readLines(draft.body, key.sort).at(-1);
  return `${what}, up to ${last?.t ?? "nothing"}${last !== undefined && "id" in last ? ` ${last.id ?? ""}` : ""}`;
}

/** How often what is left is looked after, and how long to wait between: longer than a claim of one that was killed. */
const mostLooks = 20;
const lookMs = 5000;

/** Let what is left to repair be repaired. */
async function tidy(stack: MemoryStack): Promise<void> {
  for (let looks = 0; looks < mostLooks; looks++) {
    await stack.clock.settle();
    const due = await stack.earliestDue();
    if (due === undefined) return;
    stack.clock.jump(Math.max(due, stack.clock.now() + (looks === 0 ? 0 : lookMs))); // a claim may still stand
    await stack.sweep();
  }
}

/** States of the execution and all its child executions, by id. */
async function statesOf(stack: MemoryStack): Promise<Map<string, JournalState>> {
  const states = new Map<string, JournalState>();
  const ids = [executionId];
  for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
    const { state } = (await load(stack.view, id)).journal;
    states.set(id, state);
    for (const open of state.opens.values())
      if (open.t === "scheduled" && open.child !== undefined) ids.push(open.child);
  }
  return states;
}

async function outcomesOf(
  stack: MemoryStack,
  states: ReadonlyMap<string, JournalState>,
  normalize: (value: unknown) => unknown,
): Promise<Map<string, Settled>> {
  const found = new Map<string, Settled>();
  for (const [id, { outcomes }] of states)
    for (const [call, { entry }] of outcomes) {
      const value =
        entry.t === "completed"
          ? Promise.resolve(stack.view.values.get(entry.out))
          : Promise.reject(reviveError(entry.err));
      const isReplayed = entry.disp === "reused" || entry.disp === "overridden";
      const outcome = await settled(value, normalize);
      found.set(`${id} ${call}`, isReplayed ? { ...outcome, disp: entry.disp } : outcome);
    }
  return found;
}

function interruptedCalls(states: ReadonlyMap<string, JournalState>): Set<string> {
  const calls = new Set<string>();
  for (const [id, { outcomes }] of states)
    for (const [call, { entry }] of outcomes)
      if (entry.t === "failed" && entry.err.code === "interrupted") calls.add(`${id} ${call}`);
  return calls;
}

async function rerunDifference(
  stack: MemoryStack,
  ids: readonly string[],
): Promise<string | undefined> {
  for (const id of ids) {
    const { ended } = (await load(stack.view, id)).journal.state;
    if (ended === undefined) continue; // a child whose parent had no more use for it
    const again = await rerun(stack.view.backend, id);
    if (again.started.length > 0) return `${id} runs ${again.started.join(", ")} once more`;
    const [before, after] = [withoutTime(ended), withoutTime(again.ended)];
    if (!isDeepStrictEqual(before, after))
      return `${id} ends with ${inspect(after)} instead of ${inspect(before)}`;
  }
  return undefined;
}

function withoutTime(ended: EndedEntry | undefined): unknown {
  if (ended === undefined) return undefined;
  const { at: _at, n: _nonce, err, ...rest } = ended;
  return { ...rest, ...(err === undefined ? {} : { err: { ...err, stack: undefined } }) };
}

async function settled(
  promise: Promise<unknown>,
  normalize: (value: unknown) => unknown,
): Promise<Settled> {
  try {
    return { value: normalize(await promise) };
  } catch (error) {
    return { error: normalize(withoutStack(error)) };
  }
}

function withoutStack(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message } = error;
  return { name, message, ...(isKitaruError(error) ? { code: error.code } : {}) };
}

// ---- comparing

function difference(
  expected: Trial,
  actual: Trial,
  { ignore = [] }: CrashOptions,
): string | undefined {
  const isInterrupted = actual.interrupted.size > expected.interrupted.size;
  return (
    wrongRuns(expected, actual) ??
    (isInterrupted ? undefined : wrongResult(expected, actual)) ??
    (isInterrupted ? undefined : wrongOutcomes(expected, actual, new Set(ignore))) ??
    (actual.rerun === undefined
      ? undefined
      : `the journal it left does not re-run to the same end: ${actual.rerun}`) ??
    (actual.isDue ? "something is still due though the execution has ended" : undefined)
  );
}

function wrongRuns(expected: Trial, actual: Trial): string | undefined {
  const [repeated] = actual.repeated;
  if (repeated !== undefined)
    return `the code of ${repeated} ran again after its outcome was recorded`;
  for (const [call, times] of actual.starts) {
    const usual = expected.starts.get(call) ?? 0;
    const most = isOnce(call) ? Math.max(usual, 1) : usual + 1;
    if (times > most) return `the code of ${call} ran ${times} times, at most ${most} are right`;
  }
  return undefined;
}

function wrongResult(expected: Trial, actual: Trial): string | undefined {
  if (isDeepStrictEqual(expected.result, actual.result)) return undefined;
  return `it ended with ${instead(actual.result, expected.result)}`;
}

function wrongOutcomes(
  expected: Trial,
  actual: Trial,
  ignored: ReadonlySet<string>,
): string | undefined {
  for (const call of new Set([...expected.outcomes.keys(), ...actual.outcomes.keys()])) {
    if (ignored.has(nameOf(call))) continue;
    const [before, after] = [expected.outcomes.get(call), actual.outcomes.get(call)];
    if (isDeepStrictEqual(before, after)) continue;
    return `the recorded outcome of ${call} is ${instead(after, before)}`;
  }
  return undefined;
}

/** Deep, because a difference in what a model answered is far down. */
function instead(actual: Settled | undefined, expected: Settled | undefined): string {
  const [is, was] = [actual, expected].map((found) => inspect(found, { depth: 20 }));
  return `${is} instead of ${was}`;
}

function isOnce(call: string): boolean {
  return registry.checkpoint(nameOf(call))?.semantics === "at-most-once";
}

/** Name of the call in `execution id call id`. */
function nameOf(call: string): string {
  const callId = call.slice(call.lastIndexOf(" ") + 1);
  return callId.slice(0, callId.lastIndexOf(":"));
}

const happened: Readonly<Record<CrashMode, string>> = {
  before: "the process killed just before",
  after: "the process killed just after",
  conflict: "the reply lost, and a conflict reported, of",
  error: "the reply lost, and a failure reported, of",
};

function fail(flow: string, { write, mode }: Cut, what: string | undefined, why: string): never {
  throw new KitaruExecutionError(
    `Flow "${flow}" with ${happened[mode]} write ${write} (${what ?? "one the undisturbed run has not"}): ${why}. ` +
      `To run only this: crashEverywhere(…, { write: ${write}, modes: ["${mode}"] }).`,
    { details: { write, mode } },
  );
}
