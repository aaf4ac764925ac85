import { createHash } from "node:crypto";
import type { FlowPlan, Plan, TaskPlan } from "../../core/plan/plan.ts";
import { type Yaml, toYaml } from "./workflow-yaml.ts";

/** The functions a workflow works with. */
export interface WorkflowParts {
  /** URL of the function that advances, and the audience of the identity tokens sent to it. */
  readonly advance: string;
  /** URL of the function that runs a checkpoint. */
  readonly task: (task: TaskPlan) => string;
  /** Where executions are created. @default "https://workflowexecutions.googleapis.com/v1" */
  readonly executions?: string;
}

/** Definition of a workflow: `main` and the subworkflows it calls. */
export type WorkflowDefinition = Readonly<Record<string, Routine>> & { readonly main: Routine };

type Routine = Readonly<{ params: readonly string[]; steps: readonly Step[] }>;

/** A step under its name. */
type Step = Readonly<Record<string, StepBody>>;
type StepBody = Readonly<Record<string, Yaml>>;

/** Steps of one turn of the loop: open, advance, route, wait and what follows it; the rest is for repeated requests. */
const turnSteps = 8;
/** Steps of one isolated attempt that crashes, at the most, unless requests have to be repeated. */
const attemptSteps = 10;
/**
 * An execution ends after 100,000 steps (https://cloud.google.com/workflows/quotas); past this many a new one takes over.
 * The attempts of one turn still fit.
 */
const renewSteps = 20_000;
/** Pages of 100 attempts that are begun in one turn; the next advance names those that are left. */
const pagesPerTurn = 75;
/** An execution ends after a year; a new one takes over before. */
const renewSeconds = 300 * 86_400;
/** Iterations that run at once in one execution, at the most. */
const atOnce = 20;
/** Conditions of a switch step, at the most. */
const conditionsPerSwitch = 50;
/** Waits and isolated checkpoints with a step of their own; the others share one, for a source has at most 128 KB. */
const namedWaits = 80;
const namedTasks = 20;
/** Longest time a reply is waited for, in seconds. */
const replySeconds = 1800;
const executionsApi = "https://workflowexecutions.googleapis.com/v1";

/** Emit the source of a flow's workflow. */
export function emitWorkflow(plan: Plan, flow: FlowPlan, parts: WorkflowParts): string {
  const title = `# kitaru flow ${flow.flow}, bundle ${plan.bundle.slice(0, 12)}\n`;
  return title + toYaml(workflowDefinition(plan, parts));
}

/** Lay out the workflow of a plan's flows: a loop of advance and what it asks for, with a step for each thing awaited. */
export function workflowDefinition(plan: Plan, parts: WorkflowParts): WorkflowDefinition {
  const waits = stepNames(
    "wait_for",
    plan.waits.slice(0, namedWaits).map(({ wait }) => wait),
  );
  const tasks = stepNames(
    "run",
    plan.tasks.slice(0, namedTasks).map(({ checkpoint }) => checkpoint),
    ["tasks", "many_tasks"],
  );
  const urls = taskUrls(plan, parts);
  const hasTasks = plan.tasks.length > 0;
  return {
    main: {
      params: ["args"],
      steps: [
        { init: { assign: initial(urls) } },
        { open },
        { advance: advance(parts) },
        ...route(waits, tasks, hasTasks),
        { unknown: { raise: fail("unknown directive", "${reply.body.kind}") } },
        { again: countedTurn() },
        ...[...waits.values()].flatMap((step) => park(step)),
        ...park("park"),
        ...[...tasks].flatMap(([name, step]) => runTasks(step, urls[name] ?? "")),
        ...(hasTasks ? [...runTasks("run_tasks", lookUp(urls)), ...runPages(parts, urls)] : []),
        { renew: { assign: [{ input: nextInput }] } },
        { start_next: startNext(parts) },
        { renewed: { return: { executionId: "${executionId}", renewed: true } } },
        { failed: { raise: fail("${reply.body.code}", "${executionId}") } },
        { finished: { return: { executionId: "${executionId}" } } },
      ],
    },
    ...(hasTasks ? { crashed: crashed(parts), never_begun: neverBegun } : {}),
    worth_another_try: worthAnotherTry,
  };
}

type StepNames = ReadonlyMap<string, string>;

/** Names of steps by the names they are made of: letters, digits and `_`, at most 64; a hash tells apart what is not as written. */
function stepNames(
  verb: string,
  names: readonly string[],
  taken: readonly string[] = [],
): StepNames {
  const written = names.map((name) => name.replaceAll("-", "_"));
  const isFree = (name: string): boolean =>
    name.length <= 50 &&
    !taken.includes(name) &&
    written.indexOf(name) === written.lastIndexOf(name);
  return new Map(
    names.map((name, at) => {
      const legal = written[at] ?? "";
      if (isFree(legal)) return [name, `${verb}_${legal}`];
      const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
      return [name, `${verb}_${legal.slice(0, 41)}_${hash}`];
    }),
  );
}

