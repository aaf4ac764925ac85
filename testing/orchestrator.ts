import { isKitaruError } from "../core/errors.ts";
import type { Clock } from "../core/ports/clock.ts";
import type {
  Directive,
  FlowCode,
  Orchestrator,
  OrchestratorHost,
  ParkDirective,
  StartParams,
  TaskRef,
} from "../core/ports/orchestrator.ts";

/** Ways to be a bad alarm clock, within what the port allows. */
export interface OrchestratorFaults {
  /** How many orchestrations a start sets going. @default 1 */
  readonly starts?: (params: StartParams) => number;
  /** How often a wake arrives. @default 1 */
  readonly wakes?: (token: string, executionId: string) => number;
}

/** Options of {@link memoryOrchestrator}. */
export interface MemoryOrchestratorOptions extends OrchestratorFaults {
  readonly clock: Clock;
  /** Begins the name of every orchestration; owners of different orchestrators must differ. @default "memory" */
  readonly name?: string;
  /** Deadline of every advance, in milliseconds from its start. No deadline when left out. */
  readonly advanceMs?: number;
  /** After so many milliseconds without an answer an advance is taken for dead and called again. Never when left out. */
  readonly giveUpMs?: number;
  /**
   * `process` as in one program: one orchestration of an execution at a time, woken by its name, and known to be
   * gone when it is. `cloud` as a service: every start is an orchestration of its own, every park has a token
   * of its own, and who is gone nobody knows.
   * @default "process"
   */
  readonly style?: "process" | "cloud";
  /** Called when an advance or a task has returned, or failed. */
  readonly returned?: (executionId: string) => void;
  /** Whether the wait for the end of a park keeps the process alive. @default it does not */
  readonly holds?: (executionId: string) => Promise<boolean>;
}

/** An orchestrator in memory, and what a test may do to it. */
export interface MemoryOrchestrator extends Orchestrator {
  attach(host: OrchestratorHost): void;
  readonly isGone?: (owner: string) => Promise<boolean>;
  readonly canDrive?: (code: FlowCode) => boolean;
  /** Names of the orchestrations under way: of one execution, or of all. */
  orchestrations(executionId?: string): readonly string[];
  /** Wake for no reason. */
  spuriousWake(executionId: string): void;
  /** Take running advances of an execution for dead, and call again; they go on unheard. */
  giveUp(executionId: string): void;
  /** End orchestrations, of one execution or of all, without a trace. Advances they have called go on unheard. */
  kill(executionId?: string): void;
}

/** Drive executions inside this process, on any clock. */
export function memoryOrchestrator(options: MemoryOrchestratorOptions): MemoryOrchestrator {
  return new Drives(options);
}

/** Delays between tries of an advance that failed for a reason outside the flow, in milliseconds. */
const advanceRetryMs = [50, 500, 2000];

class Drives implements MemoryOrchestrator {
  readonly #options: MemoryOrchestratorOptions;
  readonly #drives = new Set<Drive>();
  #host: OrchestratorHost | undefined;
  #started = 0;
  readonly isGone?: (owner: string) => Promise<boolean>;
  readonly canDrive?: (code: FlowCode) => boolean;

