import { createHash } from "node:crypto";
import type { FlowPlan, Plan } from "../../core/plan/plan.ts";
import type { RuntimeDocument } from "./runtime-document.ts";
import { functionFor } from "./task-size.ts";

/** The functions and the bucket a state machine works with. */
export type MachineParts = Pick<RuntimeDocument, "advance" | "park" | "tasks" | "bucket">;

/** A state machine in the Amazon States Language. */
export interface StateMachine {
  readonly Comment: string;
  readonly QueryLanguage: "JSONata";
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}

/** One state, as written down. */
export type State = Readonly<Record<string, unknown>> & { readonly Type: string };

/** History events of one turn of the loop: advance 5, choice 2, park 6. */
const turnEvents = 13;
/** History events of one isolated call in an inline map. */
const taskEvents = 12;
/**
 * A machine's history ends at 25,000 events (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html);
 * past this many a new execution takes over.
 */
const renewEvents = 18_000;
/** An execution ends after a year; a new one takes over before. */
const renewDays = 300;
/** Iterations an inline map runs at once, at the most. */
const inlineTasks = 40;
/** Child executions a distributed map runs at once: as many as a new account has function instances. */
const distributedTasks = 1000;

/** What a machine's execution is started with. */
const input = "$states.context.Execution.Input";
const executionId = `{% ${input}.executionId %}`;

/** Emit the state machine of a flow: a loop of advance and what it asks for, with a state for each thing awaited. */
export function emitStateMachine(plan: Plan, flow: FlowPlan, parts: MachineParts): StateMachine {
  const { waits, tasks } = plan;
  return {
    Comment: `kitaru flow ${flow.flow}, bundle ${plan.bundle.slice(0, 12)}`,
    QueryLanguage: "JSONata",
    StartAt: "Start",
    States: {
      Start: advance(parts, `${turnEvents}`),
      Advance: advance(parts, `$events + ${turnEvents} + ${taskEvents} * $d.count`),
      Route: route(plan),
      ...Object.fromEntries(waits.map(({ wait }) => [waitState(wait), park(parts)])),
      Park: park(parts),
      ...Object.fromEntries(
        tasks.map((task) => [
          taskState(task.checkpoint),
          inlineMap(parts, task.checkpoint, functionFor(task, parts.tasks).arn),
        ]),
      ),
      ...(tasks.length === 0 ? {} : anyTasks(parts, lookUp(plan, parts.tasks))),
      Renew: renew,
      Completed: { Type: "Succeed", Output: { executionId } },
      Cancelled: { Type: "Fail", Error: "cancelled", Cause: executionId },
      Unknown: { Type: "Fail", Error: "unknown directive", Cause: "{% $string($d.kind) %}" },
      Failed: { Type: "Fail", Error: "{% $d.code %}", Cause: executionId },
    },
  };
}

/** Attempts of several checkpoints at once, and more of them than fit into what passes through the machine. */
function anyTasks(parts: MachineParts, functionName: string): Record<string, State> {
  return {
    "Run tasks": inlineMap(parts, "task", functionName),
    "Run many tasks": distributedMap(parts, functionName),
  };
}

/** Name of the state in which a wait is awaited. */
export function waitState(wait: string): string {
  return stateName("Wait for", wait);
}

/** Name of the state that runs an isolated checkpoint. */
export function taskState(checkpoint: string): string {
  return stateName("Run", checkpoint);
}

/** A state's name has at most 80 characters. */
function stateName(verb: string, name: string): string {
  const whole = `${verb} ${name}`;
  if (whole.length <= 80) return whole;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
  return `${whole.slice(0, 71)}-${hash}`;
}

/** Failures of the cloud, not of the flow: worth another try. */
const infrastructure = [
  {
    ErrorEquals: ["Lambda.TooManyRequestsException"],
    IntervalSeconds: 1,
    MaxAttempts: 20,
    BackoffRate: 2,
    MaxDelaySeconds: 60,
    JitterStrategy: "FULL",
  },
  {
    ErrorEquals: [
      "Lambda.ServiceException",
      "Lambda.AWSLambdaException",
      "Lambda.SdkClientException",
      "Lambda.ClientExecutionTimeoutException",
    ],
    IntervalSeconds: 2,
    MaxAttempts: 8,
    BackoffRate: 2,
    MaxDelaySeconds: 120,
    JitterStrategy: "FULL",
  },
] as const;

/** An advance may be repeated whatever went wrong: it re-reads the store. */
const anything = {
  ErrorEquals: ["States.ALL"],
  IntervalSeconds: 2,
  MaxAttempts: 6,
  BackoffRate: 2,
  MaxDelaySeconds: 120,
  JitterStrategy: "FULL",
} as const;

function advance({ advance: FunctionName }: MachineParts, events: string): State {
  return {
    Type: "Task",
    Resource: "arn:aws:states:::lambda:invoke",
    Arguments: {
      FunctionName,
      Payload: {
        op: "advance",
        executionId,
        owner: `{% ${input}.owner %}`,
        machine: "{% $states.context.Execution.Id %}",
      },
    },
    Retry: [...infrastructure, anything],
    Assign: { d: "{% $states.result.Payload %}", events: `{% ${events} %}` },
    Output: {},
    Next: "Route",
  };
}

