import type { DatabaseSync } from "node:sqlite";

import { isBusy } from "./storage-error.ts";

interface Write {
  readonly scope: string;
  apply(): void;
  /** Called once it is committed. */
  settle(): void;
  reject(error: unknown): void;
}

class PromisedWrite<T> implements Write {
  readonly scope: string;
  readonly #write: () => T;
  readonly #resolve: (result: T) => void;
  readonly reject: (error: unknown) => void;
  #result: T | undefined;

  constructor(
    scope: string,
    write: () => T,
    resolve: (result: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.scope = scope;
    this.#write = write;
    this.#resolve = resolve;
    this.reject = reject;
  }

  apply(): void {
    this.#result = this.#write();
  }

  settle(): void {
    this.#resolve(this.#result as T);
  }
}

/**
 * Lets the writes of one turn of the event loop share a transaction, and so one sync to disk.
 *
 * While all writes of a turn concern one scope, each waits for the one before it: there is nothing to share with, and
 * what is issued is committed as soon as the code that issued it has returned. Turns are told apart only after the scope
 * has changed, until a whole turn passes with one: to ask for a turn costs as much as to apply a write.
 */
export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #explain: (error: unknown) => unknown;
  #queue: Write[] = [];
  /** The scope of the first write of this turn; while its end is not waited for, of all since. */
  #scope: string | undefined;
  /** Whether the end of this turn is waited for. */
  #isWatched = false;
  /** Whether the last turn whose end was waited for concerned the same scope as what was before it, and no other. */
  #isCalm = true;
  /** Whether this turn's writes concern more scopes than one. */
  #isCrowded = false;
  /** Whether those of the last turn that wrote did. */
  #wasCrowded = false;
  /** A promise, whose reactions cost less than queueMicrotask(). */
  readonly #soon: Promise<void> = Promise.resolve();
  readonly #flush = (): void => this.flush();

  constructor(database: DatabaseSync, explain: (error: unknown) => unknown) {
    this.#database = database;
    this.#explain = explain;
  }

  /** Apply `write`, which concerns `scope`, with others. Resolves once it is committed. */
  run<T>(scope: string, write: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#queue.push(
        new PromisedWrite(scope, write, resolve, (error) => reject(this.#explain(error))),
      );
      this.#schedule(scope);
    });
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

  #schedule(scope: string): void {
    if (this.#isWatched) this.#isCrowded ||= scope !== this.#scope;
    else if (!this.#isCalm || scope !== this.#scope) this.#watch(scope);
    const isFirst = this.#queue.length === 1;
    if (isFirst && !this.#isCrowded && !this.#wasCrowded) void this.#soon.then(this.#flush);
  }

  #watch(scope: string): void {
    this.#isCalm = scope === this.#scope;
    this.#scope = scope;
    this.#isWatched = true;
    setImmediate(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#wasCrowded = this.#isCrowded;
    this.#isCalm &&= !this.#isCrowded;
    this.#isCrowded = false;
    this.#isWatched = false;
    this.flush();
  };

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
