import { AsyncLocalStorage } from "node:async_hooks";
import { KitaruContextError } from "../errors.ts";
import type { LlmCall } from "../ports/model.ts";
import type { CheckpointDefinition, FlowDefinition, WaitDefinition } from "./definitions.ts";
import { keepUnheard } from "./unheard.ts";

/** A call as a primitive asks for it. */
export type CallSpec =
  | {
      readonly kind: "checkpoint";
      readonly definition: CheckpointDefinition;
      readonly args: readonly unknown[];
    }
  | { readonly kind: "llm"; readonly call: LlmCall }
  | { readonly kind: "wait"; readonly definition: WaitDefinition }
  | { readonly kind: "sleep"; readonly length: number | Date }
  | { readonly kind: "flow"; readonly definition: FlowDefinition; readonly input: unknown };

/** What a flow body may use. */
export interface FlowScope {
  readonly kind: "flow";
  readonly executionId: string;
  /** Deployed version the code belongs to, or `local`. */
  readonly version: string;
  /** Ask for a call; the promise settles when its outcome is delivered, and never otherwise. */
  ask(spec: CallSpec): Promise<unknown>;
  /** `thrown` stands for all these failures of calls: a retry tries every one of those calls again. */
  failTogether(thrown: unknown, failures: readonly unknown[]): void;
  /** The error by which the flow was told that it is cancelled or has timed out. */
  readonly cut: Error | undefined;
  log(fields: Readonly<Record<string, unknown>>): void;
  /** Recorded time of the last delivery, epoch milliseconds. */
  now(): number;
  /** Deterministic, uniform in [0, 1). */
  random(): number;
}

/** Facts about the running attempt of a checkpoint. */
export interface CheckpointFacts {
  readonly executionId: string;
  readonly callId: string;
  /** Counts from 1. */
  readonly attempt: number;
  /** The same in every attempt; pass it to services that take one. */
  readonly idempotencyKey: string;
  /** Aborts on timeout and cancel. */
  readonly signal: AbortSignal;
  /** Whether the execution replays another one. */
  readonly isReplay: boolean;
}

/** What a checkpoint body may use. */
export interface CheckpointScope {
  readonly kind: "checkpoint";
  readonly name: string;
  /** Deployed version the code belongs to, or `local`. */
  readonly version: string;
  readonly facts: CheckpointFacts;
  llm(call: LlmCall): Promise<unknown>;
  save(artifact: { readonly name: string; readonly type: string; readonly value: unknown }): void;
  load(executionId: string, name: string): Promise<unknown>;
  log(fields: Readonly<Record<string, unknown>>): void;
}

export type Scope = FlowScope | CheckpointScope;

const storage = new AsyncLocalStorage<Scope>();

/** Run `fn` inside a scope. */
export function runInScope<A extends readonly unknown[], T>(
  scope: Scope,
  fn: (...args: A) => T,
  ...args: A
): T {
  keepUnheard(whoseCode);
  return storage.run(scope, fn, ...args);
}

function whoseCode(): string | undefined {
  const scope = currentScope();
  if (scope === undefined) return undefined;
  return scope.kind === "flow"
    ? `the flow of execution ${scope.executionId}`
    : `checkpoint ${scope.facts.callId} of execution ${scope.facts.executionId}`;
}

/** The scope the caller runs in, if any. */
export function currentScope(): Scope | undefined {
  return storage.getStore();
}

/** The flow the caller's code is the body of. Throws a context error that says what to do. */
export function flowScope(what: string): FlowScope {
  const scope = currentScope();
  if (scope?.kind === "flow") return scope;
  throw new KitaruContextError(
    scope === undefined
      ? `${what} was called outside a flow. Call it in the body of a flow and start that with .run().`
      : `${what} was called inside checkpoint "${scope.name}". Call it in the flow body instead.`,
  );
}

/** The checkpoint the caller runs in. Throws a context error that says what to do. */
export function checkpointScope(what: string): CheckpointScope {
  const scope = currentScope();
  if (scope?.kind === "checkpoint") return scope;
  throw new KitaruContextError(
    scope === undefined
      ? `${what} was called outside a flow. Call it inside a checkpoint.`
      : `${what} was called in a flow body. Call it inside a checkpoint.`,
  );
}
