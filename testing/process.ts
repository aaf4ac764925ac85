import type { Backend } from "../core/ports/backend.ts";
import type { BlobStore } from "../core/ports/blobs.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Orchestrator } from "../core/ports/orchestrator.ts";
import type { RecordStore } from "../core/ports/records.ts";
import type { BlobOperation, RecordOperation } from "./memory.ts";

/** One use of a store. */
export type StoreOperation =
  | ({ readonly store: "records" } & RecordOperation)
  | ({ readonly store: "blobs" } & BlobOperation);

/** Stands between a process and its stores; decides whether, when and how often an operation takes effect. */
export type Around = <T>(operation: StoreOperation, run: () => Promise<T>) => Promise<T>;

/** Whether an operation changes what is stored. */
export function isWrite({ verb }: StoreOperation): boolean {
  return verb === "put" || verb === "delete";
}

/** A process that can be killed: from then on nothing it does takes effect, and nothing it awaits comes back. */
export class Process {
  readonly name: string;
  /** Resolves when the process is killed. */
  readonly died: Promise<void>;
  #isAlive = true;
  #die: () => void = () => undefined;

  constructor(name: string) {
    this.name = name;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  kill(): void {
    this.#isAlive = false;
    this.#die();
  }

  /** What `work` comes to, as long as this process lives. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isAlive) return never();
    try {
      const value = await work();
      return this.#isAlive ? value : await never();
    } catch (error) {
      if (!this.#isAlive) return never();
      throw error;
    }
  }

  /** A backend as this process sees it, with a clock that is off by `skewMs`. */
  view(
    backend: Backend,
    orchestrator: Orchestrator,
    { around = throughAll, skewMs = 0 }: ViewOptions = {},
  ): Backend {
    const { records, blobs, clock } = backend;
    const guarded: Around = (operation, run) => this.run(() => around(operation, run));
    return {
      ...backend,
      orchestrator,
      ...storesThrough({ records, blobs }, guarded),
      ...(clock === undefined ? {} : { clock: this.clock(clock, skewMs) }),
    };
  }

  /** A clock whose timers fire only as long as this process lives. */
  clock(clock: Clock, skewMs = 0): Clock {
    return {
      now: () => clock.now() + skewMs,
      schedule: (ms, fn, options) =>
        clock.schedule(ms, () => (this.#isAlive ? fn() : undefined), options),
    };
  }
}

interface ViewOptions {
  readonly around?: Around | undefined;
  readonly skewMs?: number;
}

/** Each its own: one shared by all would keep everything that ever awaited it. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}

const throughAll: Around = (_operation, run) => run();

/** Stores whose every use passes through `around`. */
export function storesThrough(
  { records, blobs }: Pick<Backend, "records" | "blobs">,
  around: Around,
): Pick<Backend, "records" | "blobs"> {
  return { records: recordsThrough(records, around), blobs: blobsThrough(blobs, around) };
}

function recordsThrough(records: RecordStore, around: Around): RecordStore {
  const store = "records";
  return {
    get: (key) => around({ store, verb: "get", key }, () => records.get(key)),
    put: (draft, expect) =>
      around({ store, verb: "put", key: draft, draft }, () => records.put(draft, expect)),
    delete: (key, expect) =>
      around({ store, verb: "delete", key }, () => records.delete(key, expect)),
    list: (params) =>
      around(
        { store, verb: "list", key: { partition: params.partition, sort: params.from ?? "" } },
        () => records.list(params),
      ),
    listIndex: (index, params) =>
      around(
        { store, verb: "listIndex", key: { partition: params.partition, sort: params.from ?? "" } },
        () => records.listIndex(index, params),
      ),
    deleteExpired: async (limit) => (await records.deleteExpired?.(limit)) ?? 0,
  };
}

function blobsThrough(blobs: BlobStore, around: Around): BlobStore {
  const store = "blobs";
  return {
    put: (key, bytes, options) =>
      around({ store, verb: "put", key }, () => blobs.put(key, bytes, options)),
    get: (key) => around({ store, verb: "get", key }, () => blobs.get(key)),
    list: (params) => around({ store, verb: "list", key: params.prefix }, () => blobs.list(params)),
  };
}
