import { advance, parkExecution } from "../core/engine/advance.ts";
import { type EngineContext, engineContext } from "../core/engine/context.ts";
import { registry } from "../core/engine/definitions.ts";
import { Resting } from "../core/engine/resting.ts";
import { type Signal, signal } from "../core/engine/signal.ts";
import { type ReplayRequest, startReplay } from "../core/engine/replay/start-replay.ts";
import { startExecution } from "../core/engine/start.ts";
import { sweep } from "../core/engine/sweep.ts";
import { recordCrash, runTask } from "../core/engine/task.ts";
import { KitaruBackendError, hasCode, isKitaruError } from "../core/errors.ts";
import type { EndStatus } from "../core/journal/entry.ts";
import type { PutResult } from "../core/ports/records.ts";
import type { Backend } from "../core/ports/backend.ts";
import type { Orchestrator, OrchestratorHost } from "../core/ports/orchestrator.ts";
import { type MemoryBackend, memoryBackend } from "./backend.ts";
import { type VirtualClock, restOfTurn, virtualClock } from "./clock.ts";
import { type MemoryOrchestrator, memoryOrchestrator } from "./orchestrator.ts";
import { Process, type StoreOperation } from "./process.ts";
import { recordExecution } from "./record.ts";
import { type Fault, type Scenario, drawScenario, generator, oneOf } from "./scenario.ts";
import { Ledger, type Settled } from "./verdict.ts";

/** A flow to simulate, and what is said to it. */
export interface Shape {
  readonly flow: string;
  readonly input?: unknown;
  /** Called before each run, to forget the one before. */
  readonly begin?: () => void;
  /** Waits by name, each with the values it may be answered with; the last one is given when nobody else answers. */
  readonly answers?: Readonly<Record<string, readonly [unknown, ...unknown[]]>>;
  /** Simulated is a replay of an undisturbed run with {@link input}, with this changed. */
  readonly replay?: Omit<ReplayRequest, "source" | "flow" | "pin">;
  /** What the execution must come to, by what is recorded of its calls; several where their order decides. */
  readonly expected: (recorded: (callId: string) => Settled | undefined) => readonly Settled[];
  /** How often the execution is retried when it has failed. @default 0 */
  readonly retries?: number;
}

/** Who uses the store. */
export type ActorKind = "start" | "advance" | "park" | "task" | "client" | "sweep";

/** One use of the store by an actor. */
export interface Use<T> {
  readonly kind: ActorKind;
  readonly operation: StoreOperation;
  readonly run: () => Promise<T>;
  /** The store behind it. */
  readonly backend: Backend;
}

/** Options of {@link simulate}. */
export interface SimulationOptions {
  readonly seed: number;
  readonly shape: Shape;
  /** Parts of the scenario that are not left to the seed. */
  readonly scenario?: Partial<Scenario>;
  /** Stands between the actors and the store, to break a rule on purpose. */
  readonly sabotage?: <T>(use: Use<T>) => Promise<T>;
  /** Called for every step, to look into one run. */
  readonly trace?: (line: string) => void;
}

/** What one simulated schedule came to. */
export interface SimulationResult {
  /** Rules that were broken; none when all is well. */
  readonly violations: readonly string[];
  readonly status: EndStatus | undefined;
  readonly scenario: Scenario;
  readonly steps: number;
  readonly advances: number;
  /** Milliseconds of virtual time. */
  readonly elapsedMs: number;
  /** Calls that an advance ran after it had been superseded, whose outcomes it then could not record. */
  readonly zombieRuns: number;
}

/**
 * Run one flow under one schedule: every use of the store, every start and wake is a step, and the seed says who
 * goes next, when time passes and what goes wrong. The same seed gives the same run.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const world = new World(options);
  currentClock = world.clock;
  options.shape.begin?.();
  try {
    return await world.run();
  } finally {
    currentClock = undefined;
    world.close();
  }
}

let currentClock: VirtualClock | undefined;

/** Work for so long: a simulated checkpoint in virtual time, elsewhere not at all. */
export function workFor(ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (currentClock === undefined) resolve();
    else currentClock.schedule(ms, resolve);
  });
}

