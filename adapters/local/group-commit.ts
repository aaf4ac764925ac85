import type { DatabaseSync } from "node:sqlite";

import { isBusy } from "./storage-error.ts";

interface Write {
  readonly scope: string;
  readonly apply: () => void;
  readonly settle: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets the writes of one turn of the event loop share a transaction, and so one sync to disk.
 * While writes come one in a turn, each is committed at once: there is nothing to wait for.
 */
export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #explain: (error: unknown) => unknown;
  #queue: Write[] = [];
  /** Writes issued in this turn. */
  #issued = 0;
  /** Whether the last turn that wrote did so once. */
  #isCalm = true;
  readonly #endTurn = (): void => {
    this.#isCalm = this.#issued === 1;
    this.#issued = 0;
    this.flush();
  };

  constructor(database: DatabaseSync, explain: (error: unknown) => unknown) {
    this.#database = database;
    this.#explain = explain;
  }

  /** Apply `write`, which concerns `scope`, with this turn's others. Resolves once it is committed. */
  run<T>(scope: string, write: () => T): Promise<T> {
    if (this.#issued++ === 0) {
      setImmediate(this.#endTurn);
      if (this.#isCalm) return this.#atOnce(write);
    }
    return new Promise((resolve, reject) => {
      let result: T;
      this.#queue.push({
        scope,
        apply: () => {
          result = write();
        },
        settle: () => resolve(result),
        reject: (error) => reject(this.#explain(error)),
      });
    });
  }

  #atOnce<T>(write: () => T): Promise<T> {
    try {
      return Promise.resolve(write());
    } catch (error) {
      return Promise.reject(this.#explain(error));
    }
  }

  /** Apply what is queued now, if any of it concerns `scope`: a read issued next then sees it. */
  flushFor(scope: string): void {
    if (this.#queue.some((write) => write.scope === scope)) this.flush();
  }

  /** Apply what is queued now. */
  flush(): void {
    const writes = this.#queue;
    if (writes.length === 0) return;
    this.#queue = [];
    if (writes.length === 1 || !this.#together(writes)) writes.forEach(alone);
  }

  /** False: nothing is applied, and each write has to be tried by itself, so that one cannot fail the others. */
  #together(writes: readonly Write[]): boolean {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      for (const write of writes) write.apply();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      if (!isBusy(error)) return false;
      // Alone, each would wait out the lock's timeout again.
      for (const write of writes) write.reject(error);
      return true;
    }
    for (const write of writes) write.settle();
    return true;
  }
}

function alone(write: Write): void {
  try {
    write.apply();
  } catch (error) {
    write.reject(error);
    return;
  }
  write.settle();
}
