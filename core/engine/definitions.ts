import { KitaruUsageError } from "../errors.ts";
import type { ModelRegistry } from "../ports/model.ts";
import type { StandardSchema } from "../schema.ts";
import type { RetryPolicy } from "./retry.ts";

/** A checkpoint as the engine runs it. */
export interface CheckpointDefinition {
  readonly kind: "checkpoint";
  readonly name: string;
  readonly fn: (...args: readonly unknown[]) => unknown;
  readonly retry: RetryPolicy;
  readonly timeoutMs?: number;
  readonly runtime: "inline" | "isolated";
  /** Memory and temporary files an isolated attempt needs, in MB. */
  readonly memoryMb?: number;
  readonly storageMb?: number;
  readonly type?: string;
  /** Reuse across executions; absent means the flow's own setting. */
  readonly cache?: CacheSetting;
  readonly semantics: "at-least-once" | "at-most-once";
}

/** Reuse of outcomes across executions. */
export interface CacheSetting {
  readonly enabled: boolean;
  /** Milliseconds an outcome stays usable; absent means for ever. */
  readonly ttlMs?: number;
}

/** A wait as the engine asks it. */
export interface WaitDefinition {
  readonly kind: "wait";
  readonly name: string;
  readonly schema?: StandardSchema;
  readonly question?: string;
  readonly metadata?: unknown;
  readonly timeoutMs?: number;
}

/** A flow as the engine runs it. */
export interface FlowDefinition {
  readonly kind: "flow";
  readonly name: string;
  readonly fn: (input: unknown) => unknown;
  readonly input?: StandardSchema;
  /** How often a failed execution is retried by itself. */
  readonly retries: number;
  readonly timeoutMs?: number;
  readonly stack?: string;
  readonly cache?: CacheSetting;
  /** Path of the module that defines it, as far as known. */
  readonly source?: string;
  /** Hash of the bundle that defines it; absent for code loaded from source. */
  readonly bundle?: string;
}

type Definition = CheckpointDefinition | WaitDefinition | FlowDefinition;

const namePattern = /^[A-Za-z][A-Za-z0-9_-]{0,79}$/;

/** Throw a usage error unless `name` may name a `what`. */
export function checkName(what: string, name: unknown): asserts name is string {
  if (typeof name === "string" && namePattern.test(name)) return;
  throw new KitaruUsageError(
    `${what}: the name ${JSON.stringify(name)} is not allowed. A name starts with a letter and has at most 80 letters, digits, "_" and "-".`,
  );
}

/** The flows, checkpoints and waits of a program, or of one bundle; handles register themselves. */
export class Registry {
  /** Hash of the bundle whose definitions these are; absent for the program's own. */
  readonly bundle: string | undefined;
  /** Models a bundle was deployed with; absent where it had none, and for the program's own definitions. */
  models: ModelRegistry | undefined;
  readonly #byName = new Map<string, Definition>();

  constructor(bundle?: string) {
    this.bundle = bundle;
  }

  add(definition: Definition): void {
    const other = this.#byName.get(definition.name);
    if (other !== undefined && other !== definition)
      throw new KitaruUsageError(
        `Two definitions are named "${definition.name}" (a ${other.kind} and a ${definition.kind}). Every flow, checkpoint and wait of a program needs a name of its own: rename one of them.`,
      );
    this.#byName.set(definition.name, definition);
  }

  flow(name: string): FlowDefinition | undefined {
    const found = this.#byName.get(name);
    return found?.kind === "flow" ? found : undefined;
  }

  checkpoint(name: string): CheckpointDefinition | undefined {
    const found = this.#byName.get(name);
    return found?.kind === "checkpoint" ? found : undefined;
  }

  wait(name: string): WaitDefinition | undefined {
    const found = this.#byName.get(name);
    return found?.kind === "wait" ? found : undefined;
  }

  /** Names of the defined flows, in order of definition. */
  flowNames(): string[] {
    return this.all("flow").map(({ name }) => name);
  }

  /** Every definition of a kind, in order of definition. */
  all<K extends Definition["kind"]>(kind: K): Extract<Definition, { kind: K }>[] {
    return [...this.#byName.values()].filter(
      (definition): definition is Extract<Definition, { kind: K }> => definition.kind === kind,
    );
  }

  /** Forget everything, so that modules may be loaded anew. */
  clear(): void {
    this.#byName.clear();
  }
}

/** The definitions of this program. */
export const registry: Registry = new Registry();

let defining = registry;

/** The registry that what is being defined now belongs to. */
export function definingRegistry(): Registry {
  return defining;
}

/** Run `fn`, which defines things at once, for another registry than the program's. */
export function definingIn<T>(other: Registry, fn: () => T): T {
  const before = defining;
  defining = other;
  try {
    return fn();
  } finally {
    defining = before;
  }
}
