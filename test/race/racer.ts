import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import type { Move, Reply } from "./fixtures/racer.ts";

const file = fileURLToPath(new URL("./fixtures/racer.ts", import.meta.url));
/** Time for every process to have got its move, in milliseconds. */
const headStartMs = 4;

/** Another process that does things with the stack in a folder. */
export class Racer {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #ready = Promise.withResolvers<void>();
  readonly #replies = new Map<number, PromiseWithResolvers<Reply>>();
  #moves = 0;

  constructor(root: string) {
    this.#child = fork(file, [root], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#exit = once(this.#child, "exit");
    this.#child.on("message", (message) => {
      if (message === "ready") this.#ready.resolve();
      else this.#replies.get((message as Reply).no)?.resolve(message as Reply);
    });
    void this.#exit.then(() => {
      for (const { reject } of this.#replies.values()) reject(new Error("The racer has ended."));
    });
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Do something at a moment, else at once. */
  do(verb: Move["verb"], args: readonly unknown[], at = 0): Promise<Reply> {
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
}

/** Have several processes each do something at the same millisecond. */
export function together(
  moves: readonly (readonly [Racer, Move["verb"], ...unknown[]])[],
): Promise<Reply[]> {
  const at = Date.now() + headStartMs;
  return Promise.all(moves.map(([racer, verb, ...args]) => racer.do(verb, args, at)));
}
