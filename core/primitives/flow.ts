import type { Storable } from "../codec.ts";
import type { DeployParams } from "../deployments/deploy.ts";
import type { Deployment } from "../deployments/deployment.ts";
import type { InvokeOptions } from "../deployments/invoke.ts";
import type { Duration } from "../duration.ts";
import { type FlowDefinition, checkName, definingRegistry } from "../engine/definitions.ts";
import type { Override } from "../engine/replay/override.ts";
import { flowScope } from "../engine/scope.ts";
import { isLoadingModules, never } from "../engine/loading.ts";
import type { Runtime } from "../engine/runtime.ts";
import { KitaruUsageError } from "../errors.ts";
import type { SchemaInput, SchemaOutput, StandardSchema } from "../schema.ts";
import { activeRuntime } from "../stacks.ts";
import { cacheSetting, positiveDuration } from "./checkpoint.ts";
import { type FlowHandle, type RunOptions, startInvoke, startRun } from "./handle.ts";
import { type FlowReplayOptions, startReplayRun } from "./replay.ts";
import { checkOptions, checkSchema } from "./options.ts";
import { overridable } from "./replay-target.ts";
import { definingModule } from "./source.ts";

/** Options of {@link flow}. */
export interface FlowOptions<S extends StandardSchema | undefined = undefined> {
  /** Any Standard Schema; a start with an input that does not fit is refused. */
  readonly input?: S;
  /** Stack this flow runs on, unless a call says otherwise. */
  readonly stack?: string;
  /** How often a failed execution is retried by itself, from the call that failed. @default 0 */
  readonly retries?: number;
  /** Wall-clock limit of an execution from its start, waiting included. */
  readonly timeout?: Duration;
  /** Setting for checkpoints that have none of their own. @default false */
  readonly cache?: boolean | { readonly ttl: Duration };
}

/** All calls of a child flow, or one of them, in a replay. */
export interface FlowCalls<In, Out> {
  /** Names them in `from` and `skip`. */
  readonly selector: string;
  /** This result in place of the recorded one; the child does not run. */
  as(output: Out): Override;
  /** Run the child with this input. */
  withInput(...args: CallArgs<In>): Override;
}

/** The durable function. */
export interface Flow<In, Out> extends FlowCalls<In, Out> {
  readonly name: string;
  /** Start an execution in the background. Never throws: what is wrong rejects the handle's promises. */
  run(...args: RunArgs<In>): FlowHandle<Out>;
  /** Inside a flow: run as a durable child execution and return its result. */
  call(...args: CallArgs<In>): Promise<Out>;
  /**
   * Make a new execution of an earlier one, with what is overridden: what does not depend on that is taken over, the
   * rest runs, on this program's code. Never throws: what is wrong rejects the handle's promises.
   */
  replay(executionId: string, options?: FlowReplayOptions<In>): FlowHandle<Out>;
  /** Replay several executions alike, each under a handle of its own. */
  replay(
    executionIds: readonly string[],
    options?: Omit<FlowReplayOptions<In>, "id">,
  ): FlowHandle<Out>[];
  /** One call of this flow as a child in a replay, by its number. */
  at(index: number): FlowCalls<In, Out>;
  /** Make a new version of this flow, as its module is now. The first one becomes the default. */
  deploy(options: FlowDeployOptions): Promise<Deployment>;
  /** Start an execution of a deployed version, which it is pinned to. Never throws, as {@link run}. */
  invoke(...args: InvokeArgs<In>): FlowHandle<Out>;
}

/** Options of {@link Flow.invoke}. */
export type FlowInvokeOptions = InvokeOptions & {
  /** Stack to run on. */
  readonly stack?: string;
};

/** Options of {@link Flow.deploy}. */
export interface FlowDeployOptions extends Pick<DeployParams, "entry" | "tag"> {
  /** Stack to deploy to. */
  readonly stack?: string;
}

type RunArgs<In> = undefined extends In
  ? [input?: In, options?: RunOptions]
  : [input: In, options?: RunOptions];
type InvokeArgs<In> = undefined extends In
  ? [input?: In, options?: FlowInvokeOptions]
  : [input: In, options?: FlowInvokeOptions];
type CallArgs<In> = undefined extends In ? [input?: In] : [input: In];

type Body<In, R> = (
  input: In,
) => R & (Awaited<R> extends Storable<Awaited<R>> ? unknown : Storable<Awaited<R>>);
type Input<S, In> = S extends StandardSchema ? SchemaInput<S> : In;