/** Everything a workflow remembers, but for the last reply and the callback: ids and two numbers. */
function initial(urls: Urls): Yaml[] {
  return [
    { executionId: "${args.executionId}" },
    { after: '${map.get(args, "after")}' },
    { workflow: `\${${workflowPath.join(" + ")}}` },
    { self: '${workflow + "/executions/" + sys.get_env("GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID")}' },
    { started: "${sys.now()}" },
    { taken: 0 },
    ...(new Set(Object.values(urls)).size > 1 ? [{ urls }] : []),
  ];
}

const workflowPath = [
  '"projects/" + sys.get_env("GOOGLE_CLOUD_PROJECT_ID")',
  '"/locations/" + sys.get_env("GOOGLE_CLOUD_LOCATION")',
  '"/workflows/" + sys.get_env("GOOGLE_CLOUD_WORKFLOW_ID")',
];

/** A fresh endpoint for each advance: a wake that comes before it is awaited is kept, and a late one finds nobody. */
const open: StepBody = {
  call: "events.create_callback_endpoint",
  args: { http_callback_method: "POST" },
  result: "callback",
};

function advance({ advance: url }: WorkflowParts): StepBody {
  const body = {
    op: "advance",
    executionId: "${executionId}",
    generation: "${args.generation}",
    workflow: "${self}",
    callbackUrl: "${callback.url}",
    after: "${after}",
  };
  return {
    // it may be repeated whatever went wrong: it re-reads the store
    try: { ...post(url, body), result: "reply" },
    retry: retry("worth_another_try", 12),
  };
}

function route(waits: StepNames, tasks: StepNames, hasTasks: boolean): Step[] {
  const when = (condition: string, next: string): Yaml => ({ condition: `\${${condition}}`, next });
  const isKind = (kind: string): string => `reply.body.kind == "${kind}"`;
  const asked = (kind: string, label: string): string =>
    `${isKind(kind)} and reply.body.label == "${label}"`;
  const ended = (status: string): string => `reply.body.status == "${status}"`;
  const conditions = [
    when(`${isKind("end")} and (${ended("failed")} or ${ended("cancelled")})`, "failed"),
    when(isKind("end"), "finished"),
    when(`taken > ${renewSteps} or sys.now() - started > ${renewSeconds}`, "renew"),
    when(isKind("advance"), "again"),
    ...[...waits].map(([wait, step]) => when(asked("park", wait), step)),
    when(isKind("park"), "park"),
    ...[...tasks].map(([task, step]) => when(asked("tasks", task), step)),
    ...(hasTasks
      ? [when(isKind("tasks"), "run_tasks"), when(isKind("manyTasks"), "run_many_tasks")]
      : []),
  ];
  const count = Math.ceil(conditions.length / conditionsPerSwitch);
  return Array.from({ length: count }, (_, at) => ({
    [at === 0 ? "route" : `route_${at + 1}`]: {
      switch: conditions.slice(at * conditionsPerSwitch, (at + 1) * conditionsPerSwitch),
    },
  }));
}

/** Count what a turn took, and go round. */
function countedTurn(more = ""): StepBody {
  return { assign: [{ taken: `\${taken + ${turnSteps}${more}}` }], next: "open" };
}

/** Await the callback of the last advance. That its time is over is no failure: the store knows what is next. */
function park(name: string): Step[] {
  return [
    {
      [name]: {
        try: {
          call: "events.await_callback",
          args: { callback: "${callback}", timeout: "${reply.body.seconds}" },
        },
        except: {
          as: "e",
          steps: [
            {
              [`unless_${name}_is_over`]: {
                switch: [{ condition: '${not("TimeoutError" in e.tags)}', raise: "${e}" }],
              },
            },
          ],
        },
      },
    },
    { [`after_${name}`]: countedTurn() },
  ];
}

/** Attempts of isolated checkpoints, at most 100. Their outcomes are in the store, so what is replied is dropped. */
function runTasks(name: string, url: string): Step[] {
  return [
    { [name]: inParallel(name, "${reply.body.tasks}", url) },
    { [`after_${name}`]: countedTurn(` + ${attemptSteps} * reply.body.count`) },
  ];
}

