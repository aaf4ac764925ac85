import { readEntries } from "../core/engine/artifacts.ts";
import { type EngineContext, type Observer, engineContext } from "../core/engine/context.ts";
import { type FlowDefinition, registry } from "../core/engine/definitions.ts";
import { startReplay } from "../core/engine/replay/start-replay.ts";
import type { Runtime } from "../core/engine/runtime.ts";
import { load } from "../core/engine/session.ts";
import { signal } from "../core/engine/signal.ts";
import { startExecution } from "../core/engine/start.ts";
import { hasEnded } from "../core/engine/status.ts";
import { KitaruClient } from "../core/client/client.ts";
import type { KitaruConfig } from "../core/config.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import { KitaruTimeoutError, KitaruUsageError, isKitaruError } from "../core/errors.ts";
import type { Entry, WaitingEntry } from "../core/journal/entry.ts";
import { headKey, readHead } from "../core/journal/head.ts";
import { duePartition, readInbox } from "../core/journal/inbox.ts";
import type { JournalState } from "../core/journal/state.ts";
import type { Backend } from "../core/ports/backend.ts";
import type { StoredRecord } from "../core/ports/records.ts";
import type { Flow } from "../core/primitives/flow.ts";
import {
  type FlowHandle,
  type RunOptions,
  handleOf,
  newExecutionId,
} from "../core/primitives/handle.ts";
import { type FlowReplayOptions, replayRequest } from "../core/primitives/replay.ts";
import { activeRuntime, configure } from "../core/stacks.ts";
import { type MemoryBackend, type MemoryBackendOptions, memoryBackend } from "./backend.ts";
import { type VirtualClock, virtualClock } from "./clock.ts";
import { type MemoryOrchestrator, memoryOrchestrator } from "./orchestrator.ts";
import { type Around, Process, storesThrough } from "./process.ts";

/** Options of {@link testStack}. */
export interface TestStackOptions extends Omit<MemoryBackendOptions, "clock"> {
  /**
   * Let time pass by itself whenever nothing goes on and nobody is asked for an answer: a sleep of days ends at
   * once. `false`: time passes only when the test moves the clock.
   * @default true
   */
  readonly autoAdvance?: boolean;
  /** Time at the start. @default 2030-01-01T00:00:00Z */
  readonly startAt?: number | Date;
  /** Config the flows run with, for models; the nearest `kitaru.config.ts` when left out. */
  readonly config?: KitaruConfig;
}

/** What tests of the engine may add to a test stack. */
export interface MemoryStackOptions extends TestStackOptions {
  /** Stands between every process and its stores. */
  readonly around?: Around;
  /** Sees what the processes do. */
  readonly observer?: Observer;
  /** Where nonces and jitter come from; asked anew for every try of a start, which are numbered from 1. */
  readonly random?: (start: number) => () => number;
}

/** Who gives an answer: what a wait is called and which of an execution it is. */
export interface AskedWait {
  readonly executionId: string;
  /** `name:0`, `name:1`, … */
  readonly callId: string;
  readonly name: string;
  readonly question?: string;
}

/**
 * Answers by call id or name of a wait. A function is asked for each call; anything else answers every call.
 * `undefined` continues a wait without a schema.
 */
export type Answers = Readonly<Record<string, unknown>>;

/** Options of {@link TestStack.run}. */
export interface TestRunOptions extends Pick<RunOptions, "id"> {
  readonly answers?: Answers;
  /** Longest virtual time the execution may take. @default "400 days" */
  readonly within?: Duration;
}

/** Options of {@link TestStack.replay}. */
export type TestReplayOptions<In> = TestRunOptions & Omit<FlowReplayOptions<In>, keyof RunOptions>;

