import { noExecution } from "../engine/no-execution.ts";
import { pinOfVersion } from "../deployments/invoke.ts";
import type { Override } from "../engine/replay/override.ts";
import { type ReplayRequest, startReplay } from "../engine/replay/start-replay.ts";
import type { Runtime } from "../engine/runtime.ts";
import { settledStart } from "../engine/starts.ts";
import { readStatus } from "../engine/status.ts";
import { KitaruUsageError } from "../errors.ts";
import { type ExecutionStatus, type HeadFacts, headKey, readHead } from "../journal/head.ts";
import { type FlowHandle, handleOf, newExecutionId } from "../primitives/handle.ts";
import { type ReplayTarget, selectorOf } from "../primitives/replay-target.ts";
import { loadCode, untilRest } from "./driving.ts";
import { type DryRun, dryRun } from "./dry-run.ts";

/** What a replay is to be. */
export interface ReplayOptions {
  /** The call from which everything is executed anew: a call id, a name or a handle. */
  readonly from?: ReplayTarget;
  /** Outcomes in place of recorded ones, by call id, `checkpoint.NAME`, `wait.NAME`, `llm.NAME` or `flow.NAME`. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Typed overrides of outcomes, inputs, models and code, as the handles make them. */
  readonly with?: readonly Override[];
  /** Fields laid over the recorded input; an input that is no object is replaced. */
  readonly input?: unknown;
  /** Calls whose recorded outcomes are reused whatever their input, also after `from`. */
  readonly skip?: readonly ReplayTarget[];
  /** Number of the deployed version to run, or `local` for the flow as it is in source. @default that of the replayed execution */
  readonly version?: number | "local";
  /** Resolve only once the replay has ended, or rests on a wait. @default false */
  readonly wait?: boolean;
}

/** Options for replaying one execution. */
export interface ReplayOneOptions extends ReplayOptions {
  /** Makes the replay idempotent: the same id and changes give the replay that is there. @default a new id */
  readonly id?: string;
}

/** Options for replaying several executions. */
export interface ReplayAllOptions extends ReplayOptions {
  /** `fail`: stop and throw at the first that cannot be replayed; those started before it go on. @default "collect" */
  readonly onError?: "collect" | "fail";
}

/** What a replay would be, of which it is only told what it would do. */
export interface DryRunOptions extends Omit<ReplayAllOptions, "wait"> {
  readonly dryRun: true;
}

/** What several replays would do. */
export interface DryRuns {
  readonly results: readonly DryRun[];
  readonly failures: readonly ReplayFailure[];
}

/** A replay that was started. */
export interface ReplayResult {
  /** Execution it replays. */
  readonly source: string;
  readonly id: string;
  /** When this was told. */
  readonly status: ExecutionStatus;
  /** To await its result; not part of its JSON. */
  readonly handle: FlowHandle<unknown>;
}

/** An execution that could not be replayed. */
export interface ReplayFailure {
  readonly source: string;
  readonly error: Error;
}

/** What became of several replays. */
export interface ReplayResults {
  readonly results: readonly ReplayResult[];
  readonly failures: readonly ReplayFailure[];
  readonly summary: {
    readonly submitted: number;
    readonly started: number;
    readonly completed: number;
    /** Replays that have failed, and executions that could not be replayed. */
    readonly failed: number;
  };
}

/** Replay one execution. */
export async function replayOne(
  runtime: Runtime,
  source: string,
  options: ReplayOneOptions,
): Promise<ReplayResult> {
  const { id = newExecutionId() } = options;
  await startReplay(runtime.context, {
    ...(await requestOf(runtime, source, options)),
    id,
    stack: runtime.stack,
  });
  const status =
    options.wait === true ? await untilRest(runtime, id) : await readStatus(runtime.context, id);
  const result = { source, id, status };
  const handle = { value: handleOf(id, runtime), enumerable: false };
  return Object.defineProperty(result, "handle", handle) as ReplayResult;
}