function route({ waits, tasks }: Plan): State {
  const when = (condition: string, Next: string): object => ({
    Condition: `{% ${condition} %}`,
    Next,
  });
  const asked = (kind: string, label: string): string =>
    `$d.kind = '${kind}' and $d.label = '${label}'`;
  return {
    Type: "Choice",
    Choices: [
      when("$d.kind = 'end' and $d.status = 'failed'", "Failed"),
      when("$d.kind = 'end' and $d.status = 'cancelled'", "Cancelled"),
      when("$d.kind = 'end'", "Completed"),
      when(`$events > ${renewEvents} or ${ageDays} > ${renewDays}`, "Renew"),
      when("$d.kind = 'advance'", "Advance"),
      ...waits.map(({ wait }) => when(asked("park", wait), waitState(wait))),
      when("$d.kind = 'park'", "Park"),
      ...tasks.map(({ checkpoint }) => when(asked("tasks", checkpoint), taskState(checkpoint))),
      ...(tasks.length === 0
        ? []
        : [
            when("$d.kind = 'tasks'", "Run tasks"),
            when("$d.kind = 'manyTasks'", "Run many tasks"),
          ]),
    ],
    Default: "Unknown",
  };
}

const ageDays = "($millis() - $toMillis($states.context.Execution.StartTime)) / 86400000";

function park({ park: FunctionName }: MachineParts): State {
  return {
    Type: "Task",
    Resource: "arn:aws:states:::lambda:invoke.waitForTaskToken",
    Arguments: {
      FunctionName,
      Payload: {
        op: "park",
        executionId,
        seen: "{% $d.seen %}",
        wakeAt: "{% $d.wakeAt %}",
        token: "{% $states.context.Task.Token %}",
      },
    },
    TimeoutSeconds: "{% $d.seconds %}",
    Retry: [...infrastructure],
    // the time is over, or the token could not be kept: either way the store knows what is next
    Catch: [{ ErrorEquals: ["States.ALL"], Output: {}, Next: "Advance" }],
    Output: {},
    Next: "Advance",
  };
}

function inlineMap({ advance: host }: MachineParts, name: string, functionName: string): State {
  return {
    Type: "Map",
    Items: "{% $d.tasks %}",
    ItemSelector: itemOf("$states.context.Map.Item.Value"),
    MaxConcurrency: inlineTasks,
    ItemProcessor: {
      ProcessorConfig: { Mode: "INLINE" },
      ...attempt(host, name, functionName),
    },
    Output: {},
    Next: "Advance",
  };
}

function distributedMap({ advance: host, bucket }: MachineParts, functionName: string): State {
  return {
    Type: "Map",
    Label: "tasks",
    ItemReader: {
      Resource: "arn:aws:states:::s3:getObject",
      ReaderConfig: { InputType: "JSON" },
      Arguments: { Bucket: bucket, Key: "{% $d.key %}" },
    },
    ItemSelector: itemOf("$states.context.Map.Item.Value"),
    MaxConcurrency: distributedTasks,
    ToleratedFailurePercentage: "{% 100 %}",
    ItemProcessor: {
      ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
      ...attempt(host, "one of many tasks", functionName),
    },
    Output: {},
    Next: "Advance",
  };
}

function itemOf(item: string): object {
  return {
    executionId,
    callId: `{% ${item}.callId %}`,
    attempt: `{% ${item}.attempt %}`,
    name: `{% ${item}.name %}`,
  };
}

/** One isolated attempt: its outcome is in the store, so what the function returns is dropped. */
function attempt(host: string, name: string, FunctionName: string): object {
  // names of states are unique in the whole machine
  const run = stateName("Attempt", name);
  const crashed = stateName("Crashed", name);
  const recorded = stateName("Left", name);
  const ref = {
    executionId: "{% $states.input.executionId %}",
    callId: "{% $states.input.callId %}",
    attempt: "{% $states.input.attempt %}",
  };
  return {
    StartAt: run,
    States: {
      [run]: {
        Type: "Task",
        Resource: "arn:aws:states:::lambda:invoke",
        Arguments: {
          FunctionName,
          Payload: { op: "task", ...ref },
        },
        Retry: [...infrastructure],
        Catch: [
          {
            ErrorEquals: ["States.ALL"],
            Output: {
              executionId: ref.executionId,
              callId: ref.callId,
              attempt: ref.attempt,
              why: "{% $states.errorOutput.Error %}",
            },
            Next: crashed,
          },
        ],
        Output: {},
        End: true,
      },
      [crashed]: {
        Type: "Task",
        Resource: "arn:aws:states:::lambda:invoke",
        Arguments: {
          FunctionName: host,
          Payload: { op: "crashed", ...ref, why: "{% $states.input.why %}" },
        },
        Retry: [...infrastructure, anything],
        // its deadline tells the next advance the same
        Catch: [{ ErrorEquals: ["States.ALL"], Output: {}, Next: recorded }],
        Output: {},
        End: true,
      },
      [recorded]: { Type: "Succeed", Output: {} },
    },
  };
}

/** The function of whichever checkpoint an item is of. */
function lookUp(plan: Plan, functions: MachineParts["tasks"]): string {
  const arns = Object.fromEntries(
    plan.tasks.map((task) => [task.checkpoint, functionFor(task, functions).arn]),
  );
  return `{% $lookup(${JSON.stringify(arns)}, $states.input.name) %}`;
}

/** A new execution of the same machine goes on under the same owner; one started twice is one. */
const renew: State = {
  Type: "Task",
  Resource: "arn:aws:states:::states:startExecution",
  Arguments: {
    StateMachineArn: "{% $states.context.StateMachine.Id %}",
    Name: `{% ${input}.owner & '-r' & $string($d.epoch) %}`,
    Input: { executionId, owner: `{% ${input}.owner %}` },
  },
  Retry: [anything],
  Output: { executionId },
  End: true,
};
