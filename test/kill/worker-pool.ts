import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Job, News } from "./fixtures/worker.ts";

const file = fileURLToPath(new URL("./fixtures/worker.ts", import.meta.url));

interface WorkerOptions {
  /** Folder of the stack. */
  readonly root: string;
  readonly modelUrl: string;
  readonly heard: (news: News) => void;
}

/** A process that drives executions until it is killed. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #heard: (news: News) => void;
  readonly #ready = Promise.withResolvers<void>();
  readonly #progress = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  #errors = "";

  constructor({ root, modelUrl, heard }: WorkerOptions) {
    this.#heard = heard;
    this.#child = fork(file, [root, modelUrl], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, NODE_COMPILE_CACHE: join(root, "compiled") },
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.#child.on("message", (news) => this.#hear(news as News));
    this.#exit = once(this.#child, "exit");
    this.#done.promise.catch(() => undefined);
    this.#ready.promise.catch(() => undefined);
    void this.#exit.then(() => {
      const error = new Error(`The worker ended by itself.\n${this.#errors}`);
      this.#ready.reject(error);
      this.#done.reject(error);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get ended(): Promise<unknown> {
    return this.#exit;
  }

  /** Resolves once it can be given work. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves when everything it drives has come further. */
  get progress(): Promise<void> {
    return this.#progress.promise;
  }

  /** Resolves when all it was told to do has ended. */
  do(job: Job): Promise<void> {
    this.#child.send(job);
    return this.#done.promise;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exit;
  }

  /** Let it end in good order. */
  async dismiss(): Promise<void> {
    await this.ready;
    this.#child.disconnect();
    await this.#exit;
  }

  #hear(news: News): void {
    if (news.kind === "ready") this.#ready.resolve();
    else if (news.kind === "progress") this.#progress.resolve();
    else if (news.kind === "done") this.#done.resolve();
    else if (news.kind === "failed") this.#done.reject(new Error(news.why));
    else this.#heard(news);
  }
}

/** Keeps the next worker warm while one is at work. */
export class WorkerPool {
  readonly #options: WorkerOptions;
  readonly #workers = new Set<Worker>();
  #next: Worker;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#next = this.#start();
  }

  async take(): Promise<Worker> {
    const worker = this.#next;
    this.#next = this.#start();
    await worker.ready;
    return worker;
  }

  /** Kill whatever still runs. */
  async close(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.kill()));
  }

  #start(): Worker {
    const worker = new Worker(this.#options);
    this.#workers.add(worker);
    void worker.ended.then(() => this.#workers.delete(worker));
    return worker;
  }
}

/** Have workers start quickly: one that ends in good order leaves its compiled code behind. */
export function compileWorker(options: WorkerOptions): Promise<void> {
  return new Worker(options).dismiss();
}
