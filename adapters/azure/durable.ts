import { type FunctionInput, type InvocationContext, app } from "@azure/functions";
import * as df from "durable-functions";

/**
 * What this package uses of the Durable Functions SDK; nothing else of it is known outside this file, so that another major
 * version is another file.
 */
export interface Durable<Input> {
  readonly instance: string;
  readonly input: Input;
  /** Call an activity; without `retry` its failure is thrown at once. */
  call(activity: string, input: object, retry?: Retry): Step;
  /** Run another orchestration under an id of its own. */
  child(orchestration: string, input: object, instance: string): Step;
  /** The next event of this name, also one that has come before. */
  event(name: string): Step;
  /** Fires at `at`, in epoch milliseconds; keeps the instance from ending until then, unless cancelled. */
  timer(at: number): TimerStep;
  /** Done when the first is, with that step as its result. */
  any(steps: readonly Step[]): Step;
  /** Done when all are; throws when the first fails. */
  all(steps: readonly Step[]): Step;
  /** Begin anew with an empty history once the generator has returned; events nobody has waited for are dropped. */
  continueAsNew(input: object): void;
  /** Show in the portal what the instance is at. */
  show(status: string): void;
}

/** Something an orchestration yields to wait for. One that has been begun may be yielded again. */
export type Step = df.Task;
/** A step that can be taken back. */
export type TimerStep = df.TimerTask;

/** How often an activity is tried that fails, with a delay that grows. */
export interface Retry {
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/** A deterministic generator: the same history makes it yield the same steps. */
export type Orchestration<Input> = (durable: Durable<Input>) => Generator<Step, unknown, unknown>;

/** Starts, wakes and ends instances from inside the app. */
export interface DurableClient {
  /** Resolves also when an instance of this id runs already; one that has ended is begun anew. */
  start(orchestration: string, instance: string, input: object): Promise<void>;
  /** False when there is no such instance. */
  raise(instance: string, event: string): Promise<boolean>;
  /** Resolves also when there is no such instance. */
  terminate(instance: string, why: string): Promise<void>;
}

/** Define an orchestration. */
export function defineOrchestration<Input>(name: string, run: Orchestration<Input>): void {
  df.app.orchestration(name, ({ df: context }) => run(durableOf<Input>(context)));
}

/** Define an activity. What it resolves to becomes part of the history; `log` takes lines for the log of the invocation. */
export function defineActivity<Input, Output>(
  name: string,
  run: (input: Input, client: DurableClient, log: (line: string) => void) => Promise<Output>,
): void {
  df.app.activity(name, {
    extraInputs: [clientInput],
    handler: (input: Input, context) => run(input, clientOf(context), (line) => context.log(line)),
  });
}

/** Let functions with other triggers have a {@link DurableClient}: an extra input of theirs. */
export const clientInput: FunctionInput = df.input.durableClient();

/** The client of a function that has the extra input. */
export function clientOf(context: InvocationContext): DurableClient {
  const client = df.getClient(context);
  return {
    start: async (orchestration, instance, input) => {
      try {
        await client.startNew(orchestration, { instanceId: instance, input });
      } catch (error) {
        // one that runs is refused in words that differ by storage provider
        if (!(await isRunning(client, instance))) throw error;
      }
    },
    raise: async (instance, event) => {
      try {
        await client.raiseEvent(instance, event, {});
        return true;
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
    },
    terminate: async (instance, why) => {
      try {
        await client.terminate(instance, why);
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    },
  };
}

/** The app that functions with other triggers are added to. */
export { app };

function durableOf<Input>(context: df.DurableOrchestrationContext): Durable<Input> {
  return {
    instance: context.instanceId,
    input: context.getInput<Input>(),
    call: (activity, input, retry) =>
      retry === undefined
        ? context.callActivity(activity, input)
        : context.callActivityWithRetry(activity, retryOptions(retry), input),
    child: (orchestration, input, instance) =>
      context.callSubOrchestrator(orchestration, input, instance),
    event: (name) => context.waitForExternalEvent(name),
    timer: (at) => context.createTimer(new Date(at)),
    any: (steps) => context.Task.any([...steps]),
    all: (steps) => context.Task.all([...steps]),
    continueAsNew: (input) => context.continueAsNew(input),
    show: (status) => context.setCustomStatus(status),
  };
}

function retryOptions({ attempts, firstDelayMs, maxDelayMs }: Retry): df.RetryOptions {
  const options = new df.RetryOptions(firstDelayMs, attempts);
  options.backoffCoefficient = 2;
  options.maxRetryIntervalInMilliseconds = maxDelayMs;
  return options;
}

async function isRunning(client: df.DurableClient, instance: string): Promise<boolean> {
  try {
    const { runtimeStatus } = await client.getStatus(instance);
    return /^(?:Running|Pending|ContinuedAsNew|Suspended)$/.test(runtimeStatus);
  } catch {
    return false;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("No instance with ID");
}
