import type { Definition, NamedStep, Routine, StepBody } from "./definition.ts";
import { stepsOf } from "./definition.ts";
import {
  type Environment,
  type Expression,
  evaluate,
  isExpression,
  parseExpression,
} from "./expression.ts";
import { functions } from "./library.ts";
import { Scope } from "./scope.ts";
import { type Value, type ValueMap, WorkflowError, isMap, tagged, textOf } from "./value.ts";

/** What an interpreter asks of the service around it. */
export interface Host {
  /** Values of `sys.get_env`. */
  readonly env: Readonly<Record<string, string>>;
  /** Functions that take time: `http.*`, `sys.sleep`, `events.*`. */
  readonly blocking: Readonly<Record<string, (args: ValueMap) => Promise<Value>>>;
  /** Resolve after so many seconds; throws when the execution is cancelled. */
  sleep(seconds: number): Promise<void>;
  /** Told of each step that is entered, with its routine. */
  entered(step: string, routine: string): void;
}

/** What becomes of a list of steps. */
type Outcome =
  | { readonly kind: "done" }
  | { readonly kind: "jump"; readonly to: string }
  | { readonly kind: "return"; readonly value: Value };

const done: Outcome = { kind: "done" };

/** Steps of an execution, and bytes of its variables, at the most. */
const mostSteps = 100_000;
const mostBytes = 512 * 1024;
const deepestCalls = 20;
const mostAtOnce = 20;
const deepestParallel = 2;
const mostUnhandled = 100;

/** Where a step is. */
interface Place {
  readonly routine: string;
  readonly scope: Scope;
  readonly depth: number;
  readonly parallel: number;
}

/** Runs one execution. */
export class Interpreter {
  readonly #definition: Definition;
  readonly #host: Host;
  #steps = 0;
  #largest = 0;

  constructor(definition: Definition, host: Host) {
    this.#definition = definition;
    this.#host = host;
  }

  /** Steps so far, and the most bytes its variables have had. */
  get used(): { readonly steps: number; readonly bytes: number } {
    return { steps: this.#steps, bytes: this.#largest };
  }

  /** Run `main`; resolves to what it returns. Throws a {@link WorkflowError} nobody has handled. */
  async run(argument: Value): Promise<Value> {
    const main = this.#definition.get("main");
    if (main === undefined) throw new SyntaxError("there is no main");
    const scope = new Scope();
    const [param] = main.params;
    if (param !== undefined) scope.define(param[0], argument);
    const place: Place = { routine: "main", scope, depth: 1, parallel: 0 };
    return returned(await this.#list(main.steps, place));
  }

  async #list(steps: readonly NamedStep[], place: Place): Promise<Outcome> {
    let at = 0;
    for (;;) {
      const step = steps[at];
      if (step === undefined) return done;
      const outcome = await this.#step(step, place);
      if (outcome.kind === "return") return outcome;
      if (outcome.kind === "done") {
        at++;
        continue;
      }
      if (outcome.to === "end") return { kind: "return", value: null };
      at = steps.findIndex(({ name }) => name === outcome.to);
      if (at === -1) return outcome; // an outer list has it
    }
  }

  async #step({ name, body }: NamedStep, place: Place): Promise<Outcome> {
    this.#host.entered(name, place.routine);
    return this.#body(name, body, place);
  }