/** More attempts than fit into what passes through a workflow, page by page. */
function runPages({ advance: host }: WorkflowParts, urls: Urls): Step[] {
  const body = {
    op: "page",
    executionId: "${executionId}",
    key: "${reply.body.key}",
    page: "${page}",
  };
  return [
    {
      run_many_tasks: {
        for: {
          value: "page",
          range: `\${[0, math.min(reply.body.pages, ${pagesPerTurn}) - 1]}`,
          steps: [
            {
              read_page: {
                try: { ...post(host, body), result: "some" },
                retry: retry("worth_another_try", 12),
              },
            },
            { run_page: inParallel("run_page", "${some.body.tasks}", lookUp(urls)) },
          ],
        },
      },
    },
    { after_run_many_tasks: countedTurn(` + ${attemptSteps} * reply.body.count`) },
  ];
}

function inParallel(name: string, tasks: string, url: string): StepBody {
  const ref = {
    executionId: "${executionId}",
    callId: "${task.callId}",
    attempt: "${task.attempt}",
  };
  return {
    parallel: {
      concurrency_limit: atOnce,
      for: {
        value: "task",
        in: tasks,
        steps: [
          {
            [`attempt_${name}`]: {
              try: post(url, { op: "task", ...ref }),
              // what may have begun is never sent twice
              retry: retry("never_begun", 10),
              except: {
                as: "e",
                steps: [{ [`lost_${name}`]: { call: "crashed", args: { ...ref, e: "${e}" } } }],
              },
            },
          },
        ],
      },
    },
  };
}

/** Say that an attempt left no outcome. Should that fail too, its deadline tells the next advance the same. */
function crashed({ advance: url }: WorkflowParts): Routine {
  const body = {
    op: "crashed",
    executionId: "${executionId}",
    callId: "${callId}",
    attempt: "${attempt}",
    why: "${why}",
  };
  return {
    params: ["executionId", "callId", "attempt", "e"],
    steps: [
      { reason: { assign: [{ why: "${e.tags[0]}" }] } },
      {
        if_http: {
          switch: [
            {
              condition: '${"HttpError" in e.tags}',
              steps: [{ status: { assign: [{ why: '${why + " " + string(e.code)}' }] } }],
            },
          ],
        },
      },
      {
        tell: {
          try: post(url, body),
          retry: retry("worth_another_try", 6),
          except: { as: "ignored", steps: [{ untold: { return: "${ignored.tags[0]}" } }] },
        },
      },
    ],
  };
}

/** A new execution of the same workflow goes on; it names this one, so that of two created by mistake one ends at once. */
const nextInput = {
  executionId: "${executionId}",
  generation: "${args.generation}",
  after: "${self}",
};

function startNext({ executions = executionsApi }: WorkflowParts): StepBody {
  return {
    try: {
      call: "http.post",
      args: {
        url: `\${"${executions}/" + workflow + "/executions"}`,
        auth: { type: "OAuth2" },
        body: { argument: "${json.encode_to_string(input)}" },
      },
    },
    retry: retry("worth_another_try", 12),
  };
}

/** Failures of the cloud, not of the flow. */
const worthAnotherTry = failures({
  codes: [408, 429, 500, 502, 503, 504],
  tags: ["ConnectionError", "ConnectionFailedError", "TimeoutError"],
});

/** Failures before the function has seen the request. */
const neverBegun = failures({ codes: [429], tags: ["ConnectionFailedError"] });

/** A predicate of errors with one of these HTTP status codes or one of these tags. */
function failures(of: {
  readonly codes: readonly number[];
  readonly tags: readonly string[];
}): Routine {
  const codes = of.codes.map((code) => `e.code == ${code}`).join(" or ");
  const tags = of.tags.map((tag) => `("${tag}" in e.tags)`).join(" or ");
  return {
    params: ["e"],
    steps: [
      {
        decide: {
          switch: [
            { condition: `\${("HttpError" in e.tags) and (${codes})}`, return: true },
            { condition: `\${${tags}}`, return: true },
          ],
        },
      },
      { otherwise: { return: false } },
    ],
  };
}

/** What a failed workflow shows: the code of the error, and what it is about. */
function fail(code: string, message: string): StepBody {
  return { message, tags: [code] };
}

function retry(name: string, times: number): StepBody {
  return {
    predicate: `\${${name}}`,
    max_retries: times,
    backoff: { initial_delay: 1, max_delay: 120, multiplier: 2 },
  };
}

function post(url: string, body: StepBody): StepBody {
  const audience = url;
  return {
    call: "http.post",
    args: { url, timeout: replySeconds, auth: { type: "OIDC", audience }, body },
  };
}

type Urls = Readonly<Record<string, string>>;

/** The function of each isolated checkpoint. */
function taskUrls(plan: Plan, { task }: WorkflowParts): Urls {
  return Object.fromEntries(plan.tasks.map((one) => [one.checkpoint, task(one)]));
}

/** The function of whichever checkpoint a task is of. */
function lookUp(urls: Urls): string {
  const [first = "", ...others] = new Set(Object.values(urls));
  return others.length === 0 ? first : "${urls[task.name]}";
}
