import type { ExecutionStatus, Head } from "../journal/head.ts";
import { headKey, readHead } from "../journal/head.ts";
import { ofExecution } from "../journal/damage.ts";
import type { ModelRegistry } from "../ports/model.ts";
import type { Backend } from "../ports/backend.ts";
import type { StoredRecord } from "../ports/records.ts";
import { systemClock } from "../ports/clock.ts";
import type { OrchestratorHost } from "../ports/orchestrator.ts";
import { advance, parkExecution } from "./advance.ts";
import { cancellable } from "./calls/cancel-watch.ts";
import { type BundleSource, type EngineContext, engineContext } from "./context.ts";
import { type Registry, registry as programRegistry } from "./definitions.ts";
import { type Signal, type SignalResult, signal } from "./signal.ts";
import { type StartExecution, startExecution } from "./start.ts";
import { takeUpAwaited } from "./restart.ts";
import { settledStart } from "./starts.ts";
import { hasEnded, readStatus } from "./status.ts";
import { sweep } from "./sweep.ts";
import { recordCrash, runTask } from "./task.ts";

interface RuntimeParams {
  /** Name of the stack. */
  readonly stack: string;
  readonly backend: Backend;
  readonly models?: ModelRegistry;
  readonly registry?: Registry;
  /** Where deployed versions are loaded from. */
  readonly bundles?: BundleSource;
  readonly random?: () => number;
}

/** How an execution ended in, or was given up by, this process. */
type Settled = { readonly head: Head } | { readonly error: unknown };

/** What has been heard of an execution somebody waits for. */
interface EndWatch {
  settled: Settled | undefined;
  isStopped: boolean;
  wake: (() => void) | undefined;
}

const shortestPollMs = 20;
const longestPollMs = 1000;

/** One opened stack: the engine bound to its backend. */
export class Runtime {
  readonly stack: string;
  readonly backend: Backend;
  readonly context: EngineContext;
  /** The runtime as an orchestrator or a cloud entrypoint calls it. */
  readonly host: OrchestratorHost;
  readonly #watchers = new Map<string, Set<(settled: Settled) => void>>();