/**
 * Define a durable function. Its body is ordinary async code that calls checkpoints, waits, sleeps, llm() and child flows.
 * @param name unique in the program: a letter, then up to 79 letters, digits, `_` or `-`
 */
export function flow<R, In = void>(name: string, fn: Body<In, R>): Flow<In, Awaited<R>>;
export function flow<R, S extends StandardSchema>(
  name: string,
  options: FlowOptions<S> & { readonly input: S },
  fn: Body<SchemaOutput<S>, R>,
): Flow<Input<S, unknown>, Awaited<R>>;
export function flow<R, In = void>(
  name: string,
  options: FlowOptions & { readonly input?: undefined },
  fn: Body<In, R>,
): Flow<In, Awaited<R>>;
export function flow(
  name: string,
  ...rest: [AnyBody] | [FlowOptions<StandardSchema | undefined>, AnyBody]
): Flow<never, unknown> {
  checkName("flow()", name);
  const [options, fn] = rest.length === 1 ? [{}, rest[0]] : rest;
  if (typeof fn !== "function")
    throw new KitaruUsageError(`flow "${name}": the last argument must be the function to run.`);
  const definition = define(name, options, fn);
  definingRegistry().add(definition);

  const runtimeOn = (stack: string | undefined): Promise<Runtime> =>
    activeRuntime({ call: stack, flow: definition.stack });
  const refuse = (): never => {
    throw new KitaruUsageError(
      `Flow "${name}" was called like a function. Start it with ${name}.run(input) and await its .result(); inside another flow use ${name}.call(input).`,
    );
  };
  const handle = Object.assign(refuse, {
    definition,
    run: (input?: unknown, runOptions?: RunOptions) =>
      startRun({ definition, input, options: runOptions ?? {}, isInert: isLoadingModules() }),
    call: async (input?: unknown) =>
      flowScope(`${name}.call()`).ask({ kind: "flow", definition, input }),
    replay: (source: string | readonly string[], how: FlowReplayOptions<unknown> = {}) => {
      const replay = (id: string): FlowHandle<unknown> =>
        startReplayRun({ definition, source: id, options: how, isInert: isLoadingModules() });
      return typeof source === "string" ? replay(source) : source.map(replay);
    },
    ...overridable(`flow.${name}`),
    at: (index: number) => overridable(`${name}:${index}`),
    deploy: ({ stack, ...params }: FlowDeployOptions) =>
      isLoadingModules() ? never : deployFlow(name, params, runtimeOn(stack)),
    invoke: (input?: unknown, choice: FlowInvokeOptions = {}) =>
      startInvoke(name, input, choice, async () => {
        checkOptions(`${name}.invoke()`, choice, ["id", "stack", "version", "tag"]);
        return runtimeOn(choice.stack);
      }),
  });
  Object.defineProperty(handle, "name", { value: name });
  return handle as unknown as Flow<never, unknown>;
}

type AnyBody = (input: never) => unknown;

async function deployFlow(
  name: string,
  params: DeployParams,
  runtime: Promise<Runtime>,
): Promise<Deployment> {
  // loaded here: most programs never deploy
  const { deploy } = await import("../deployments/deploy.ts");
  const [deployment] = await deploy(await runtime, { ...params, flows: [name] });
  if (deployment === undefined) throw new TypeError("one flow makes one version");
  return deployment;
}

function define(
  name: string,
  options: FlowOptions<StandardSchema | undefined>,
  fn: AnyBody,
): FlowDefinition {
  const where = `flow "${name}"`;
  checkOptions(where, options, ["input", "stack", "retries", "timeout", "cache"]);
  checkSchema(where, "input", options.input);
  const { input, stack, retries = 0, timeout, cache } = options;
  if (!Number.isInteger(retries) || retries < 0)
    throw new KitaruUsageError(
      `${where}: retries must be a whole number of at least 0, not ${String(retries)}.`,
    );
  const { bundle } = definingRegistry();
  const source = bundle === undefined ? definingModule(flow) : undefined;
  return {
    kind: "flow",
    name,
    fn: fn as FlowDefinition["fn"],
    retries,
    ...(input === undefined ? {} : { input }),
    ...(stack === undefined ? {} : { stack }),
    ...(timeout === undefined
      ? {}
      : { timeoutMs: positiveDuration(timeout, `the timeout of ${where}`) }),
    ...(cache === undefined ? {} : { cache: cacheSetting(cache, where) }),
    ...(source === undefined ? {} : { source }),
    ...(bundle === undefined ? {} : { bundle }),
  };
}
