import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

import type { Move, Reply, Told } from "./serve.ts";

/** Time for every process to have got its move, in milliseconds. */
const headStartMs = 4;

interface PeerOptions {
  /** Module that calls `serve()`. */
  readonly file: string;
  readonly args?: readonly string[];
  /** Environment variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with what it tells without having been asked. */
  readonly heard?: (told: unknown) => void;
}

/** Another process that does what it is asked. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #ready = Promise.withResolvers<void>();
  readonly #replies = new Map<number, PromiseWithResolvers<Reply>>();
  #moves = 0;
  #errors = "";

  constructor({ file, args = [], env = {}, heard }: PeerOptions) {
    this.#child = fork(file, [...args], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, ...env },
      serialization: "advanced",
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.#exit = once(this.#child, "exit");
    this.#child.on("message", (message) => {
      if (message === "ready") this.#ready.resolve();
      else if ("told" in (message as Told | Reply)) heard?.((message as Told).told);
      else this.#replies.get((message as Reply).no)?.resolve(message as Reply);
    });
    this.#ready.promise.catch(() => undefined);
    void this.#exit.then(() => this.#over());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get ended(): Promise<unknown> {
    return this.#exit;
  }

  /** Resolves once it can be asked. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Do something at a moment, else at once. */
  do(verb: string, args: readonly unknown[], at = 0): Promise<Reply> {
    const no = this.#moves++;
    const reply = Promise.withResolvers<Reply>();
    reply.promise.catch(() => undefined); // of one that was killed nobody may want to know
    this.#replies.set(no, reply);
    this.#child.send({ no, verb, args, at } satisfies Move);
    return reply.promise;
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

  #over(): void {
    const error = new Error(`The process has ended.\n${this.#errors}`);
    for (const { reject } of [this.#ready, ...this.#replies.values()]) reject(error);
  }
}

/** Have several processes each do something at the same millisecond. */
export function together(
  moves: readonly (readonly [Peer, string, ...unknown[]])[],
): Promise<Reply[]> {
  const at = Date.now() + headStartMs;
  return Promise.all(moves.map(([peer, verb, ...args]) => peer.do(verb, args, at)));
}
