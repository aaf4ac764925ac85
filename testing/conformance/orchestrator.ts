import { randomUUID } from "node:crypto";
import { expect, vi } from "vitest";

import { KitaruBackendError } from "../../core/errors.ts";
import type {
  AdvanceParams,
  Directive,
  Orchestrator,
  OrchestratorHost,
  ParkParams,
  TaskRef,
} from "../../core/ports/orchestrator.ts";
import { describePort, skipped } from "./suite.ts";
import type { Clauses, Skips } from "./suite.ts";

/** An orchestrator with the time it lives in. */
export interface TimedOrchestrator {
  readonly orchestrator: Orchestrator;
  readonly now: () => number;
  /** Let so many milliseconds pass. */
  readonly pass: (ms: number) => Promise<void>;
  close?(): Promise<void>;
}

/** An implementation of the orchestrator to hold against its contract. */
export interface OrchestratorSubject {
  /** Called once. Clauses use executions of random names. */
  readonly open: () => TimedOrchestrator | Promise<TimedOrchestrator>;
  /** Clauses it cannot keep, by title, each with its reason. */
  readonly skip?: Skips;
}

/** Define the tests every {@link Orchestrator} has to pass. */
export function describeOrchestrator(name: string, { open, skip }: OrchestratorSubject): void {
  const openScripted = async (): Promise<Scripted> => new Scripted(await open());
  describePort({ name, open: openScripted, clauses, skip });
}

const flow = "conformance";
const heartbeatMs = 86_400_000;

type Step =
  | Directive
  | { readonly kind: "wait" }
  | { readonly kind: "throw"; readonly error: unknown };

/** The script of one execution, and what the orchestrator made of it. */
class Script {
  readonly id = `conformance-${randomUUID()}`;
  readonly advances: AdvanceParams[] = [];
  readonly parks: ParkParams[] = [];
  readonly tasks: TaskRef[] = [];
  readonly failures: unknown[] = [];
  pokes = 0;
  /** Whether the next park finds that something has arrived. */
  isBusy = false;
  hasOverlapped = false;
  #running = new Set<string>();
  #letGo: () => void = () => undefined;
  readonly #steps: Step[];

  constructor(steps: readonly Step[]) {
    this.#steps = [...steps];
  }

  async advance(params: AdvanceParams): Promise<Directive> {
    this.advances.push(params);
    if (this.#running.has(params.owner)) this.hasOverlapped = true;
    this.#running.add(params.owner);
    const step = this.#steps.shift() ?? { kind: "end" };
    params.onRunning?.(() => (this.pokes += 1));
    await new Promise<void>((resolve) => {
      if (step.kind === "wait") this.#letGo = resolve;
      else setImmediate(resolve);
    });
    this.#running.delete(params.owner);
    if (step.kind === "throw") throw step.error;
    return step.kind === "wait" ? { kind: "end" } : step;
  }

  get firstPark(): ParkParams {
    const [park] = this.parks;
    if (park === undefined) throw new Error("It has not been parked.");
    return park;
  }

  get owner(): string {
    return this.advances[0]?.owner ?? "";
  }

  /** Let the step `wait` come to its end. */
  letGo(): void {
    this.#letGo();
  }

  async park(params: ParkParams): Promise<boolean> {
    this.parks.push(params);
    return !this.isBusy;
  }
}

/** An orchestrator that drives scripts. */
class Scripted {
  readonly timed: TimedOrchestrator;
  readonly #scripts = new Map<string, Script>();

  constructor(timed: TimedOrchestrator) {
    this.timed = timed;
    timed.orchestrator.attach?.(this.#host());
  }

  get orchestrator(): Orchestrator {
    return this.timed.orchestrator;
  }

  /** A park that ends by itself after `ms`. */
  park(ms = heartbeatMs): Directive {
    return { kind: "park", label: "", seen: "absent", epoch: 1, wakeAt: this.timed.now() + ms };
  }

  script(...steps: Step[]): Script {
    const script = new Script(steps);
    this.#scripts.set(script.id, script);
    return script;
  }

  start({ id: executionId }: Script, generation = 1): Promise<void> {
    return this.orchestrator.start({ executionId, flow, generation });
  }

  /** Start a script and wait until it is parked. */
  async startParked(...steps: Step[]): Promise<Script> {
    const script = this.script(this.park(), ...steps);
    await this.start(script);
    await eventually(() => void script.firstPark);
    await this.settle();
    return script;
  }

  /** Give the orchestrator time to do what it should not. */
  settle(): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
  }

  async close(): Promise<void> {
    await this.orchestrator.close?.();
    await this.timed.close?.();
  }

  #host(): OrchestratorHost {
    const of = (id: string): Script => {
      const script = this.#scripts.get(id);
      if (script === undefined) throw new KitaruBackendError(`There is no script ${id}.`);
      return script;
    };
    return {
      advance: async (params) => of(params.executionId).advance(params),
      park: async (params) => of(params.executionId).park(params),
      task: async (ref) => void of(ref.executionId).tasks.push(ref),
      crashed: async (ref) => void of(ref.executionId).tasks.push(ref),
      failed: (id, error) => void of(id).failures.push(error),
      sweep: async () => 0,
      knows: (code) => code.flow === flow,
    };
  }
}