  constructor(options: MemoryOrchestratorOptions) {
    this.#options = options;
    if (options.style === "cloud") return;
    const prefix = `${options.name ?? defaultName}/`;
    this.isGone = async (owner) =>
      owner.startsWith(prefix) && ![...this.#drives].some((drive) => drive.owner === owner);
    this.canDrive = (code) => this.#host?.knows(code) === true;
  }

  attach(host: OrchestratorHost): void {
    this.#host = host;
  }

  async start(params: StartParams): Promise<void> {
    const host = this.#host;
    if (host === undefined || !host.knows(params)) return;
    const { style = "process", name = defaultName, starts } = this.#options;
    for (let left = starts?.(params) ?? 1; left > 0; left -= 1) {
      const ringing = style === "process" ? this.#of(params.executionId)[0] : undefined;
      if (ringing !== undefined) ringing.ring();
      else this.#drive(host, params, `${name}/${params.executionId}#${++this.#started}`);
    }
  }

  async wake(token: string, executionId: string): Promise<boolean> {
    const drive = this.#of(executionId).find((candidate) => candidate.listensTo(token));
    for (let left = this.#options.wakes?.(token, executionId) ?? 1; left > 0; left -= 1)
      drive?.ring();
    return drive !== undefined;
  }

  async stop(executionId: string): Promise<void> {
    await Promise.all(this.#of(executionId).map((drive) => drive.stop()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#drives].map((drive) => drive.stop()));
  }

  orchestrations(executionId?: string): readonly string[] {
    return this.#of(executionId).map((drive) => drive.owner);
  }

  spuriousWake(executionId: string): void {
    for (const drive of this.#of(executionId)) drive.ring();
  }

  giveUp(executionId: string): void {
    for (const drive of this.#of(executionId)) drive.giveUp();
  }

  kill(executionId?: string): void {
    for (const drive of this.#of(executionId)) {
      drive.kill();
      this.#drives.delete(drive);
    }
  }

  #of(executionId?: string): Drive[] {
    const drives = [...this.#drives];
    if (executionId === undefined) return drives;
    return drives.filter((drive) => drive.executionId === executionId);
  }

  #drive(host: OrchestratorHost, start: StartParams, owner: string): void {
    const { executionId, generation } = start;
    // orchestrations of a cloud outlive processes: which is the latest, only their generation tells
    const later = this.#options.style === "cloud" ? { generation } : {};
    const drive = new Drive({ ...this.#options, host, owner, executionId, ...later });
    this.#drives.add(drive);
    void drive.run().finally(() => {
      this.#drives.delete(drive);
      if (drive.isRung) void this.start(start);
    });
  }
}

const defaultName = "memory";

interface DriveParams extends MemoryOrchestratorOptions {
  readonly host: OrchestratorHost;
  readonly executionId: string;
  readonly owner: string;
  readonly generation?: number;
}

/** One orchestration of an execution: sequential, until the end or until it is killed. */
class Drive {
  readonly executionId: string;
  readonly owner: string;
  readonly #params: DriveParams;
  readonly #stopping = new AbortController();
  #isKilled = false;
  #isRung = false;
  #parks = 0;
  #isParked = false;
  #done: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #poke: (() => void) | undefined;
  #giveUp: (() => void) | undefined;

  constructor(params: DriveParams) {
    this.#params = params;
    this.executionId = params.executionId;
    this.owner = params.owner;
  }

  /** Whether somebody rang after the last look at the execution. */
  get isRung(): boolean {
    return this.#isRung && !this.#isOver();
  }

  listensTo(token: string): boolean {
    return token === this.#token && (this.#params.style !== "cloud" || this.#isParked);
  }

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
    if (this.#params.style !== "cloud") this.#poke?.();
  }

  giveUp(): void {
    this.#giveUp?.();
  }

  kill(): void {
    this.#isKilled = true;
    this.#wake?.();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#done;
  }

  run(): Promise<void> {
    this.#done = this.#loop();
    return this.#done;
  }

  get #token(): string {
    return this.#params.style === "cloud" ? `${this.owner}.${this.#parks}` : this.owner;
  }

  #isOver(): boolean {
    return this.#isKilled || this.#stopping.signal.aborted;
  }

  async #loop(): Promise<void> {
    for (let failures = 0; !this.#isOver();) {
      this.#isRung = false;
      const directive = await this.#advance(failures);
      if (this.#isOver()) return;
      if (directive === undefined) {
        if (++failures > advanceRetryMs.length) return;
        continue;
      }
      failures = 0;
      if (directive.kind === "end") return;
      if (directive.kind === "tasks")
        await Promise.all(directive.tasks.map((ref) => this.#task(ref)));
      if (directive.kind === "park") await this.#park(directive);
    }
  }

  /** Undefined after a failure that may pass; one that will not is reported, and ends the drive. */
  async #advance(failures: number): Promise<Directive | undefined> {
    const { host, executionId, owner, generation, clock, advanceMs } = this.#params;
    const { signal } = this.#stopping;
    const onRunning = (poke: () => void): void => {
      this.#poke = poke;
      if (this.#isRung) poke();
    };
    const bounds = {
      ...(advanceMs === undefined ? {} : { deadline: clock.now() + advanceMs }),
      ...(generation === undefined ? {} : { generation }),
    };
    try {
      return await this.#unlessTooLate(
        host.advance({ executionId, owner, signal, onRunning, ...bounds }),
      );
    } catch (error) {
      const delay = advanceRetryMs[failures];
      if (delay === undefined || (isKitaruError(error) && error.code !== "backend")) {
        host.failed(executionId, error);
        return { kind: "end" };
      }
      await this.#sleep(delay);
      return undefined;
    } finally {
      this.#poke = undefined;
      this.#giveUp = undefined;
      this.#params.returned?.(executionId);
    }
  }

  /** What comes back in time; after that, call again: the one that is late goes on unheard. */
  #unlessTooLate(advancing: Promise<Directive>): Promise<Directive> {
    const { clock, giveUpMs = Infinity } = this.#params;
    return new Promise((resolve, reject) => {
      this.#giveUp = () => resolve({ kind: "advance" });
      const cancel = giveUpMs === Infinity ? doNothing : clock.schedule(giveUpMs, this.#giveUp);
      advancing.then(resolve, reject).finally(cancel);
    });
  }

  async #park({ seen, wakeAt }: ParkDirective): Promise<void> {
    const { host, executionId, clock, holds } = this.#params;
    this.#parks += 1;
    this.#isParked = true; // a wake may come as soon as the token is stored
    try {
      if (!(await host.park({ executionId, seen, token: this.#token, wakeAt }))) return;
      const isHolding = (await holds?.(executionId)) ?? false;
      if (!this.#isRung) await this.#sleep(wakeAt - clock.now(), !isHolding);
    } catch {
      // not parked: advance again
    } finally {
      this.#isParked = false;
    }
  }

  async #task(ref: TaskRef): Promise<void> {
    const { host } = this.#params;
    try {
      await host.task(ref, { signal: this.#stopping.signal });
    } catch (error) {
      if (!this.#isOver()) await host.crashed(ref, String(error)).catch(() => undefined); // its deadline tells
    } finally {
      this.#params.returned?.(ref.executionId);
    }
  }

  /** Until rung, stopped or `ms` have passed. */
  #sleep(ms: number, unref = false): Promise<void> {
    if (this.#isOver()) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#params.clock.schedule(ms, wake, { unref });
      this.#wake = wake;
    });
  }
}

function doNothing(): void {}
