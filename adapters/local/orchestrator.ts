import { isKitaruError } from "../../core/errors.ts";
import type {
  Directive,
  FlowCode,
  Orchestrator,
  OrchestratorHost,
  ParkDirective,
  StartParams,
  TaskRef,
} from "../../core/ports/orchestrator.ts";
import { type Answer, ProcessSocket, isProcessToken, ringProcess } from "./process-socket.ts";
import type { WorkerOptions } from "./worker.ts";

/** Delays between tries of an advance that failed for a reason outside the flow, in milliseconds. */
const advanceRetryMs = [50, 500, 2000];

interface LocalOrchestratorParams {
  readonly folder: string;
  readonly worker: WorkerOptions;
}

/** Drives executions inside this process, and answers other processes that share the folder. */
export class LocalOrchestrator implements Orchestrator {
  readonly #socket: ProcessSocket;
  readonly #worker: WorkerOptions;
  readonly #drives = new Map<string, Drive>();
  #host: OrchestratorHost | undefined;
  #token: Promise<string> | undefined;
  #isClosed = false;
  /** Processes that have been found gone: none comes back, and asking for one takes a millisecond. */
  readonly #gone = new Set<string>();

  constructor({ folder, worker }: LocalOrchestratorParams) {
    this.#socket = new ProcessSocket(folder, (id) => this.#ring(id));
    this.#worker = worker;
  }

  attach(host: OrchestratorHost): void {
    this.#host = host;
  }

  async start(params: StartParams): Promise<void> {
    const host = this.#host;
    const { executionId } = params;
    if (host === undefined || this.#isClosed || !host.knows(params)) return; // a process that knows the flow sweeps it up
    if (this.#ring(executionId)) return;
    const owner = this.#socket.token ?? (await this.#listen());
    if (this.#drives.has(executionId)) return;
    const drive = new Drive({ host, executionId, owner, worker: this.#worker });
    this.#drives.set(executionId, drive);
    void drive.run().finally(() => {
      this.#drives.delete(executionId);
      if (drive.isRung) void this.start(params);
    });
  }

  async wake(token: string, executionId: string): Promise<boolean> {
    if (token === this.#socket.token) return this.#ring(executionId);
    const answer = await this.#ringOther(token, executionId);
    return answer === "heard" || answer === "no answer";
  }

  async isGone(owner: string): Promise<boolean> {
    if (!isProcessToken(owner) || owner === this.#socket.token) return false;
    return (await this.#ringOther(owner, "")) === "gone";
  }

  drives(executionId: string): boolean {
    return this.#drives.has(executionId);
  }

  canDrive(code: FlowCode): boolean {
    return !this.#isClosed && this.#host?.knows(code) === true;
  }

  async stop(executionId: string): Promise<void> {
    await this.#drives.get(executionId)?.stop();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const running = [...this.#drives.values()].map((drive) => drive.stop());
    await Promise.all(running);
    this.#socket.close();
  }

  #ring(executionId: string): boolean {
    const drive = this.#drives.get(executionId);
    drive?.ring();
    return drive !== undefined;
  }

  async #ringOther(token: string, executionId: string): Promise<Answer> {
    if (!isProcessToken(token) || this.#gone.has(token)) return "gone";
    const answer = await ringProcess(token, executionId);
    if (answer === "gone") this.#gone.add(token);
    return answer;
  }

  #listen(): Promise<string> {
    this.#token ??= this.#socket.listen();
    return this.#token;
  }
}

interface DriveParams {
  readonly host: OrchestratorHost;
  readonly executionId: string;
  readonly owner: string;
  readonly worker: WorkerOptions;
}

/** The sequential orchestration of one execution in this process. */
class Drive {
  readonly #params: DriveParams;
  readonly #stopping = new AbortController();
  #wake: (() => void) | undefined;
  #poke: (() => void) | undefined;
  #isRung = false;
  #done: Promise<void> = Promise.resolve();

  constructor(params: DriveParams) {
    this.#params = params;
  }

  /** Whether somebody rang after the last look at the execution. */
  get isRung(): boolean {
    return this.#isRung && !this.#stopping.signal.aborted;
  }

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
    this.#poke?.();
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

  async #loop(): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted;) {
      this.#isRung = false;
      try {
        const directive = await this.#advance();
        failures = 0;
        if (directive.kind === "end") return;
        if (directive.kind === "tasks") await this.#runTasks(directive.tasks);
        if (directive.kind === "park") await this.#park(directive);
      } catch (error) {
        const delay = advanceRetryMs[failures++];
        if (delay === undefined || !mayPass(error)) return this.#giveUp(error);
        await this.#sleep(delay);
      }
    }
  }

  #giveUp(error: unknown): void {
    if (this.#stopping.signal.aborted) return; // its store is being closed
    this.#params.host.failed(this.#params.executionId, error);
  }

  async #advance(): Promise<Directive> {
    const { host, executionId, owner } = this.#params;
    const { signal } = this.#stopping;
    const onRunning = (poke: () => void): void => {
      this.#poke = poke;
      if (this.#isRung) poke();
    };
    try {
      return await host.advance({ executionId, owner, signal, onRunning });
    } finally {
      this.#poke = undefined;
    }
  }

  async #park({ seen, wakeAt }: ParkDirective): Promise<void> {
    const { host, executionId, owner } = this.#params;
    if (!(await host.park({ executionId, seen, token: owner, wakeAt }))) return;
    if (!this.#isRung) await this.#sleep(wakeAt - Date.now(), true);
  }

  async #runTasks(tasks: readonly TaskRef[]): Promise<void> {
    const { host, worker } = this.#params;
    const { runInChild } = await import("./worker.ts"); // child processes are slow to load, and few flows have any
    await runInChild({
      tasks,
      worker,
      signal: this.#stopping.signal,
      crashed: (ref, why) => host.crashed(ref, why),
    });
  }

  /** Until rung, stopped or `ms` have passed; a parked execution does not keep the process alive. */
  #sleep(ms: number, unref = false): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, Math.min(Math.max(ms, 0), 2 ** 31 - 1));
      if (unref) timer.unref();
      this.#wake = done;
      const wake = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      function done(): void {
        wake();
      }
    });
  }
}

/** Whether trying again may help: a store that is away comes back, a corrupted journal stays so. */
function mayPass(error: unknown): boolean {
  return !isKitaruError(error) || error.code === "backend";
}