  constructor(params: RuntimeParams) {
    this.stack = params.stack;
    this.backend = params.backend;
    this.context = engineContext({ registry: programRegistry, ...params });
    this.context.observers.add({
      ended: ({ executionId, head }) => this.#tell(executionId, { head }),
    });
    this.host = hostOf(this.context, (id, error) => this.#tell(id, { error }));
    params.backend.orchestrator.attach?.(this.host);
  }

  /** Start an execution, or take up the one of its id. */
  start(params: StartExecution): Promise<Head> {
    return startExecution(this.context, params);
  }

  /** Say something to an execution, durably. */
  async signal(executionId: string, what: Signal): Promise<SignalResult> {
    await settledStart(executionId);
    return signal(this.context, executionId, what);
  }

  /** The status of an execution as its journal tells it. */
  status(executionId: string): Promise<ExecutionStatus> {
    return readStatus(this.context, executionId);
  }

  /**
   * Resolve to the head of an execution once it has ended, wherever it runs: here, when the process that drove it
   * meanwhile is gone and its flow is at hand.
   * Rejects when this process drove it and had to give up. Undefined after `timeoutMs` of real time.
   * A rejection need not be handled.
   */
  ended(executionId: string, timeoutMs?: number): Promise<Head | undefined> {
    return this.watchEnd(executionId, timeoutMs).head;
  }

  /** Like {@link ended}, from now on; `stop` makes it resolve to undefined. */
  watchEnd(
    executionId: string,
    timeoutMs?: number,
  ): { readonly head: Promise<Head | undefined>; readonly stop: () => void } {
    const watch: EndWatch = { settled: undefined, isStopped: false, wake: undefined };
    const head = this.#untilEnd(executionId, timeoutMs, watch);
    head.catch(() => undefined);
    const stop = (): void => {
      watch.isStopped = true;
      watch.wake?.();
    };
    return { head, stop };
  }

  async #untilEnd(
    executionId: string,
    timeoutMs: number | undefined,
    watch: EndWatch,
  ): Promise<Head | undefined> {
    const clock = systemClock; // whoever awaits does so in real time, also where the executions' time is virtual
    const deadline = timeoutMs === undefined ? Infinity : clock.now() + timeoutMs;
    const forget = this.#watch(executionId, (found) => {
      watch.settled = found;
      watch.wake?.();
    });
    let seen: { readonly version: string; readonly driver: string | undefined } | undefined;
    try {
      for (let pollMs = shortestPollMs; ; pollMs = Math.min(longestPollMs, pollMs * 2)) {
        if (watch.settled !== undefined) return headOf(watch.settled);
        if (clock.now() >= deadline || watch.isStopped) return undefined;
        await new Promise<void>((resolve) => {
          const cancel = clock.schedule(Math.min(pollMs, deadline - clock.now()), resolve);
          watch.wake = () => {
            cancel();
            resolve();
          };
        });
        watch.wake = undefined;
        if (watch.settled !== undefined) return headOf(watch.settled);
        const record = await this.backend.records.get(headKey(executionId));
        const head = await this.#endIn(record);
        if (head !== undefined) return head;
        if (record === undefined || pollMs < longestPollMs || this.#isDriven(executionId)) continue;
        const { version } = record; // another head may tell of another driver
        const known = seen?.version === version ? seen.driver : undefined;
        seen = { version, driver: await takeUpAwaited(this.context, executionId, known) };
      }
    } finally {
      forget();
    }
  }

  /** The head of an execution if it has ended and is not being retried. */
  async endNow(executionId: string): Promise<Head | undefined> {
    return this.#endIn(await this.backend.records.get(headKey(executionId)));
  }

  async #endIn(record: StoredRecord | undefined): Promise<Head | undefined> {
    const head = record && readHead(record);
    return head !== undefined && (await hasEnded(this.context, head)) ? head : undefined;
  }

  #isDriven(executionId: string): boolean {
    return this.backend.orchestrator.drives?.(executionId) === true;
  }

  async close(): Promise<void> {
    await this.backend.orchestrator.close?.();
    await this.backend.close?.();
  }

  /** The head of an execution that is being retried may still show the end before. */
  #watch(executionId: string, tell: (settled: Settled) => void): () => void {
    const watchers = this.#watchers.get(executionId) ?? new Set();
    this.#watchers.set(executionId, watchers.add(tell));
    return () => {
      watchers.delete(tell);
      if (watchers.size === 0) this.#watchers.delete(executionId);
    };
  }

  #tell(executionId: string, settled: Settled): void {
    for (const tell of this.#watchers.get(executionId) ?? []) tell(settled);
  }
}

function headOf(settled: Settled): Head {
  if ("error" in settled) throw settled.error;
  return settled.head;
}

function hostOf(context: EngineContext, failed: OrchestratorHost["failed"]): OrchestratorHost {
  return {
    advance: (params) => naming(params.executionId, advance(context, params)),
    park: (params) => parkExecution(context, params),
    task: (ref, options) =>
      naming(
        ref.executionId,
        cancellable(context, ref.executionId, options?.signal, (stop) =>
          runTask(context, ref, stop),
        ),
      ),
    crashed: (ref, why) => recordCrash(context, ref, why),
    sweep: () => sweep(context),
    knows: ({ flow, bundle }) =>
      bundle === undefined
        ? context.program.flow(flow) !== undefined
        : context.bundles !== undefined,
    failed,
  };
}

/** What is damaged says of which execution it is. */
function naming<T>(executionId: string, done: Promise<T>): Promise<T> {
  return done.catch((error: unknown) => {
    throw ofExecution(executionId, error);
  });
}