  async #body(name: string, body: StepBody, place: Place): Promise<Outcome> {
    this.#count(place);
    const outcome = await this.#action(name, body, place);
    const { next } = body;
    if (outcome.kind !== "done" || next === undefined || body["switch"] !== undefined)
      return outcome;
    return { kind: "jump", to: textOf(next) };
  }

  #count({ scope }: Place): void {
    if (++this.#steps > mostSteps)
      throw tagged("ResourceLimitError", `more than ${mostSteps} steps`);
    const bytes = scope.bytes();
    this.#largest = Math.max(this.#largest, bytes);
    if (bytes > mostBytes)
      throw tagged("ResourceLimitError", `variables of ${bytes} bytes, more than ${mostBytes}`);
  }

  async #action(name: string, body: StepBody, place: Place): Promise<Outcome> {
    if (body["call"] !== undefined) return this.#call(body, place);
    if (body["assign"] !== undefined) return this.#assign(body["assign"], place);
    if (body["switch"] !== undefined) return this.#switch(name, body, place);
    if (body["try"] !== undefined) return this.#try(name, body, place);
    if (body["for"] !== undefined) return this.#for(body["for"], place);
    if (body["parallel"] !== undefined) return this.#parallel(body["parallel"], place);
    if (body["steps"] !== undefined) return this.#list(stepsOf(body["steps"]), place);
    if (body["raise"] !== undefined) throw new WorkflowError(this.#value(body["raise"], place));
    if (body["return"] !== undefined)
      return { kind: "return", value: this.#value(body["return"], place) };
    return done;
  }

  async #call(body: StepBody, place: Place): Promise<Outcome> {
    const args = this.#value(body["args"] ?? {}, place) as ValueMap;
    const value = await this.#invoke(textOf(body["call"]), args, place);
    if (body["result"] !== undefined) this.#set(textOf(body["result"]), value, place);
    return done;
  }

  async #invoke(callee: string, args: ValueMap, place: Place): Promise<Value> {
    const routine = this.#definition.get(callee);
    if (routine !== undefined) return this.#subworkflow(callee, routine, args, place);
    const blocking = this.#host.blocking[callee];
    if (blocking !== undefined) return blocking(args);
    const known = functions[callee];
    if (known === undefined) throw new SyntaxError(`there is no function ${callee}`);
    return known(Object.values(args), this.#host.env);
  }

  async #subworkflow(
    name: string,
    routine: Routine,
    args: ValueMap,
    { depth, parallel }: Place,
  ): Promise<Value> {
    if (depth >= deepestCalls)
      throw tagged("RecursionError", `more than ${deepestCalls} calls deep`);
    const scope = new Scope();
    for (const [param, fallback] of routine.params) {
      const value = args[param] ?? fallback;
      if (value === undefined) throw tagged("TypeError", `${name} is called without ${param}`);
      scope.define(param, value);
    }
    const place = { routine: name, scope, depth: depth + 1, parallel };
    return returned(await this.#list(routine.steps, place));
  }

  async #assign(assignments: Value, place: Place): Promise<Outcome> {
    for (const assignment of assignments as readonly ValueMap[])
      for (const [target, value] of Object.entries(assignment))
        this.#set(target, this.#value(value, place), place);
    return done;
  }

  async #switch(name: string, body: StepBody, place: Place): Promise<Outcome> {
    for (const condition of body["switch"] as readonly StepBody[]) {
      const is = this.#value(condition["condition"] ?? null, place);
      if (typeof is !== "boolean")
        throw tagged("TypeError", `a condition of ${name} is no boolean`);
      if (!is) continue;
      const { condition: _is, next, ...action } = condition;
      const outcome = await this.#action(name, action, place);
      if (outcome.kind !== "done" || next === undefined) return outcome;
      return { kind: "jump", to: textOf(next) };
    }
    const { next } = body;
    return next === undefined ? done : { kind: "jump", to: textOf(next) };
  }

  async #try(name: string, body: StepBody, place: Place): Promise<Outcome> {
    const block = body["try"] as StepBody;
    const policy = body["retry"];
    const retry =
      policy === undefined ? undefined : (this.#value(policy, place) as unknown as RetryPolicy);
    for (let tries = 0; ; tries++) {
      try {
        return await this.#action(name, block, place);
      } catch (error) {
        if (!(error instanceof WorkflowError)) throw error;
        if (retry !== undefined && tries < (retry.max_retries ?? Infinity)) {
          const isWorth = await this.#isWorth(retry, error, place);
          if (isWorth) {
            const { initial_delay = 1, max_delay = 60, multiplier = 1.25 } = retry.backoff ?? {};
            await this.#host.sleep(Math.min(initial_delay * multiplier ** tries, max_delay));
            this.#count(place);
            continue;
          }
        }
        const handler = body["except"];
        if (!isMap(handler)) throw error;
        return await this.#except(handler, error, place);
      }
    }
  }

  #except(handler: StepBody, { value }: WorkflowError, place: Place): Promise<Outcome> {
    const scope = new Scope(place.scope);
    scope.define(textOf(handler["as"]), value);
    return this.#list(stepsOf(handler["steps"]), { ...place, scope });
  }

  async #isWorth(
    { predicate }: RetryPolicy,
    { value }: WorkflowError,
    place: Place,
  ): Promise<boolean> {
    const name = (predicate as RoutineName | undefined)?.[routineName];
    const routine = name === undefined ? undefined : this.#definition.get(name);
    if (name === undefined || routine === undefined)
      throw new SyntaxError("only subworkflows are predicates here");
    const [param] = routine.params;
    const args = { [param?.[0] ?? ""]: value };
    return (await this.#subworkflow(name, routine, args, place)) === true;
  }

  async #for(loop: Value, place: Place): Promise<Outcome> {
    const body = loop as StepBody;
    const steps = stepsOf(body["steps"]);
    for (const [index, item] of this.#items(body, place).entries()) {
      const outcome = await this.#list(steps, this.#iteration(body, place, index, item));
      if (outcome.kind === "return") return outcome;
      if (outcome.kind === "jump" && outcome.to === "break") break;
      if (outcome.kind === "jump" && outcome.to !== "continue") return outcome;
    }
    return done;
  }

  async #parallel(step: Value, place: Place): Promise<Outcome> {
    if (place.parallel >= deepestParallel)
      throw tagged("ParallelNestingError", `more than ${deepestParallel} parallel steps deep`);
    const { for: loop, shared = [], concurrency_limit: limit = mostAtOnce } = step as StepBody;
    if (!isMap(loop)) throw new SyntaxError("parallel branches are not emulated");
    const steps = stepsOf(loop["steps"]);
    const queue = [...this.#items(loop, place).entries()];
    const failures: WorkflowError[] = [];
    const names = new Set((shared as readonly Value[]).map(textOf));
    const lane = async (): Promise<void> => {
      for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
        const inner = { ...place, parallel: place.parallel + 1 };
        const iteration = this.#iteration(loop, inner, one[0], one[1], names);
        try {
          await this.#list(steps, iteration);
        } catch (error) {
          if (!(error instanceof WorkflowError)) throw error;
          failures.push(error);
        }
      }
    };
    const lanes = Math.min(Number(this.#value(limit, place)), mostAtOnce);
    await Promise.all(Array.from({ length: lanes }, lane));
    if (failures.length > mostUnhandled)
      throw tagged("ResourceLimitError", `${failures.length} unhandled errors in a parallel step`);
    if (failures.length === 0) return done;
    const branches = failures.map(({ value }) => ({ error: value }));
    throw tagged("UnhandledBranchError", `${failures.length} failed`, { branches });
  }

  #iteration(
    { value, index }: StepBody,
    place: Place,
    at: number,
    item: Value,
    shared?: ReadonlySet<string>,
  ): Place {
    const scope = new Scope(place.scope, shared);
    scope.define(textOf(value), item);
    if (index !== undefined) scope.define(textOf(index), at);
    return { ...place, scope };
  }

  #items({ in: list, range }: StepBody, place: Place): readonly Value[] {
    if (range === undefined) {
      const items = this.#value(list ?? null, place);
      if (Array.isArray(items)) return items;
      throw tagged("TypeError", "`in` is no list");
    }
    const [from, to] = this.#value(range, place) as readonly number[];
    return Array.from(
      { length: Math.max(0, (to ?? 0) - (from ?? 0) + 1) },
      (_, i) => (from ?? 0) + i,
    );
  }

  #set(target: string, value: Value, place: Place): void {
    place.scope.set(target, value, (text) => this.#value(`\${${text}}`, place));
  }

  #value(written: Value, place: Place): Value {
    if (typeof written === "string")
      return isExpression(written) ? this.#evaluate(parseExpression(written), place) : written;
    if (Array.isArray(written)) return written.map((item: Value) => this.#value(item, place));
    if (!isMap(written)) return written;
    return Object.fromEntries(
      Object.entries(written).map(([key, item]) => [key, this.#value(item, place)]),
    );
  }

  #evaluate(expression: Expression, { scope }: Place): Value {
    const environment: Environment = {
      lookUp: (name) => {
        const value = scope.get(name);
        if (value !== undefined) return value;
        // a subworkflow may be named where a predicate is wanted
        if (this.#definition.has(name)) return { [routineName]: name };
        throw tagged("KeyError", `variable not found: ${name}`);
      },
      call: (callee, args) => {
        const known = functions[callee];
        if (known !== undefined) return known(args, this.#host.env);
        throw new SyntaxError(`${callee} cannot be called in an expression`);
      },
    };
    return evaluate(expression, environment);
  }
}

/** Marks a subworkflow that is passed as a value. */
const routineName = "subworkflow";
type RoutineName = { readonly [routineName]: string };

interface RetryPolicy {
  readonly predicate?: Value;
  readonly max_retries?: number;
  readonly backoff?: {
    readonly initial_delay?: number;
    readonly max_delay?: number;
    readonly multiplier?: number;
  };
}

function returned(outcome: Outcome): Value {
  if (outcome.kind === "jump") throw new SyntaxError(`there is no step ${outcome.to}`);
  return outcome.kind === "return" ? outcome.value : null;
}
