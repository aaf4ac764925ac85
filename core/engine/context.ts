import type { Entry } from "../journal/entry.ts";
import type { Head } from "../journal/head.ts";
import { ValueStore } from "../journal/values.ts";
import type { ModelRegistry } from "../ports/model.ts";
import type { Backend } from "../ports/backend.ts";
import type { StoredRecord } from "../ports/records.ts";
import { type Clock, systemClock } from "../ports/clock.ts";
import type { Registry } from "./definitions.ts";
import { Resting } from "./resting.ts";

/** Sees what an advance in this process does; whatever it throws is dropped. */
export interface Observer {
  /** A call begins to run in this process. */
  readonly started?: (event: {
    executionId: string;
    callId: string;
    name: string;
    attempt: number;
  }) => void;
  /** An execution has ended and its head says so. */
  readonly ended?: (event: { executionId: string; head: Head }) => void;
  /** Entries have become durable. */
  readonly appended?: (event: { executionId: string; entries: readonly Entry[] }) => void;
}

/** Code of deployed versions, by the hash of the bundle that holds it. */
export interface BundleSource {
  /** Definitions of a bundle this process has loaded. */
  loaded(bundle: string): Registry | undefined;
  /** Load a bundle. Throws a backend error (`corrupt`) when its content is not what its hash says. */
  load(bundle: string): Promise<Registry>;
}

/** What every part of the engine works with. */
export interface EngineContext {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly values: ValueStore;
  /** What this program itself defines. */
  readonly program: Registry;
  /** What the execution at hand runs on: the program's definitions, or those of its bundle. */
  readonly registry: Registry;
  /** Deployed version of {@link registry}; `local` for the program's own definitions. */
  readonly version: string;
  /** Absent in a process that cannot run deployed versions. */
  readonly bundles?: BundleSource;
  /** Models of the execution at hand: those its version was deployed with, or the program's. */
  readonly models: ModelRegistry;
  readonly programModels: ModelRegistry;
  readonly observers: Set<Observer>;
  /**
   * Heads this process has just created, by execution: their first advance need not read what nobody can have
   * written. Should somebody have, the first append conflicts and everything is read.
   */
  readonly fresh: Map<string, StoredRecord>;
  /** Last epoch of an execution whose advance in this process ended because the store failed. */
  readonly outages: Map<string, number>;
  /** Executions that rest and that this process knows. */
  readonly resting: Resting;
  /** Uniform in [0, 1); for jitter and nonces, never for anything the flow sees. */
  readonly random: () => number;
}

interface ContextParams {
  readonly backend: Backend;
  readonly registry: Registry;
  readonly bundles?: BundleSource;
  readonly models?: ModelRegistry;
  readonly random?: () => number;
}

/** Put together what the engine needs from a backend and a program's definitions. */
export function engineContext(params: ContextParams): EngineContext {
  const { backend, registry, bundles, models = { aliases: {} } } = params;
  return {
    backend,
    program: registry,
    registry,
    version: localVersion,
    ...(bundles === undefined ? {} : { bundles }),
    clock: backend.clock ?? systemClock,
    values: new ValueStore(backend.blobs, backend.capabilities.inlineBytes),
    models,
    programModels: models,
    observers: new Set(),
    fresh: new Map(),
    outages: new Map(),
    resting: new Resting(),
    random: params.random ?? Math.random,
  };
}

/** Version of executions that run from source. */
export const localVersion = "local" as const;

/** Text that no other append, item or start carries. */
export function makeNonce(context: EngineContext): string {
  return (
    Math.floor(context.random() * 2 ** 48).toString(36) +
    Math.floor(context.random() * 2 ** 48).toString(36)
  );
}

/** Tell every observer; observation never breaks a run. */
export function observe(context: EngineContext, tell: (observer: Observer) => void): void {
  for (const observer of context.observers) {
    try {
      tell(observer);
    } catch {
      // law 10: what an observer throws is its own affair
    }
  }
}
