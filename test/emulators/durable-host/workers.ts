import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A function as its app has registered it. */
export interface FunctionMetadata {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Binding>>;
}

/** A trigger, an input or an output of a function. */
export interface Binding {
  readonly type: string;
  readonly direction?: string;
  readonly [option: string]: unknown;
}

/** A value on its way to or from a function. */
export interface TypedData {
  readonly string?: string;
  readonly json?: string;
  readonly http?: unknown;
}

/** What a function is called with. */
export interface InvocationRequest {
  readonly inputData: readonly { readonly name: string; readonly data: TypedData }[];
  readonly triggerMetadata: Readonly<Record<string, TypedData>>;
}

/** The worker's process has ended while a function ran in it. */
export class WorkerExit extends Error {}

interface Worker {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly running: Map<string, Running>;
}

interface Running {
  readonly name: string;
  readonly resolve: (value: TypedData | undefined) => void;
  readonly reject: (error: Error) => void;
}

const script = fileURLToPath(new URL("worker.mjs", import.meta.url));

/** Processes that have the app loaded. One that ends is replaced. */
export class Workers {
  readonly functions = new Map<string, FunctionMetadata>();
  /** Lines that functions have written into the log. */
  readonly logs: string[] = [];
  readonly #main: string;
  readonly #count: number;
  readonly #workers: Worker[] = [];
  #turn = 0;
  #calls = 0;
  #offset: () => number = () => 0;
  #isClosed = false;

  constructor(main: string, count: number) {
    this.#main = main;
    this.#count = count;
  }

  async start(): Promise<void> {
    while (this.#workers.length < this.#count) this.#workers.push(this.#spawn());
    await Promise.all(this.#workers.map(({ ready }) => ready));
  }

  /** Call a function; resolves to what it returned. Throws its error, or {@link WorkerExit}. */
  async call(
    name: string,
    request: InvocationRequest,
    onBegun?: (kill: () => void) => void,
  ): Promise<TypedData | undefined> {
    const worker = this.#workers[this.#turn++ % this.#workers.length];
    if (worker === undefined) throw new WorkerExit("The host has been stopped.");
    return this.#callIn(worker, name, request, onBegun);
  }

  /** Call a function in a process of its own, whose clock is so much ahead. */
  async callAhead(name: string, request: InvocationRequest, offsetMs: number): Promise<void> {
    const worker = this.#spawn(offsetMs);
    try {
      await this.#callIn(worker, name, request);
    } finally {
      worker.child.removeAllListeners("exit");
      worker.child.kill("SIGKILL");
    }
  }

  /** Let the clocks of processes differ. */
  setOffsets(offset: () => number): void {
    this.#offset = offset;
    for (const { child } of this.#workers) child.send({ offsetMs: offset() });
  }

  /** End every process, as a host does that is stopped; new ones take their place. */
  restart(): void {
    for (const [place, { child }] of this.#workers.entries()) {
      if (!this.#isClosed) this.#workers[place] = this.#spawn();
      child.kill("SIGKILL");
    }
  }

  close(): void {
    this.#isClosed = true;
    this.restart();
  }

  async #callIn(
    worker: Worker,
    name: string,
    request: InvocationRequest,
    onBegun?: (kill: () => void) => void,
  ): Promise<TypedData | undefined> {
    await worker.ready;
    const id = `${++this.#calls}`;
    return new Promise((resolve, reject) => {
      if (!worker.child.connected) {
        reject(new WorkerExit(`The process of ${name} has ended.`));
        return;
      }
      worker.running.set(id, { name, resolve, reject });
      worker.child.send({ id, name, request });
      onBegun?.(() => worker.child.kill("SIGKILL"));
    });
  }

  #spawn(offsetMs = this.#offset()): Worker {
    const child = fork(script, [this.#main], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const running: Worker["running"] = new Map();
    const ready = new Promise<void>((resolve, reject) => {
      child.on("message", (message: Record<string, unknown>) => {
        if ("isReady" in message) resolve();
        else if ("log" in message) this.logs.push(String(message["log"]));
        else if ("metadata" in message) {
          const metadata = message["metadata"] as FunctionMetadata;
          this.functions.set(metadata.name, metadata);
        } else settle(running, message);
      });
      child.once("exit", () => {
        reject(new WorkerExit("The app could not be loaded."));
        for (const { name, reject: fail } of running.values())
          fail(new WorkerExit(`The process of ${name} has ended.`));
        const place = this.#workers.findIndex((worker) => worker.child === child);
        if (place !== -1 && !this.#isClosed) this.#workers[place] = this.#spawn();
      });
    });
    ready.catch(() => undefined);
    child.on("error", () => child.kill("SIGKILL")); // what was sent to a process that has ended
    if (offsetMs !== 0) child.send({ offsetMs });
    return { child, ready, running };
  }
}

function settle(running: Worker["running"], message: Record<string, unknown>): void {
  const id = message["id"] as string;
  const call = running.get(id);
  running.delete(id);
  if ("error" in message) {
    const { message: text, stack } = message["error"] as { message: string; stack?: string };
    call?.reject(Object.assign(new Error(text), { stack: stack ?? text }));
    return;
  }
  const { returnValue } = message["response"] as { returnValue?: TypedData };
  call?.resolve(returnValue);
}
