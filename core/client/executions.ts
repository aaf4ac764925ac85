import type { EngineContext } from "../engine/context.ts";
import { definitionsAtHand } from "../engine/code.ts";
import type { Runtime } from "../engine/runtime.ts";
import { settledStart } from "../engine/starts.ts";
import { readStatus } from "../engine/status.ts";
import { KitaruStateError } from "../errors.ts";
import { type FlowHandle, handleOf } from "../primitives/handle.ts";
import type { DiffOptions, ExecutionDiff } from "./diff.ts";
import { type DiffSource, diffExecutions } from "./diff-executions.ts";
import { type Receipt, say, takeOver, untilRest } from "./driving.ts";
import type { Execution, ExecutionSummary, LogLine, PendingWait } from "./execution.ts";
import { type ExecutionView, type WaitView, viewExecution } from "./execution-view.ts";
import type { DryRun } from "./dry-run.ts";
import type { ExecutionGraph, GraphOptions } from "./graph.ts";
import { graphOf } from "./lineage.ts";
import { readersOf } from "./lineage-readers.ts";
import { type ListOptions, listExecutions } from "./listing.ts";
import { logLinesOf } from "./log-view.ts";
import { type ReadExecution, readExecution } from "./reading.ts";
import {
  type DryRunOptions,
  type DryRuns,
  type ReplayAllOptions,
  type ReplayOneOptions,
  type ReplayResult,
  type ReplayResults,
  dryRunAll,
  dryRunOne,
  isDryRun,
  replayAll,
  replayOne,
} from "./replaying.ts";
import type { ReplayCheck, ReplayCheckOptions } from "./replay-check.ts";
import { replayCheck } from "./replay-checking.ts";
import type { ExportOptions, ExportedFacts } from "./exporting.ts";
import type { ImportOptions, ImportedFacts } from "./importing.ts";
import { StoredValue, present } from "./values.ts";

/** Which wait is meant. */
export interface WaitChoice {
  /** Call id, or name of the one pending wait of that name. @default the one pending wait */
  readonly wait?: string;
}

/** Looks at executions and talks to them, from any process. */
export class Executions {
  readonly #open: () => Promise<Runtime>;

  constructor(open: () => Promise<Runtime>) {
    this.#open = open;
  }

  /** Everything known of an execution. Throws a state error (`not_found`) when there is none. */
  async get(id: string): Promise<Execution> {
    const { context } = await this.#open();
    return presentExecution(context.values, viewOf(context, await readExecution(context, id)));
  }

  /** Where its values came from and where they went, computed from its journal. */
  async graph(id: string, { readers = false }: GraphOptions = {}): Promise<ExecutionGraph> {
    const { context } = await this.#open();
    const execution = await readExecution(context, id);
    const { calls } = viewOf(context, execution).facts;
    const graph = await graphOf(context.values, execution, calls);
    if (!readers) return graph;
    const { nodes, edges } = await readersOf(context, id);
    return { ...graph, nodes: [...graph.nodes, ...nodes], edges: [...graph.edges, ...edges] };
  }

  /**
   * Compare executions of one flow with an original, call by call; deltas are other − original. Values are compared
   * by digest, and read with `values` alone. Throws a usage error for executions of different flows.
   * @param others the direct replays of the original, oldest first, when left out
   */
  async diff(
    original: string,
    others?: string | readonly string[],
    options: DiffOptions = {},
  ): Promise<ExecutionDiff> {
    const { context } = await this.#open();
    const compared = others === undefined ? await replaysOf(context, original) : [others].flat();
    const source = async (id: string): Promise<DiffSource> => {
      const read = await readExecution(context, id);
      return { read, view: viewOf(context, read) };
    };
    const sources = await Promise.all(compared.map(source));
    return diffExecutions(context, await source(original), sources, options);
  }