/** A stack for tests: everything in memory, time under control, processes that can be killed. */
export interface TestStack {
  /** As the process that is now alive sees it. */
  readonly backend: Backend;
  /** Of the process that is now alive. */
  readonly runtime: Runtime;
  readonly clock: VirtualClock;
  readonly orchestrator: MemoryOrchestrator;
  readonly client: KitaruClient;
  /**
   * Run a flow to its end and return its result; throws what the flow threw, and a timeout error that names the
   * open waits when it does not end in time.
   */
  run<In, Out>(flow: Flow<In, Out>, input: In, options?: TestRunOptions): Promise<Out>;
  /** Replay an execution to the end of the replay, and return that's result; throws as {@link run} does. */
  replay<In, Out>(
    flow: Flow<In, Out>,
    source: string,
    options?: TestReplayOptions<In>,
  ): Promise<Out>;
  /** Take an execution that was started to its end, as {@link run} does. */
  finish<Out>(handle: FlowHandle<Out>, options?: Omit<TestRunOptions, "id">): Promise<Out>;
  /** The waits an execution asks, once everything else in it has come to rest. */
  waiting(executionId: string): Promise<readonly AskedWait[]>;
  /** Answer a wait by name or call id. */
  answer(executionId: string, wait: string, value?: unknown): Promise<void>;
  /** The journal of an execution, in order. */
  journal(executionId: string): Promise<readonly Entry[]>;
  /** Wake, restart or repair what is overdue, as the sweep of a real stack does now and then. */
  sweep(): Promise<number>;
  /**
   * Kill the process: nothing it was doing takes effect any more. A new one takes over what was under way once
   * that is overdue.
   */
  crash(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Open a stack in memory and bind this program's flows, waits and clients to it, until the next call of
 * `testStack` or `configure`.
 */
export async function testStack(options: TestStackOptions = {}): Promise<TestStack> {
  const stack = new MemoryStack(options);
  await stack.open();
  return stack;
}

const longestRun: Duration = "400 days";
/** How often overdue executions are looked for while a look changes nothing. */
const sweepMs = 1000;

/** A stack in memory and the processes that use it, one at a time. */
export class MemoryStack implements TestStack {
  readonly clock: VirtualClock;
  readonly client: KitaruClient = new KitaruClient();
  readonly #options: MemoryStackOptions;
  readonly #shared: MemoryBackend;
  readonly #asking = new Set<string>();
  /** Sees the stores as they are, whatever the processes do. */
  readonly view: EngineContext;
  #life: Life | undefined;
  #lives = 0;
  #starts = 0;
  #storing = 0;
  #isFinishing = false;

  constructor(options: MemoryStackOptions) {
    this.#options = options;
    const { autoAdvance = true, startAt } = options;
    this.clock = virtualClock({
      isBusy: () =>
        this.#storing > 0 || (this.#alive.process.isAlive && this.#alive.running.size > 0),
      ...(options.stores === undefined ? {} : { patienceMs: 30_000 }),
      auto: () => autoAdvance && !this.#isFinishing && this.#asking.size === 0,
      ...(startAt === undefined ? {} : { startAt }),
    });
    const shared = memoryBackend({ ...options, clock: this.clock });
    this.#shared =
      options.stores === undefined
        ? shared
        : { ...shared, ...storesThrough(shared, (_operation, run) => this.#whileStoring(run)) };
    this.view = engineContext({ backend: this.#shared, registry });
  }

  get backend(): Backend {
    return this.#alive.backend;
  }

  get runtime(): Runtime {
    return this.#alive.runtime;
  }

  get orchestrator(): MemoryOrchestrator {
    return this.#alive.orchestrator;
  }

  /** Stores beyond this process take their time, in which that of the clock stands still. */
  async #whileStoring<T>(run: () => Promise<T>): Promise<T> {
    this.#storing += 1;
    try {
      return await run();
    } finally {
      this.#storing -= 1;
    }
  }

  /** Begin a process. */
  async open(): Promise<void> {
    const process = new Process(`p${++this.#lives}`);
    const { config, around, observer, orchestrator: faults } = this.#options;
    const running = new Set<string>();
    const orchestrator = memoryOrchestrator({
      ...faults,
      clock: process.clock(this.clock),
      name: process.name,
      holds: (id) => this.#isHolding(id),
      returned: (id) => forget(running, id),
    });
    const backend = process.view(this.#shared, orchestrator, { around });
    configure({ stack: backend, ...(config === undefined ? {} : { config }) });
    const runtime = await activeRuntime();
    if (observer !== undefined) runtime.context.observers.add(observer);
    runtime.context.observers.add(watchRunning(running));
    runtime.context.observers.add({
      appended: ({ executionId }) => this.#asking.delete(executionId), // whoever asks parks again
    });
    this.#life = { process, backend, runtime, orchestrator, running };
  }

  async run<In, Out>(flow: Flow<In, Out>, input: In, options: TestRunOptions = {}): Promise<Out> {
    const { id = newExecutionId(), ...rest } = options;
    const definition = definitionOf("run", flow);
    await this.#drive(id, rest, () => {
      const { context, stack } = this.#starting();
      return startExecution(context, { id, flow: definition, input, stack });
    });
    return handleOf<Out>(id, this.runtime).get();
  }

  async replay<In, Out>(
    flow: Flow<In, Out>,
    source: string,
    options: TestReplayOptions<In> = {},
  ): Promise<Out> {
    const { id = newExecutionId(), answers, within, ...how } = options;
    const definition = definitionOf("replay", flow);
    const request = replayRequest(definition, source, how);
    const rest = {
      ...(answers === undefined ? {} : { answers }),
      ...(within === undefined ? {} : { within }),
    };
    await this.#drive(id, rest, () => {
      const { context, stack } = this.#starting();
      return startReplay(context, { ...request, id, stack });
    });
    return handleOf<Out>(id, this.runtime).get();
  }

  async finish<Out>(
    handle: FlowHandle<Out>,
    options: Omit<TestRunOptions, "id"> = {},
  ): Promise<Out> {
    await this.#drive(handle.id, options, () => handle.started);
    return handleOf<Out>(handle.id, this.runtime).get();
  }

  async waiting(executionId: string): Promise<readonly AskedWait[]> {
    await this.clock.settle();
    return this.#asked(executionId);
  }

  async answer(executionId: string, wait: string, value?: unknown): Promise<void> {
    await signal(this.runtime.context, executionId, { kind: "answer", target: wait, value });
  }

  journal(executionId: string): Promise<readonly Entry[]> {
    return readEntries(this.view, executionId);
  }

  sweep(): Promise<number> {
    return this.runtime.host.sweep();
  }

  async crash(): Promise<void> {
    this.kill();
    await this.open();
    await this.#sweepOrphans();
  }

  /** Kill the process at once; {@link open} begins the next. */
  kill(): void {
    const { process, orchestrator } = this.#alive;
    process.kill();
    orchestrator.kill();
    this.#asking.clear();
  }

  async close(): Promise<void> {
    this.kill();
    await this.#shared.close?.();
  }

  /** The process that is about to start an execution. */
  #starting(): Runtime {
    const { random } = this.#options;
    if (random !== undefined)
      Object.assign(this.runtime.context, { random: random(++this.#starts) });
    return this.runtime;
  }

  get #alive(): Life {
    if (this.#life !== undefined) return this.#life;
    throw new TypeError("open() comes first");
  }

  /** Take an execution to its end, in as many processes as it needs. */
  async #drive(
    id: string,
    { answers = {}, within = longestRun }: Omit<TestRunOptions, "id">,
    start: () => Promise<unknown>,
  ): Promise<void> {
    const end = this.clock.now() + parseDuration(within, "within");
    this.#isFinishing = true;
    try {
      for (let isStarted = false; !(await this.hasEnded(id));) {
        if (!this.#alive.process.isAlive) await this.open();
        isStarted ||= await this.#survives(start);
        await this.clock.settle();
        if (!isStarted || (await this.#giveAnswers(id, answers)) || (await this.hasEnded(id)))
          continue;
        await this.#passTime(end, id);
      }
      if (!this.#alive.process.isAlive) await this.open();
    } finally {
      this.#isFinishing = false;
    }
  }

  /** Whether `work` succeeded; not when its process died or the store failed meanwhile, which passes. */
  async #survives(work: () => Promise<unknown>): Promise<boolean> {
    const { process } = this.#alive;
    const succeeded = work().then(
      () => true,
      (error: unknown) => {
        if (isKitaruError(error) && error.code === "backend") return false;
        throw error;
      },
    );
    return Promise.race([succeeded, process.died.then(() => false)]);
  }

  /** Move to the next timer, or to when something is overdue, whichever is first. */
  async #passTime(end: number, executionId: string): Promise<void> {
    const { clock } = this;
    const due = await this.earliestDue();
    const at = Math.min(clock.next ?? Infinity, due ?? Infinity);
    if (at > end) throw await this.#tooLate(executionId, end);
    clock.jump(Math.max(at, clock.now()));
    if (due === undefined || due > clock.now()) return;
    await this.#survives(() => this.sweep());
    await clock.settle();
    const left = await this.earliestDue();
    if (left !== undefined && left <= clock.now()) clock.jump(clock.now() + sweepMs);
  }

  async #tooLate(executionId: string, end: number): Promise<KitaruTimeoutError> {
    const open = (await this.#asked(executionId)).map((asked) => asked.callId);
    const hint =
      open.length === 0
        ? "Look at its journal with stack.journal()."
        : `It waits for ${open.join(", ")}: give them in \`answers\`.`;
    return new KitaruTimeoutError(
      `Execution ${executionId} has not ended by ${new Date(end).toISOString()} of the stack's time. ${hint}`,
    );
  }

  async #giveAnswers(executionId: string, answers: Answers): Promise<boolean> {
    let hasAnswered = false;
    for (const asked of await this.#asked(executionId)) {
      const key = [asked.callId, asked.name].find((name) => Object.hasOwn(answers, name));
      if (key === undefined) continue;
      const answer = answers[key];
      const value: unknown = typeof answer === "function" ? await answer(asked) : answer;
      await this.#survives(() => this.answer(asked.executionId, asked.callId, value));
      hasAnswered = true;
    }
    return hasAnswered;
  }

  /** Unanswered waits of an execution and of its child flows. */
  async #asked(executionId: string): Promise<AskedWait[]> {
    const { journal, inbox } = await load(this.view, executionId);
    const said = readInbox(inbox).items.flatMap((item) => ("call" in item ? [item.call] : []));
    const asked: AskedWait[] = [];
    if (journal.state.ended !== undefined) return asked;
    for (const open of journal.state.pending()) {
      if (open.t === "waiting" && !said.includes(open.id)) asked.push(askedWait(executionId, open));
      if (open.t === "scheduled" && open.child !== undefined)
        asked.push(...(await this.#asked(open.child)));
    }
    return asked;
  }

  /** Whether the head says that an execution has ended, and nobody has asked for a retry since. */
  async hasEnded(executionId: string): Promise<boolean> {
    const head = await this.#shared.records.get(headKey(executionId));
    return head !== undefined && hasEnded(this.view, readHead(head));
  }

  /** Whether time may pass by itself for a parked execution: it sleeps, or will be tried again. */
  async #isHolding(executionId: string): Promise<boolean> {
    const { head, journal } = await load(this.view, executionId);
    if (asksSomebody(journal.state)) this.#asking.add(executionId);
    else this.#asking.delete(executionId);
    return head !== undefined && (isTimed(journal.state) || hasTimeout(head));
  }

  /** When the first execution is overdue, of those that are wanted. */
  async earliestDue(isWanted: (id: string) => boolean = () => true): Promise<number | undefined> {
    const { records, capabilities } = this.#shared;
    let earliest: number | undefined;
    for (let shard = 0; shard < capabilities.dueShards; shard++) {
      const { items } = await records.listIndex("due", { partition: duePartition(shard) });
      for (const record of items) {
        const due = dueOf(record);
        if (due === undefined || !isWanted(record.partition.slice("exec/".length))) continue;
        earliest = Math.min(earliest ?? Infinity, due);
      }
    }
    return earliest;
  }

  /** Look again whenever something nobody drives is overdue. */
  async #sweepOrphans(): Promise<void> {
    const { process, orchestrator } = this.#alive;
    const due = await this.earliestDue((id) => orchestrator.orchestrations(id).length === 0);
    if (due === undefined) return;
    const ms = Math.max(due - this.clock.now(), sweepMs);
    process.clock(this.clock).schedule(ms, () => {
      void this.sweep().then(() => this.#sweepOrphans());
    });
  }
}

interface Life {
  readonly process: Process;
  readonly backend: Backend;
  readonly runtime: Runtime;
  readonly orchestrator: MemoryOrchestrator;
  /** Calls whose code is running. */
  readonly running: ReadonlySet<string>;
}

/** Keeps the set of calls whose code is running up to date. */
function watchRunning(running: Set<string>): Observer {
  return {
    started: ({ executionId, callId }) => running.add(`${executionId} ${callId}`),
    appended: ({ executionId, entries }) => {
      for (const entry of entries) {
        if (entry.t === "completed" || entry.t === "failed" || entry.t === "attempt")
          running.delete(`${executionId} ${entry.id}`);
      }
    },
  };
}

function definitionOf(what: string, { name }: Pick<Flow<never, unknown>, "name">): FlowDefinition {
  const definition = registry.flow(name);
  if (definition !== undefined) return definition;
  throw new KitaruUsageError(
    `${what}(): flow "${name}" is not defined in this program. Pass the flow itself, as flow() returned it.`,
  );
}

function forget(running: Set<string>, executionId: string): void {
  for (const call of running) if (call.startsWith(`${executionId} `)) running.delete(call);
}

function askedWait(executionId: string, open: WaitingEntry): AskedWait {
  const { id: callId, name, question } = open;
  return { executionId, callId, name, ...(question === undefined ? {} : { question }) };
}

function asksSomebody(state: JournalState): boolean {
  return [...state.pending()].some((open) => open.t === "waiting");
}

function isTimed(state: JournalState): boolean {
  const isSleeping = [...state.pending()].some((open) => open.t === "sleeping");
  return (
    isSleeping || [...state.attempts.values()].some((tries) => tries.at(-1)?.retryAt !== undefined)
  );
}

function hasTimeout(head: StoredRecord): boolean {
  return readHead(head).facts.timeoutAt !== undefined;
}

function dueOf(record: StoredRecord): number | undefined {
  return record.sort === "head" ? readHead(record).dueAt : readInbox(record).dueAt;
}
