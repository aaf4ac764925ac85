import type { InvokeOptions, InvokeParams } from "../deployments/invoke.ts";
import type { VersionChoice } from "../deployments/tags.ts";
import { type Duration, parseDuration } from "../duration.ts";
import type { Pin } from "../engine/code.ts";
import { localVersion } from "../engine/context.ts";
import type { FlowDefinition } from "../engine/definitions.ts";
import { isLoadingModules, never } from "../engine/loading.ts";
import type { Runtime } from "../engine/runtime.ts";
import { type FlowScope, currentScope } from "../engine/scope.ts";
import { noteStart } from "../engine/starts.ts";
import {
  KitaruContextError,
  KitaruExecutionError,
  KitaruStateError,
  KitaruTimeoutError,
} from "../errors.ts";
import { ofExecution } from "../journal/damage.ts";
import type { ExecutionStatus, Head } from "../journal/head.ts";
import { reviveError } from "../journal/stored-error.ts";
import { activeRuntime } from "../stacks.ts";
import { copied } from "./copied.ts";
import { checkOptions } from "./options.ts";

/** Options of {@link Flow.run}. */
export interface RunOptions {
  /** Makes the start idempotent: the same id and input give the existing execution, and go on with it if its process is gone. */
  readonly id?: string;
  /** Stack to run on. */
  readonly stack?: string;
}

/** One execution, as the program that started it holds it. */
export interface FlowHandle<T> {
  readonly id: string;
  /** Resolves once the execution is durable; rejects when it could not be started. */
  readonly started: Promise<void>;
  status(): Promise<ExecutionStatus>;
  /**
   * Wait for the end and return the result; throws what the flow threw.
   * After `timeout` it throws a timeout error and stops waiting; the execution goes on.
   */
  result(options?: { readonly timeout?: Duration }): Promise<T>;
  /** The result of an execution that has ended; throws a state error while it has not. */
  get(): Promise<T>;
  /** Ask the execution to end; `finally` blocks still run. Throws a state error when it has ended. */
  cancel(): Promise<void>;
}

interface RunParams {
  readonly definition: FlowDefinition;
  readonly input: unknown;
  readonly options: RunOptions;
  /** Start nothing: the module is only being loaded for its definitions. */
  readonly isInert: boolean;
}

/** Start an execution in the background. */
export function startRun<T>({ definition, options, isInert, ...given }: RunParams): FlowHandle<T> {
  const id = options.id ?? freshId(definition.name);
  const input = copied(given.input); // a schema may make something storable of what is not
  const runtime = isInert ? never : activeRuntime({ call: options.stack, flow: definition.stack });
  const started = runtime.then((opened) => {
    checkOptions(`${definition.name}.run()`, options, ["id", "stack"]);
    const { stack, backend } = opened;
    const { name: flow, bundle, source } = definition;
    if (bundle === undefined && backend.capabilities.deployedOnly === true)
      return invoke(opened, {
        id,
        flow,
        input,
        choice: {},
        isIdempotent: options.id !== undefined,
      });
    return opened.start({
      id,
      flow: definition,
      input,
      stack,
      ...(source === undefined ? {} : { source }),
      pin: pinOf(definition),
    });
  });
  return startedHandle<T>(id, runtime, started);
}

/** Hold an execution that is being started. */
export function startedHandle<T>(
  id: string,
  runtime: Promise<Runtime>,
  started: Promise<unknown>,
): FlowHandle<T> {
  started.catch(() => undefined); // reported by every method of the handle
  if (runtime !== never) noteStart(id, started);
  return new Handle<T>(id, runtime, started);
}

/** What a flow runs on: itself as it is in source, or, where a deployed version starts it, that version too. */
export function pinOf({ bundle }: FlowDefinition): Pin {
  if (bundle === undefined) return { version: localVersion };
  const where = currentScope();
  if (where !== undefined) return { version: where.version, bundle };
  throw new KitaruContextError(
    "A deployed version was asked to start a flow outside every execution. Start flows of a deployed version with .invoke(), or in its flows and checkpoints.",
  );
}

