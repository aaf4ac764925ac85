import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Peer } from "../processes/peer.ts";
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
  readonly peer: Peer;
  readonly #progress = Promise.withResolvers<void>();

  constructor({ root, modelUrl, heard }: WorkerOptions) {
    this.peer = new Peer({
      file,
      args: [root, modelUrl],
      env: { NODE_COMPILE_CACHE: join(root, "compiled") },
      heard: (told) => {
        const news = told as News;
        if (news.kind === "progress") this.#progress.resolve();
        else heard(news);
      },
    });
  }

  /** Resolves when everything it drives has come further. */
  get progress(): Promise<void> {
    return this.#progress.promise;
  }

  /** Resolves when all it was told to do has ended. */
  async do(job: Job): Promise<void> {
    const reply = await this.peer.do("work", [job]);
    if (!reply.ok) throw new Error(reply.message);
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
    await worker.peer.ready;
    return worker;
  }

  /** Kill whatever still runs. */
  async close(): Promise<void> {
    await Promise.all([...this.#workers].map(({ peer }) => peer.kill()));
  }

  #start(): Worker {
    const worker = new Worker(this.#options);
    this.#workers.add(worker);
    void worker.peer.ended.then(() => this.#workers.delete(worker));
    return worker;
  }
}

/** Have workers start quickly: one that ends in good order leaves its compiled code behind. */
export function compileWorker(options: WorkerOptions): Promise<void> {
  return new Worker(options).peer.dismiss();
}
