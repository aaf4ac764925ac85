import { type Duration, parseDuration } from "../duration.ts";
import { type WaitDefinition, checkName, definingRegistry } from "../engine/definitions.ts";
import type { Override } from "../engine/replay/override.ts";
import { flowScope } from "../engine/scope.ts";
import type { SchemaInput, SchemaOutput, StandardSchema } from "../schema.ts";
import { activeRuntime } from "../stacks.ts";
import { copied } from "./copied.ts";
import { checkOptions, checkSchema } from "./options.ts";
import { overridable } from "./replay-target.ts";

/** Options of {@link wait}. */
export interface WaitOptions<S extends StandardSchema | undefined, T extends Duration | undefined> {
  /** Any Standard Schema; without one the wait is a gate that is continued or aborted. */
  readonly schema?: S;
  /** What to ask. */
  readonly question?: string;
  /** Facts shown to whoever answers. */
  readonly metadata?: unknown;
  /** After this long the wait expires and its result is `undefined`. */
  readonly timeout?: T;
}

/** What an asker may set for one call. */
export interface WaitCallOptions {
  readonly question?: string;
  readonly metadata?: unknown;
}

/** Options of {@link Wait.answer} and {@link Wait.abort}. */
export interface AnswerOptions {
  /** Answer this call instead of the one pending wait of the name. */
  readonly call?: string;
  /** Stack of the execution, when it is not the active one. */
  readonly stack?: string;
}

/** Asks the outside world from a flow body. */
export interface Wait<In, Out> extends WaitCalls<Out> {
  /** Ask, and wait durably for the answer; nothing runs meanwhile. */
  (options?: WaitCallOptions): Promise<Out>;
  readonly name: string;
  /**
   * Answer the pending wait of an execution, from any process. Resolves once the answer is durable.
   * An answer given before the question is kept for the first one.
   * Throws a wait-validation error for a value that does not fit, a state error when another answer stands.
   */
  answer(...args: AnswerArgs<In>): Promise<void>;
  /** Make the pending wait throw `wait_aborted` in the flow. */
  abort(executionId: string, options?: AnswerOptions): Promise<void>;
  /** One call of this wait in a replay, by its number. */
  at(index: number): WaitCalls<Out>;
}

/** All calls of a wait, or one of them, in a replay. */
export interface WaitCalls<Out> {
  /** Names them in `from`. */
  readonly selector: string;
  /** This answer, without anybody being asked. */
  as(...value: Outcome<Out>): Override;
}

/** A gate that is continued, and a wait that expires, have no value. */
type Outcome<Out> = undefined extends Out ? [value?: Out] : [value: Out];

type AnswerArgs<In> = [In] extends [void]
  ? [executionId: string, value?: undefined, options?: AnswerOptions]
  : [executionId: string, value: In, options?: AnswerOptions];

type Answer<S> = S extends StandardSchema ? SchemaInput<S> : void;
type Result<S, T> =
  | (S extends StandardSchema ? SchemaOutput<S> : void)
  | (T extends Duration ? undefined : never);

/**
 * Define a question to the outside world.
 * @param name unique in the program: a letter, then up to 79 letters, digits, `_` or `-`
 */
export function wait<
  S extends StandardSchema | undefined = undefined,
  const T extends Duration | undefined = undefined,
>(name: string, options: WaitOptions<S, T> = {}): Wait<Answer<S>, Result<S, T>> {
  checkName("wait()", name);
  const where = `wait "${name}"`;
  checkOptions(where, options, ["schema", "question", "metadata", "timeout"]);
  const { schema, question, metadata, timeout } = options;
  checkSchema(where, "schema", schema);
  const definition: WaitDefinition = {
    kind: "wait",
    name,
    ...(schema === undefined ? {} : { schema }),
    ...(question === undefined ? {} : { question }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(timeout === undefined
      ? {}
      : { timeoutMs: parseDuration(timeout, `the timeout of ${where}`) }),
  };
  definingRegistry().add(definition);

  const ask = async (call: WaitCallOptions = {}): Promise<unknown> => {
    const scope = flowScope(where);
    checkOptions(where, call, ["question", "metadata"]);
    const asked = { ...definition, ...call };
    const shown = asked.metadata === undefined ? {} : { metadata: copied(asked.metadata) };
    return scope.ask({ kind: "wait", definition: { ...asked, ...shown } });
  };
  const say = async (
    what: { readonly kind: "answer"; readonly value: unknown } | { readonly kind: "abort" },
    executionId: string,
    how: AnswerOptions = {},
  ): Promise<void> => {
    checkOptions(`${name}.${what.kind}()`, how, ["call", "stack"]);
    const { call, stack } = how;
    const runtime = await activeRuntime(stack === undefined ? {} : { stack });
    await runtime.signal(executionId, { ...what, target: call ?? name });
  };
  const handle = Object.assign(ask, {
    answer: (executionId: string, value?: unknown, how?: AnswerOptions) =>
      say({ kind: "answer", value }, executionId, how),
    abort: (executionId: string, how?: AnswerOptions) => say({ kind: "abort" }, executionId, how),
    ...overridable(`wait.${name}`),
    at: (index: number) => overridable(`${name}:${index}`),
  });
  Object.defineProperty(handle, "name", { value: name });
  return handle as unknown as Wait<Answer<S>, Result<S, T>>;
}
