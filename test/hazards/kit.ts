import { advance, parkExecution } from "../../core/engine/advance.ts";
import { readEntries } from "../../core/engine/artifacts.ts";
import { type EngineContext, engineContext } from "../../core/engine/context.ts";
import { type FlowDefinition, type Registry, registry } from "../../core/engine/definitions.ts";
import { type Signal, type SignalResult, signal } from "../../core/engine/signal.ts";
import { startExecution } from "../../core/engine/start.ts";
import { readStatus } from "../../core/engine/status.ts";
import { sweep } from "../../core/engine/sweep.ts";
import { runTask } from "../../core/engine/task.ts";
import type { Entry } from "../../core/journal/entry.ts";
import { type Head, headKey, readHead } from "../../core/journal/head.ts";
import { type Inbox, inboxKey, readInbox } from "../../core/journal/inbox.ts";
import type { StoredError } from "../../core/journal/stored-error.ts";
import type { Capabilities } from "../../core/ports/backend.ts";
import type { BlobStore } from "../../core/ports/blobs.ts";
import type {
  AdvanceParams,
  Directive,
  Orchestrator,
  ParkDirective,
  StartParams,
} from "../../core/ports/orchestrator.ts";
import type { PutResult, RecordDraft, RecordStore } from "../../core/ports/records.ts";
import { type VirtualClock, virtualClock } from "../../testing/clock.ts";
import { memoryBlobs, memoryRecords, memorySecrets } from "../../testing/memory.ts";

let names = 0;

/** A name no other definition of this program has. */
export function unique(prefix = "n"): string {
  return `${prefix}${++names}`;
}

/** A program's flow by name. */
export function flowNamed(name: string, from: Registry = registry): FlowDefinition {
  const found = from.flow(name);
  if (found === undefined) throw new Error(`no flow ${name}`);
  return found;
}

/** Stands between the engine and the store: does the write, or does something to it. */
export type Intercept = (
  draft: RecordDraft,
  write: () => Promise<PutResult>,
) => PutResult | Promise<PutResult>;

interface WorldOptions {
  readonly capabilities?: Partial<Capabilities>;
  /** Most records on a page. */
  readonly pageSize?: number;
  /** Whether the clock moves by itself when nothing else goes on. @default true */
  readonly auto?: boolean;
}

interface ProcessOptions {
  /** Added to the true time, in milliseconds. */
  readonly skewMs?: number;
  readonly registry?: Registry;
  readonly orchestrator?: Partial<Orchestrator>;
  readonly capabilities?: Partial<Capabilities>;
}

/** One store, one true clock, and any number of processes that share them. */
export class World {
  readonly clock: VirtualClock;
  readonly records: RecordStore;
  readonly blobs: BlobStore;
  /** What every put passes through. */
  intercept: Intercept | undefined;
  /** Called before each page that is listed of an execution. */
  beforePage: (() => void | Promise<void>) | undefined;
  /** Every draft that was stored. */
  readonly written: RecordDraft[] = [];
  readonly #capabilities: Capabilities;

  constructor({ capabilities, pageSize, auto = true }: WorldOptions = {}) {
    this.clock = virtualClock({ startAt: 1_000_000, auto });
    this.blobs = memoryBlobs();
    const now = (): number => this.clock.now();
    const memory = memoryRecords(pageSize === undefined ? { now } : { now, pageSize });
    this.#capabilities = { ...smallCapabilities, ...capabilities };
    this.records = {
      get: (key) => memory.get(key),
      delete: (key, expectation) => memory.delete(key, expectation),
      listIndex: (index, params) => memory.listIndex(index, params),
      deleteExpired: async (limit) => (await memory.deleteExpired?.(limit)) ?? 0,
      list: async (params) => {
        await this.beforePage?.();
        return memory.list(params);
      },
      put: async (draft, expectation) => {
        const write = async (): Promise<PutResult> => {
          const result = await memory.put(draft, expectation);
          if (result.ok) this.written.push(draft);
          return result;
        };
        return this.intercept === undefined ? write() : this.intercept(draft, write);
      },
    };
  }