  /** Executions, newest first; the status of those that have not ended is read from their journals. */
  async list(options: ListOptions = {}): Promise<ExecutionSummary[]> {
    return listExecutions((await this.#open()).context, options);
  }

  /** The newest execution. Throws a state error (`not_found`) when there is none. */
  async latest(options: Pick<ListOptions, "flow" | "status"> = {}): Promise<Execution> {
    const [newest] = await this.list({ ...options, limit: 1 });
    if (newest !== undefined) return this.get(newest.id);
    const { stack } = await this.#open();
    const flow = options.flow === undefined ? "" : ` flow "${options.flow}" on`;
    const status =
      options.status === undefined ? "" : ` with status ${[options.status].flat().join(" or ")}`;
    throw new KitaruStateError(`No executions found for${flow} stack "${stack}"${status}.`, {
      code: "not_found",
    });
  }

  /** Waits of an execution that nobody has answered. */
  async pendingWaits(id: string): Promise<readonly PendingWait[]> {
    return (await this.get(id)).pendingWaits;
  }

  /**
   * Answer a wait, and take the execution over if the process that drove it is gone. Resolves once the answer is
   * durable. Throws a wait-validation error for a value that does not fit, a state error when another answer stands.
   */
  async input(id: string, answer: WaitChoice & { readonly value?: unknown }): Promise<Receipt> {
    const { wait, value } = answer;
    const target = wait === undefined ? {} : { target: wait };
    return say(await this.#open(), id, { kind: "answer", ...target, value });
  }

  /** Make a wait throw `wait_aborted` in the flow. */
  async abortWait(id: string, { wait }: WaitChoice = {}): Promise<Receipt> {
    const target = wait === undefined ? {} : { target: wait };
    return say(await this.#open(), id, { kind: "abort", ...target });
  }

  /** Ask an execution to end; its `finally` blocks still run. Throws a state error when it has ended. */
  async cancel(id: string): Promise<Receipt> {
    return say(await this.#open(), id, { kind: "cancel" });
  }

  /** Try a failed execution again from the call that failed. Throws a state error when that cannot help. */
  async retry(id: string): Promise<Receipt> {
    return say(await this.#open(), id, { kind: "retry" });
  }

  /**
   * Take an execution over when the process that drove it is gone, and wait as {@link untilRest} does.
   * Throws a state error when it has ended, or rests on waits that nobody has answered.
   */
  async resume(id: string): Promise<Execution> {
    const runtime = await this.#open();
    await takeOver(runtime, id);
    await untilRest(runtime, id);
    return this.get(id);
  }

  /**
   * Wait until an execution has ended or rests on a wait that nobody has answered, its own or, when nothing of it goes
   * on any more, one of a child; read it then. It is taken over when the process that drove it is gone.
   */
  async untilRest(id: string): Promise<Execution> {
    const runtime = await this.#open();
    await settledStart(id);
    await readStatus(runtime.context, id); // nobody may ever start what is not there
    await untilRest(runtime, id);
    return this.get(id);
  }

  /**
   * Make a new execution of an earlier one that is not running, with what is overridden: what does not depend on that
   * is taken over, the rest runs. Throws a usage or a state error that says what does not fit; with several ids such
   * errors are collected. With `dryRun` nothing runs and nothing is written: it tells what would be done.
   */
  async replay(id: string, options: DryRunOptions): Promise<DryRun>;
  async replay(ids: readonly string[], options: DryRunOptions): Promise<DryRuns>;
  async replay(id: string, options?: ReplayOneOptions): Promise<ReplayResult>;
  async replay(ids: readonly string[], options?: ReplayAllOptions): Promise<ReplayResults>;
  async replay(
    ids: string | readonly string[],
    options: ReplayAllOptions | DryRunOptions = {},
  ): Promise<ReplayResult | ReplayResults | DryRun | DryRuns> {
    const runtime = await this.#open();
    if (isDryRun(options))
      return typeof ids === "string"
        ? dryRunOne(runtime, ids, options)
        : dryRunAll(runtime, ids, options);
    return typeof ids === "string"
      ? replayOne(runtime, ids, options)
      : replayAll(runtime, ids, options);
  }

  /**
   * Tell whether code does what executions have recorded: flow bodies run against recorded outcomes, and nothing else
   * runs and nothing is written.
   */
  async replayCheck(options: ReplayCheckOptions): Promise<ReplayCheck> {
    return replayCheck(await this.#open(), options);
  }

  /**
   * Write an execution, its child executions and all they consist of into one file. With `move` it goes on where that is
   * imported and nowhere else. Throws a state error for one that runs, a child, or a replay that has not ended.
   */
  async export(id: string, options: ExportOptions): Promise<ExportedFacts> {
    const { exportExecution } = await import("./exporting.ts");
    return exportExecution(await this.#open(), id, options);
  }

  /**
   * Take in an exported execution, and let it go on. The whole file is checked before anything is stored. Throws a state
   * error for an execution that is here, or whose original may go on; a backend error (`corrupt`) for a damaged file.
   */
  async import(file: string, options: ImportOptions = {}): Promise<ImportedFacts> {
    const { importExecution } = await import("./importing.ts");
    return importExecution(await this.#open(), file, options);
  }

  /** Hold an execution, to await its result. */
  async handle<T = unknown>(id: string): Promise<FlowHandle<T>> {
    return handleOf<T>(id, await this.#open());
  }

  /** Read a value that was too large to be read along; any other value is itself. */
  async value(value: unknown): Promise<unknown> {
    return value instanceof StoredValue ? value.load() : value;
  }

  /** What was logged and what the runtime did, by time; of one call with `call`. */
  async logs(id: string, options: { readonly call?: string } = {}): Promise<LogLine[]> {
    const { context } = await this.#open();
    const { entries } = await readExecution(context, id);
    const lines = logLinesOf(entries).filter(
      ({ line }) => options.call === undefined || line.callId === options.call,
    );
    return Promise.all(
      lines.map(async ({ line, fields }): Promise<LogLine> =>
        fields === undefined ? line : { ...line, fields: await present(context.values, fields) },
      ),
    );
  }
}

function viewOf(context: EngineContext, execution: ReadExecution): ExecutionView {
  const { head, entries, inbox, status, plan } = execution;
  return viewExecution({
    facts: head.facts,
    entries,
    inbox,
    status,
    plan,
    now: context.clock.now(),
    typeOf: (name) => definitionsAtHand(context, head.facts)?.checkpoint(name)?.type,
  });
}

/** Most replays of one execution that are compared when none is named. */
const mostReplays = 1000;

async function replaysOf(context: EngineContext, id: string): Promise<string[]> {
  const replays = await listExecutions(context, { replayOf: id, limit: mostReplays });
  if (replays.length > 0) return replays.map((replay) => replay.id).toReversed();
  throw new KitaruStateError(
    `Execution ${id} has no replay on this stack to compare it with. Name an execution: \`kitaru executions diff ${id} OTHER\`.`,
    { code: "not_found" },
  );
}

type Values = Runtime["context"]["values"];

async function presentExecution(values: Values, view: ExecutionView): Promise<Execution> {
  const { facts, input, output, waits } = view;
  return {
    ...facts,
    input: await present(values, input),
    ...(output === undefined ? {} : { output: await present(values, output) }),
    pendingWaits: await Promise.all(waits.map((wait) => presentWait(values, wait))),
  };
}

async function presentWait(values: Values, { wait, metadata }: WaitView): Promise<PendingWait> {
  if (metadata === undefined) return wait;
  return { ...wait, metadata: await present(values, metadata) };
}