const clauses: Clauses<Scripted> = {
  "a start advances one after another until the end, as one owner": async (port) => {
    const script = port.script({ kind: "advance" }, { kind: "advance" }, { kind: "end" });
    await port.start(script);
    await eventually(() => expect(script.advances).toHaveLength(3));
    await port.settle();
    expect(script.advances).toHaveLength(3);
    expect(new Set(script.advances.map(({ owner }) => owner)).size).toBe(1);
    expect(script.hasOverlapped).toBe(false);
  },

  "a wake of the parked token advances again": async (port) => {
    const script = await port.startParked({ kind: "end" });
    expect(script.advances).toHaveLength(1);
    const { token, wakeAt } = script.firstPark;
    expect(wakeAt).toBeGreaterThan(port.timed.now());
    expect(await port.orchestrator.wake(token, script.id)).toBe(true);
    await eventually(() => expect(script.advances).toHaveLength(2));
  },

  "a park ends by itself when its time has come": async (port) => {
    const script = port.script(port.park(100), { kind: "end" });
    await port.start(script);
    await eventually(() => expect(script.parks).toHaveLength(1));
    await port.timed.pass(150);
    await eventually(() => expect(script.advances).toHaveLength(2));
  },

  "a park that finds something new is followed by an advance": async (port) => {
    const script = port.script(port.park(), { kind: "end" });
    script.isBusy = true;
    await port.start(script);
    await eventually(() => expect(script.advances).toHaveLength(2));
  },

  "doubled wakes and doubled starts do not make one owner advance twice at a time": async (
    port,
  ) => {
    const script = await port.startParked({ kind: "advance" }, { kind: "end" });
    const { token } = script.firstPark;
    await Promise.all([
      port.orchestrator.wake(token, script.id),
      port.orchestrator.wake(token, script.id),
      port.start(script),
      port.start(script, 2),
    ]);
    await eventually(() => expect(script.advances.length).toBeGreaterThanOrEqual(3));
    expect(script.hasOverlapped).toBe(false);
  },

  "waking what is not there is harmless, and known": async (port) => {
    const script = await port.startParked({ kind: "end" });
    const { token } = script.firstPark;
    await port.orchestrator.wake(token, script.id);
    await eventually(() => expect(script.advances).toHaveLength(2));
    await eventually(async () =>
      expect(await port.orchestrator.wake(token, script.id)).toBe(false),
    );
    expect(await port.orchestrator.wake(token, "nobody")).toBe(false);
    expect(await port.orchestrator.wake("nobody", script.id)).toBe(false);
  },

  "a wake reaches an advance that is running, where the two share a process": async (port) => {
    if (port.orchestrator.canDrive === undefined) return skipped("advances run elsewhere");
    const script = port.script({ kind: "wait" });
    await port.start(script);
    await eventually(() => expect(script.advances).toHaveLength(1));
    const [running] = script.advances;
    expect(await port.orchestrator.wake(running?.owner ?? "", script.id)).toBe(true);
    expect(script.pokes).toBeGreaterThan(0);
    script.letGo();
    return undefined;
  },

  "tasks are run, or reported as crashed, before the next advance": async (port) => {
    const script = port.script({ kind: "end" });
    const refs = [1, 2].map((attempt) => ({ executionId: script.id, callId: "c:0", attempt }));
    const tasks = port.script({ kind: "tasks", tasks: refs }, { kind: "end" });
    await port.start(tasks);
    await eventually(() => expect(tasks.advances).toHaveLength(2));
    expect(new Set(script.tasks.map(({ attempt }) => attempt))).toEqual(new Set([1, 2]));
  },

  "an advance that fails for the store's sake is tried again": async (port) => {
    const error = new KitaruBackendError("The store is away.");
    const script = port.script({ kind: "throw", error }, { kind: "end" });
    await port.start(script);
    await eventually(() => expect(script.advances).toHaveLength(1));
    await port.settle();
    await port.timed.pass(1000);
    await eventually(() => expect(script.advances).toHaveLength(2));
    expect(script.failures).toEqual([]);
  },

  "a stopped execution is not advanced any more": async (port) => {
    const script = await port.startParked({ kind: "end" });
    await port.orchestrator.stop(script.id);
    await port.orchestrator.stop("nobody");
    expect(await port.orchestrator.wake(script.firstPark.token, script.id)).toBe(false);
    await port.settle();
    expect(script.advances).toHaveLength(1);
  },

  "an owner that is alive is not gone": async (port) => {
    if (port.orchestrator.isGone === undefined) return skipped("who is gone is not known");
    const script = await port.startParked({ kind: "end" });
    expect(await port.orchestrator.isGone(script.owner)).toBe(false);
    expect(await port.orchestrator.isGone("some other kind of name")).toBe(false);
    return undefined;
  },

  "a flow this program does not define is left to others": async (port) => {
    if (port.orchestrator.canDrive === undefined)
      return skipped("it needs no program to start a flow");
    const script = port.script({ kind: "end" });
    await port.orchestrator.start({ executionId: script.id, flow: "unknown", generation: 1 });
    await port.settle();
    expect(script.advances).toEqual([]);
    expect(port.orchestrator.canDrive?.({ flow: "unknown" })).toBe(false);
    expect(port.orchestrator.canDrive?.({ flow })).toBe(true);
    return undefined;
  },
};

function eventually(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 5 });
}