  /** Another process on the same store. */
  process(options: ProcessOptions = {}): Process {
    return new Process(this, { ...this.#capabilities, ...options.capabilities }, options);
  }

  /** How often documents whose sort key matches were stored. */
  writesOf(sort: RegExp): number {
    return this.written.filter((draft) => sort.test(draft.sort)).length;
  }

  /** Replace the body of a stored document, as a fault of the disk would. */
  async corrupt(id: string, sort: string, change: (body: string) => string): Promise<string> {
    const record = await this.records.get({ partition: `exec/${id}`, sort });
    if (record === undefined) throw new Error(`no ${sort}`);
    await this.records.put({ ...record, body: change(record.body) }, record.version);
    return record.body;
  }
}

const smallCapabilities: Capabilities = {
  kind: "memory",
  inlineBytes: 64,
  segmentBytes: 300,
  recordBytes: 100_000,
  dueShards: 1,
  isolated: false,
  heartbeatMs: 86_400_000,
  leaseMs: 30_000,
  graceMs: 5000,
};

/** One process: an engine whose orchestrator only takes notes, so that a test takes every step itself. */
export class Process {
  readonly context: EngineContext;
  readonly starts: StartParams[] = [];
  readonly woken: string[] = [];
  /** Tokens somebody listens on. */
  readonly listening: Set<string> = new Set();
  /** Owners that are known to be gone. */
  readonly gone: Set<string> = new Set();
  readonly #world: World;

  constructor(world: World, capabilities: Capabilities, options: ProcessOptions) {
    this.#world = world;
    const { skewMs = 0 } = options;
    const { clock } = world;
    this.context = engineContext({
      registry: options.registry ?? registry,
      backend: {
        records: world.records,
        blobs: world.blobs,
        secrets: memorySecrets(),
        capabilities,
        clock: { now: () => clock.now() + skewMs, schedule: clock.schedule },
        orchestrator: {
          start: async (params) => void this.starts.push(params),
          stop: async () => undefined,
          wake: async (token) => {
            this.woken.push(token);
            return this.listening.has(token);
          },
          isGone: async (owner) => this.gone.has(owner),
          ...options.orchestrator,
        },
      },
    });
  }

  /** Start an execution; its id is made of the flow's name unless given. */
  async start(flow: string, input?: unknown, id: string = `x-${flow}`): Promise<string> {
    const definition = flowNamed(flow, this.context.registry);
    await startExecution(this.context, { id, flow: definition, input, stack: "memory" });
    return id;
  }

  advance(
    id: string,
    owner = "o1",
    params: Omit<AdvanceParams, "executionId" | "owner"> = {},
  ): Promise<Directive> {
    return advance(this.context, { executionId: id, owner, ...params });
  }

  park(id: string, { seen, wakeAt }: ParkDirective, token = "o1"): Promise<boolean> {
    return parkExecution(this.context, { executionId: id, seen, wakeAt, token });
  }

  /** One advance that must end in a park directive. */
  async advanceToPark(id: string, owner = "o1"): Promise<ParkDirective> {
    const directive = await this.advance(id, owner);
    if (directive.kind !== "park") throw new Error(`expected park, got ${directive.kind}`);
    return directive;
  }

  /** Do what an orchestrator does until the execution ends or stays parked; resolves to its status. */
  async drive(id: string, owner = "o1"): Promise<string> {
    for (let steps = 0; steps < 100; steps++) {
      const directive = await this.advance(id, owner);
      if (directive.kind === "end") return this.status(id);
      if (directive.kind === "tasks")
        for (const task of directive.tasks) await runTask(this.context, task);
      if (directive.kind === "park" && (await this.park(id, directive, owner)))
        return this.status(id);
    }
    throw new Error("100 steps and no end");
  }

  signal(id: string, what: Signal): Promise<SignalResult> {
    return signal(this.context, id, what);
  }

  /** Answer a wait by name or call id. */
  answer(id: string, target: string, value?: unknown): Promise<SignalResult> {
    return signal(this.context, id, { kind: "answer", target, value });
  }

  sweep(): Promise<number> {
    return sweep(this.context);
  }

  status(id: string): Promise<string> {
    return readStatus(this.context, id);
  }

  async head(id: string): Promise<Head> {
    const record = await this.#world.records.get(headKey(id));
    if (record === undefined) throw new Error(`no head of ${id}`);
    return readHead(record);
  }

  async inbox(id: string): Promise<Inbox> {
    return readInbox(await this.#world.records.get(inboxKey(id)));
  }

  entries(id: string): Promise<Entry[]> {
    return readEntries(this.context, id);
  }

  /** The entries of one kind. */
  async entriesOf<T extends Entry["t"]>(
    id: string,
    t: T,
  ): Promise<Extract<Entry, { readonly t: T }>[]> {
    const entries = await this.entries(id);
    return entries.filter((entry): entry is Extract<Entry, { readonly t: T }> => entry.t === t);
  }

  /** What the execution returned. */
  async output(id: string): Promise<unknown> {
    const { out } = (await this.head(id)).view;
    return out === undefined ? undefined : this.context.values.get(out);
  }

  /** What the execution failed with. */
  async failure(id: string): Promise<StoredError | undefined> {
    return (await this.head(id)).view.err;
  }
}

/** A step of a flow that ends when the test says so. */
export class Gate<T = void> {
  readonly promise: Promise<T>;
  /** Resolves once the flow has come by. */
  readonly entered: Promise<void>;
  open!: (value: T) => void;
  #enter!: () => void;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.open = resolve;
    });
    this.entered = new Promise((resolve) => {
      this.#enter = resolve;
    });
  }

  pass(): Promise<T> {
    this.#enter();
    return this.promise;
  }
}