/** Start an execution of a deployed version in the background. */
export function startInvoke<T>(
  flow: string,
  given: unknown,
  options: InvokeOptions,
  open: () => Promise<Runtime>,
): FlowHandle<T> {
  const { id = freshId(flow), version, tag } = options;
  const input = copied(given);
  const choice = { version, tag } as VersionChoice;
  const isIdempotent = options.id !== undefined;
  const runtime = isLoadingModules() ? never : open();
  const started = runtime.then((opened) =>
    invoke(opened, { id, flow, input, choice, isIdempotent }),
  );
  return startedHandle<T>(id, runtime, started);
}

async function invoke(runtime: Runtime, params: InvokeParams): Promise<unknown> {
  const { invokeVersion } = await import("../deployments/invoke.ts");
  return invokeVersion(runtime, params);
}

/** Hold an execution that exists. */
export function handleOf<T>(id: string, runtime: Runtime): FlowHandle<T> {
  return new Handle<T>(id, Promise.resolve(runtime), Promise.resolve());
}

class Handle<T> implements FlowHandle<T> {
  readonly id: string;
  readonly started: Promise<void>;
  readonly #runtime: Promise<Runtime>;

  constructor(id: string, runtime: Promise<Runtime>, started: Promise<unknown>) {
    this.id = id;
    this.#runtime = runtime;
    this.started = started.then(() => undefined);
    this.started.catch(() => undefined);
  }

  async status(): Promise<ExecutionStatus> {
    await this.started;
    return (await this.#runtime).status(this.id);
  }

  async result(options: { readonly timeout?: Duration } = {}): Promise<T> {
    checkOptions("result()", options, ["timeout"]);
    const timeoutMs =
      options.timeout === undefined
        ? undefined
        : parseDuration(options.timeout, "the timeout of result()");
    const runtime = await this.#runtime;
    const end = runtime.watchEnd(this.id, timeoutMs);
    try {
      await this.started;
    } catch (error) {
      end.stop();
      throw error;
    }
    const head = await end.head;
    if (head !== undefined) return outcome(runtime, head);
    throw new KitaruTimeoutError(
      `Execution ${this.id} has not ended within ${timeoutMs ?? 0} ms (status: ${await this.status()}). It goes on; only the waiting stopped.`,
    );
  }

  async get(): Promise<T> {
    await this.started;
    const runtime = await this.#runtime;
    const head = await runtime.endNow(this.id);
    if (head !== undefined) return outcome(runtime, head);
    throw new KitaruStateError(
      `Execution ${this.id} is still running (status: ${await this.status()}).`,
    );
  }

  async cancel(): Promise<void> {
    await this.started;
    await (await this.#runtime).signal(this.id, { kind: "cancel" });
  }
}

async function outcome<T>(runtime: Runtime, { facts, view }: Head): Promise<T> {
  if (view.status === "completed" && view.out !== undefined) {
    try {
      return (await runtime.context.values.get(view.out)) as T;
    } catch (error) {
      throw ofExecution(facts.id, error);
    }
  }
  if (view.err !== undefined) throw reviveError(view.err);
  throw new KitaruExecutionError(`Execution ${facts.id} ended ${view.status} without a result.`);
}

const startsOf = new WeakMap<FlowScope, number>();

/**
 * The id of a start that gives none. In a flow body it is the same whenever that is run again, so that the start is not
 * made a second time.
 */
function freshId(flow: string): string {
  const scope = currentScope();
  if (scope?.kind !== "flow") return newExecutionId();
  const count = startsOf.get(scope) ?? 0;
  startsOf.set(scope, count + 1);
  return `${scope.executionId}/${flow}@${count}`;
}

/** A new execution id: sorts by time of creation, unique by 64 random bits. */
export function newExecutionId(): string {
  const time = Date.now().toString(36).padStart(9, "0");
  return `${time}${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
}