const executionId = "sim";
const sourceId = "source";
/** Faults happen in the first steps only; then everything has to come to its end. */
const faultySteps = 500;
const mostSteps = 10_000;
/** Far less than a heartbeat: nothing may need that one to go on. */
const longestMs = 3600_000;
const mostAdvances = 100;
const sweepEveryMs = 10_000;
const reviewEveryMs = 7000;
const pauseMs = 1000;
/** Latest of the moments at which something happens that a client picks to speak. */
const mostMoments = 12;

interface Ticket {
  readonly process: Process;
  readonly kind: ActorKind;
  readonly label: string;
  readonly isPut: boolean;
  readonly run: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class World {
  readonly clock: VirtualClock = virtualClock();
  readonly #options: SimulationOptions;
  readonly #random: () => number;
  readonly #scenario: Scenario;
  readonly #left: Record<Fault, number>;
  readonly #shared: MemoryBackend;
  readonly #orchestrator: MemoryOrchestrator;
  /** What one program remembers between its advances. */
  readonly #memory: Pick<EngineContext, "fresh" | "outages" | "resting"> = {
    fresh: new Map(),
    outages: new Map(),
    resting: new Resting(),
  };
  readonly #frozen = new Map<Process, number>();
  readonly #ledger: Ledger;
  #startedAt: number = this.clock.now();
  readonly #moments: (() => void)[] = [];
  #tickets: Ticket[] = [];
  #staleIndex: unknown;
  #processes = 0;
  #advances = 0;
  #speaking = 0;
  #steps = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = generator(options.seed);
    this.#scenario = { ...drawScenario(this.#random), ...options.scenario };
    this.#left = { ...this.#scenario };
    const { style, pageSize, segmentBytes, inlineBytes, advanceMs, giveUpMs } = this.#scenario;
    this.#shared = memoryBackend({
      clock: this.clock,
      records: { pageSize },
      capabilities: { segmentBytes, inlineBytes },
    });
    this.#ledger = new Ledger(this.#shared, executionId);
    this.#orchestrator = memoryOrchestrator({
      clock: this.clock,
      style,
      wakes: () =>
        this.#happens("lostWakes", 0.5) ? 0 : this.#happens("doubledWakes", 0.5) ? 2 : 1,
      starts: () => (this.#happens("doubledStarts", 0.5) ? 2 : 1),
      ...(advanceMs === undefined ? {} : { advanceMs }),
      ...(giveUpMs === undefined ? {} : { giveUpMs }),
    });
    this.#orchestrator.attach(this.#host());
  }

  close(): void {
    this.#orchestrator.kill();
    this.clock.close();
  }

  async run(): Promise<SimulationResult> {
    const { flow, input, answers = {}, replay } = this.#options.shape;
    if (replay !== undefined)
      await recordExecution({
        backend: this.#shared,
        clock: this.clock,
        id: sourceId,
        flow,
        input,
        answers,
      });
    this.#startedAt = this.clock.now();
    this.#goOn(this.#start());
    this.#invite();
    this.#sweepEvery();
    for (; this.#steps < mostSteps && this.#advances <= mostAdvances; this.#steps++) {
      await restOfTurn();
      if (!this.#step()) break;
    }
    if (this.#advances > mostAdvances) this.#ledger.blame(`more than ${mostAdvances} advances`);
    const { crashes, kills, freezes, impatience } = this.#scenario;
    const mayStall = crashes + kills + freezes + impatience >= 5;
    const status = await this.#ledger.close({ ...this.#options.shape, mayStall });
    const { violations, zombieRuns } = this.#ledger;
    return {
      violations: [...violations],
      status,
      scenario: this.#scenario,
      steps: this.#steps,
      advances: this.#advances,
      elapsedMs: this.clock.now() - this.#startedAt,
      zombieRuns,
    };
  }

  // ---- who goes next

  /** False when there is nothing left to do, or no time left to do it in. */
  #step(): boolean {
    const isFaulty = this.#steps < faultySteps;
    if (!isFaulty) this.#frozen.clear();
    const now = this.clock.now();
    const ready = this.#tickets.filter(({ process }) => (this.#frozen.get(process) ?? 0) <= now);
    const [first] = ready;
    if (first === undefined) return this.#passTime();
    if (isFaulty && this.#random() < this.#scenario.faultRate && this.#disturb(ready)) return true;
    const isAnybody = isFaulty && this.#random() < this.#scenario.disorder;
    this.#release(isAnybody ? this.#anyOf(ready, first) : first);
    return true;
  }

  #anyOf(tickets: readonly Ticket[], first: Ticket): Ticket {
    return tickets[Math.floor(this.#random() * tickets.length)] ?? first;
  }

  #take(ticket: Ticket, what: string): void {
    this.#trace(`${what} ${ticket.process.name}: ${ticket.label}`);
    this.#tickets = this.#tickets.filter((other) => other !== ticket);
  }

  #release(ticket: Ticket): void {
    this.#take(ticket, "");
    ticket.run().then(ticket.resolve, ticket.reject);
  }

  #passTime(): boolean {
    if (this.#speaking === 0 && this.#ledger.isSettled()) return false;
    const thaw = Math.min(...this.#frozen.values(), Infinity);
    const at = Math.min(this.clock.next ?? Infinity, Math.max(thaw, this.clock.now() + 1));
    if (at - this.#startedAt > longestMs) return false;
    for (const [process, until] of this.#frozen) if (until <= at) this.#frozen.delete(process);
    this.#trace(`-- ${at - this.#startedAt} ms`);
    this.clock.jump(at);
    for (const reached of this.#moments.splice(0)) reached();
    return true;
  }

  // ---- what goes wrong

  /** Whether a fault that may still happen does. */
  #happens(fault: Fault, probability: number): boolean {
    if (this.#left[fault] <= 0 || this.#steps >= faultySteps) return false;
    if (this.#random() >= probability) return false;
    this.#left[fault] -= 1;
    return true;
  }

  /** Let one fault happen; false when none is left that can. */
  #disturb(ready: readonly Ticket[]): boolean {
    const possible = disturbances.filter((fault) => this.#left[fault] > 0);
    const fault = possible[Math.floor(this.#random() * possible.length)];
    const [first] = ready;
    if (first === undefined || fault === undefined || !this.#happens(fault, 1)) return false;
    const ticket = this.#anyOf(ready, first);
    switch (fault) {
      case "crashes":
        return this.#crash(ticket);
      case "conflicts":
        return this.#loseReply(ready.find(({ isPut }) => isPut));
      case "errors":
        return this.#failStore(ticket);
      case "freezes":
        if (ticket.kind !== "advance" && this.#random() < 0.5) return false; // rather those that matter
        this.#frozen.set(ticket.process, this.clock.now() + oneOf(this.#random, freezesMs));
        break;
      case "kills":
        this.#orchestrator.kill(oneOf(this.#random, [executionId, undefined]));
        break;
      case "impatience":
        for (const id of this.#ledger.executions()) this.#orchestrator.giveUp(id);
        break;
      case "spuriousWakes":
        for (const id of this.#ledger.executions()) this.#orchestrator.spuriousWake(id);
        break;
      case "ticks":
        if (this.clock.next !== undefined)
          this.clock.jump(Math.min(this.clock.next, this.clock.now() + 60_000));
        break;
    }
    this.#trace(`!! ${fault} ${ticket.process.name}`);
    return true;
  }

  #crash(ticket: Ticket): boolean {
    this.#take(ticket, "!! killed");
    if (this.#random() < 0.5) void ticket.run(); // it takes effect, and nobody hears of it
    ticket.process.kill();
    this.#tickets = this.#tickets.filter(({ process }) => process.isAlive);
    return true;
  }

  /** The write is applied, and its own repeat by the client library finds that out as a conflict. */
  #loseReply(ticket: Ticket | undefined): boolean {
    if (ticket === undefined) return false;
    this.#take(ticket, "!! reply lost");
    ticket
      .run()
      .then(() => ticket.run())
      .then(ticket.resolve, ticket.reject);
    return true;
  }

  #failStore(ticket: Ticket): boolean {
    this.#take(ticket, "!! failed");
    const fail = (): void => ticket.reject(new KitaruBackendError("The store failed on purpose."));
    if (this.#random() < 0.5) fail();
    else void ticket.run().then(fail, fail);
    return true;
  }

  // ---- actors

  #host(): OrchestratorHost {
    return {
      advance: (params) => {
        this.#advances += 1;
        return this.#act("advance", (context) => advance(context, params));
      },
      park: (params) => this.#act("park", (context) => parkExecution(context, params)),
      task: (ref) => this.#act("task", (context) => runTask(context, ref)),
      crashed: (ref, why) => this.#act("task", (context) => recordCrash(context, ref, why)),
      failed: (id, error) => {
        if (!hasCode(error, "backend"))
          this.#ledger.blame(`the drive of ${id} gave up: ${String(error)}`);
      },
      sweep: () => this.#act("sweep", sweep),
      knows: ({ flow }) => registry.flow(flow) !== undefined,
    };
  }

  /** Do `work` in a process of its own, which may be killed meanwhile. */
  #act<T>(kind: ActorKind, work: (context: EngineContext) => Promise<T>): Promise<T> {
    const process = new Process(`${kind} ${++this.#processes}`);
    const context = this.#contextOf(process, kind);
    const died = process.died.then(() => {
      throw new KitaruBackendError(`${process.name} was killed.`);
    });
    return Promise.race([process.run(() => work(context)), died]);
  }

  #contextOf(process: Process, kind: ActorKind): EngineContext {
    const { skewMs, style } = this.#scenario;
    const backend = process.view(this.#shared, this.#orchestratorFor(process, kind), {
      skewMs: Math.round((this.#random() * 2 - 1) * skewMs),
      around: (operation, run) =>
        this.#queue(process, kind, labelOf(operation), operation.verb === "put", () =>
          this.#use(process, { kind, operation, run, backend: this.#shared }),
        ),
    });
    const context = engineContext({ registry, backend, random: this.#random });
    context.observers.add({
      started: (event) => this.#ledger.started(process, event),
    });
    return style === "process" ? { ...context, ...this.#memory } : context;
  }

  #orchestratorFor(process: Process, kind: ActorKind): Orchestrator {
    const all = this.#orchestrator;
    const { isGone, canDrive } = all;
    const inTurn = <T>(label: string, run: () => Promise<T>): Promise<T> =>
      process.run(() => this.#queue(process, kind, label, false, run));
    return {
      start: (params) => inTurn(`start ${params.executionId}`, () => all.start(params)),
      wake: (token, id) => inTurn(`wake ${id}`, () => all.wake(token, id)),
      stop: (id) => inTurn(`stop ${id}`, () => all.stop(id)),
      ...(isGone === undefined ? {} : { isGone }),
      ...(canDrive === undefined ? {} : { canDrive }),
    };
  }

  #queue<T>(
    process: Process,
    kind: ActorKind,
    label: string,
    isPut: boolean,
    run: () => Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = resolve as (value: unknown) => void;
      this.#tickets.push({ process, kind, label, isPut, run, resolve: settle, reject });
    });
  }

  async #use<T>(process: Process, use: Use<T>): Promise<T> {
    const { sabotage } = this.#options;
    const { operation, run } = use;
    const real = async (): Promise<T> => {
      const result = await run();
      if (operation.store === "records" && operation.draft !== undefined && isApplied(result))
        this.#ledger.wrote(process, operation.draft);
      return result;
    };
    if (operation.verb === "listIndex") return this.#listIndex(real);
    return sabotage === undefined ? real() : sabotage({ ...use, run: real });
  }

  /** Now and then what the listing before saw. */
  async #listIndex<T>(run: () => Promise<T>): Promise<T> {
    const stale = this.#staleIndex as T | undefined;
    if (stale !== undefined && this.#random() < this.#scenario.staleIndex) return stale;
    const page = await run();
    this.#staleIndex = page;
    return page;
  }

  #goOn(work: Promise<void>): void {
    this.#speaking += 1;
    work.then(
      () => (this.#speaking -= 1),
      (error: unknown) => this.#ledger.blame(`an actor failed: ${String(error)}`),
    );
  }

  async #start(): Promise<void> {
    const { shape } = this.#options;
    const flow = registry.flow(shape.flow);
    if (flow === undefined) throw new TypeError(`There is no flow ${shape.flow}`);
    const common = { id: executionId, flow, stack: "simulated" };
    const start = (context: EngineContext): Promise<unknown> =>
      shape.replay === undefined
        ? startExecution(context, { ...common, input: shape.input })
        : startReplay(context, { ...common, ...shape.replay, source: sourceId });
    await this.#untilDone(() => this.#act("start", start));
  }

  /** Again until the store does not fail and the process is not killed. */
  async #untilDone(work: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (!isKitaruError(error) || error.code !== "backend") throw error;
        await this.#pause(pauseMs);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.schedule(ms, resolve);
    });
  }

  /** A random time, or a moment at which something else happens too. */
  async #somewhen(latestMs: number): Promise<void> {
    if (this.#random() < 0.5) return this.#pause(Math.floor(this.#random() * latestMs));
    for (let left = Math.floor(this.#random() * mostMoments); left > 0; left--)
      await new Promise<void>((resolve) => {
        this.#moments.push(resolve);
      });
  }

  #sweepEvery(): void {
    this.clock.schedule(sweepEveryMs, () => {
      this.#sweepEvery();
      this.#act("sweep", sweep).catch(() => undefined); // the next one comes
    });
  }

  // ---- clients

  #invite(): void {
    const { clients, cancels } = this.#scenario;
    for (let n = 0; n < clients; n++) this.#goOn(this.#answerOnce());
    for (let n = 0; n < cancels; n++) this.#goOn(this.#cancelOnce());
    this.#goOn(this.#review());
  }

  /** Answer some wait at some time, perhaps before it is asked, perhaps twice. */
  async #answerOnce(): Promise<void> {
    const waits = Object.entries(this.#options.shape.answers ?? {});
    const wait = waits[Math.floor(this.#random() * waits.length)];
    if (wait === undefined) return;
    const [name, values] = wait;
    await this.#somewhen(this.#scenario.latestMs);
    const value = oneOf(this.#random, values);
    const target = oneOf(this.#random, [name, `${name}:0`, `${name}:1`]);
    for (let clicks = oneOf(this.#random, [1, 2]); clicks > 0; clicks--)
      await this.#say(executionId, { kind: "answer", target, value });
  }

  async #cancelOnce(): Promise<void> {
    await this.#somewhen(this.#scenario.latestMs + 5000);
    this.#ledger.cancelled();
    await this.#say(executionId, { kind: "cancel" });
  }

  /** In the end somebody answers what is asked, and retries what has failed. */
  async #review(): Promise<void> {
    const { answers = {}, retries = 0 } = this.#options.shape;
    await this.#pause(oneOf(this.#random, [0, 20_000, 60_000])); // long enough for what expires
    while (this.clock.now() - this.#startedAt < longestMs) {
      await this.#pause(this.#steps < faultySteps ? reviewEveryMs : pauseMs);
      for (const { id, call, name } of this.#ledger.asked())
        await this.#say(id, { kind: "answer", target: call, value: answers[name]?.at(-1) });
      if (this.#ledger.mayRetry(retries)) await this.#say(executionId, { kind: "retry" });
      else if (this.#ledger.isOver()) return;
    }
  }

  /** Say something until it is heard, refused, or the one who says it is killed. */
  async #say(id: string, what: Signal): Promise<void> {
    for (;;) {
      try {
        const { callId } = await this.#act("client", (context) => signal(context, id, what));
        this.#trace(`== ${id} ${JSON.stringify(what)} accepted`);
        if (what.kind === "answer") this.#ledger.accepted(id, callId ?? "", what.value);
        return;
      } catch (error) {
        if (!isKitaruError(error)) throw error;
        if (error.code === "not_found") await this.#pause(pauseMs);
        else if (error.code !== "backend") {
          this.#trace(`== ${id} ${JSON.stringify(what)} refused: ${error.message}`);
          if (what.kind === "answer" && error.code === "conflict")
            this.#ledger.refused(id, String(error.details?.["call"]), what.value);
          return;
        } else if (what.kind !== "answer") return; // heard or not, nobody knows
      }
    }
  }

  #trace(line: string): void {
    this.#options.trace?.(line);
  }
}

const disturbances: readonly DisturbingFault[] = [
  "crashes",
  "conflicts",
  "errors",
  "freezes",
  "impatience",
  "kills",
  "ticks",
  "spuriousWakes",
];
type DisturbingFault = Exclude<Fault, "lostWakes" | "doubledWakes" | "doubledStarts">;

const freezesMs: readonly [number, ...number[]] = [5000, 60_000, 200_000];

function labelOf(operation: StoreOperation): string {
  if (operation.store === "blobs") return `${operation.verb} ${operation.key}`;
  const { key, draft } = operation;
  const what = `${operation.verb} ${key.partition} ${key.sort}`;
  return draft === undefined ? what : `${what} ${draft.body.trimEnd().slice(-200)}`;
}

function isApplied(result: unknown): boolean {
  return (result as PutResult).ok;
}