/** Whether options ask only what a replay would do. */
export function isDryRun(options: ReplayAllOptions | DryRunOptions): options is DryRunOptions {
  return "dryRun" in options && options.dryRun;
}

/** Tell what replaying an execution would do. */
export async function dryRunOne(
  runtime: Runtime,
  source: string,
  options: DryRunOptions,
): Promise<DryRun> {
  return dryRun(runtime.context, await requestOf(runtime, source, options));
}

/** Tell what replaying executions would do. */
export async function dryRunAll(
  runtime: Runtime,
  sources: readonly string[],
  options: DryRunOptions,
): Promise<DryRuns> {
  const { done: results, failures } = await forEach(sources, options, (source) =>
    dryRunOne(runtime, source, options),
  );
  return { results, failures };
}

/** Replay executions one after the other, and wait for all of them together where that is asked for. */
export async function replayAll(
  runtime: Runtime,
  sources: readonly string[],
  options: ReplayAllOptions,
): Promise<ReplayResults> {
  const { wait = false, ...rest } = options;
  const { done: started, failures } = await forEach(sources, options, (source) =>
    replayOne(runtime, source, rest),
  );
  const results = wait ? await Promise.all(started.map((one) => atRest(runtime, one))) : started;
  const count = (status: ExecutionStatus): number =>
    results.filter((one) => one.status === status).length;
  return {
    results,
    failures,
    summary: {
      submitted: sources.length,
      started: results.length,
      completed: count("completed"),
      failed: count("failed") + failures.length,
    },
  };
}

/** Do something for each execution; what is thrown is collected, unless `onError` is `fail`. */
async function forEach<T>(
  sources: readonly string[],
  { onError = "collect" }: Pick<ReplayAllOptions, "onError">,
  work: (source: string) => Promise<T>,
): Promise<{ readonly done: readonly T[]; readonly failures: readonly ReplayFailure[] }> {
  if (onError !== "collect" && onError !== "fail")
    throw new KitaruUsageError(
      `replay(): onError is "collect" or "fail", not ${JSON.stringify(onError)}.`,
    );
  const done: T[] = [];
  const failures: ReplayFailure[] = [];
  for (const source of sources) {
    try {
      done.push(await work(source));
    } catch (error) {
      if (onError === "fail" || !(error instanceof Error)) throw error;
      failures.push({ source, error });
    }
  }
  return { done, failures };
}

/** What the engine is asked for, with the code at hand. */
async function requestOf(
  runtime: Runtime,
  source: string,
  options: ReplayOptions,
): Promise<ReplayRequest> {
  const { from, overrides = {}, with: typed = [], input, skip, version } = options;
  const facts = await factsOf(runtime, source);
  const pin = version === undefined ? facts : await pinOfVersion(runtime, facts.flow, version);
  const problem = await loadCode(runtime.context, { ...facts, ...pin });
  if (problem !== undefined) throw problem;
  const untyped = Object.entries(overrides).map(([target, output]): Override => ({
    kind: "override",
    target,
    field: "output",
    output,
    isUnchecked: true,
  }));
  return {
    source,
    overrides: [...untyped, ...typed],
    ...(from === undefined ? {} : { from: selectorOf(from) }),
    ...(skip === undefined ? {} : { skip: skip.map(selectorOf) }),
    ...(input === undefined ? {} : { input }),
    pin,
  };
}

async function factsOf({ context }: Runtime, source: string): Promise<HeadFacts> {
  await settledStart(source);
  const record = await context.backend.records.get(headKey(source));
  if (record === undefined) throw noExecution(source);
  return readHead(record).facts;
}

async function atRest(
  runtime: Runtime,
  { source, id, handle }: ReplayResult,
): Promise<ReplayResult> {
  const status = await untilRest(runtime, id);
  const result = { source, id, status };
  return Object.defineProperty(result, "handle", { value: handle }) as ReplayResult;
}
