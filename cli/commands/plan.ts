import { type Command, Option } from "commander";
import type { StackDefinition } from "../../core/config.ts";
import type { Execution } from "../../core/client/execution.ts";
import { KitaruUsageError } from "../../core/errors.ts";
import type { CostEstimate, EmittedFlow, Work } from "../../core/plan/offer.ts";
import type { FlowPlan, Plan } from "../../core/plan/plan.ts";
import { configuredModels, configuredStacks, defaultStack } from "../../core/stacks.ts";
import { type Console, openStack } from "../console.ts";
import { costLines } from "../cost-text.ts";
import { CommandError } from "../failure.ts";
import { splitTarget } from "../flow-target.ts";
import { stackOption, wholeNumber } from "../options.ts";

interface PlanOptions {
  readonly stack?: string;
  readonly output?: "text" | "json" | "mermaid";
}

interface CostOptions {
  readonly stack?: string;
  readonly executions: number;
  readonly fromExecution?: string;
}

/** Add `kitaru plan` and `kitaru cost`. */
export function addPlan(program: Command, say: () => Console): void {
  program
    .command("plan")
    .description("what a deployment of a flow would create in the cloud; nobody is asked")
    .argument("<file:flow>", "the flow")
    .addOption(
      new Option("-o, --output <format>", "text, json or mermaid").choices([
        "text",
        "json",
        "mermaid",
      ]),
    )
    .addOption(stackOption())
    .action((target: string, options: PlanOptions) => plan(say(), target, options));
  program
    .command("cost")
    .description("what executions of a flow cost at list prices: an estimate")
    .argument("<file:flow>", "the flow")
    .option(
      "--executions <count>",
      "how many (1000)",
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
      1000,
    )
    .option(
      "--from-execution <id>",
      "count what this execution has done; else each checkpoint and wait once",
    )
    .addOption(stackOption())
    .action((target: string, options: CostOptions) => cost(say(), target, options));
}

async function plan(say: Console, target: string, { stack, output }: PlanOptions): Promise<void> {
  const { name, definition } = await stackOf(stack);
  if (definition.plan === undefined)
    throw new KitaruUsageError(
      `Stack "${name}" of kind "${definition.kind}" creates nothing for a flow: the runtime itself drives it.`,
    );
  const planned = await planOf(say, target);
  const problems = await problemsOf(planned.plan, definition);
  const emitted = await definition.plan(planned.plan, planned.flow);
  say.item({ ...emitted, problems }, output === "mermaid" ? mermaid(emitted) : [textOf(emitted)]);
  if (problems.length > 0)
    throw new CommandError(
      "plan",
      `It cannot be deployed to stack "${name}". ${problems.join(" ")}`,
    );
}

function textOf({ definition, source }: EmittedFlow): string {
  return source?.trimEnd() ?? JSON.stringify(definition, undefined, 2);
}

async function problemsOf(
  made: Plan,
  { capabilities }: StackDefinition,
): Promise<readonly string[]> {
  if (capabilities === undefined) return [];
  const { checkPlan } = await import("../../core/plan/check.ts");
  return checkPlan(made, capabilities);
}

async function cost(say: Console, target: string, options: CostOptions): Promise<void> {
  const { name, definition } = await stackOf(options.stack);
  if (definition.estimate === undefined)
    throw new KitaruUsageError(
      `Nobody sends a bill for stack "${name}" of kind "${definition.kind}". Name another one with --stack.`,
    );
  const planned = await planOf(say, target);
  const work = await workFor(planned, options);
  const estimated: CostEstimate = await definition.estimate(work, options.executions);
  const estimate =
    options.fromExecution === undefined
      ? { ...estimated, assumptions: [...estimated.assumptions, wholeModule] }
      : estimated;
  say.item(
    { flow: planned.flow.flow, stack: name, work, ...estimate },
    costLines(say, work, estimate),
  );
}

const wholeModule =
  "Each checkpoint and wait of the whole module once, whichever flow calls it: --from-execution ID counts what an execution has done.";

interface Planned {
  readonly plan: Plan;
  readonly flow: FlowPlan;
  readonly checkpoints: number;
}

async function planOf(say: Console, target: string): Promise<Planned> {
  const { file, name } = await splitTarget(target, say.io.cwd);
  const { planModule } = await import("../../core/deployments/deploy.ts");
  const {
    plan: made,
    flows,
    checkpoints,
  } = await planModule({
    entry: file,
    models: await configuredModels(),
    ...(name === undefined ? {} : { flows: [name] }),
  });
  const [flow, ...others] = made.flows.filter((one) => flows.includes(one.flow));
  if (flow !== undefined && others.length === 0) return { plan: made, flow, checkpoints };
  throw new KitaruUsageError(
    `Which flow of ${file}? It defines: ${made.flows.map((one) => one.flow).join(", ")}. Write FILE:FLOW.`,
  );
}

async function stackOf(
  given: string | undefined,
): Promise<{ readonly name: string; readonly definition: StackDefinition }> {
  const name = given ?? (await defaultStack());
  const stacks = await configuredStacks();
  const definition = stacks[name];
  if (definition !== undefined) return { name, definition };
  throw new KitaruUsageError(
    `There is no stack named "${name}". Configured are: ${Object.keys(stacks).join(", ")}.`,
  );
}

async function workFor({ plan: made, checkpoints }: Planned, options: CostOptions): Promise<Work> {
  const { workOf } = await import("../../core/plan/offer.ts");
  if (options.fromExecution === undefined) return workOf(made, checkpoints);
  const { executions } = await openStack(options.stack);
  return recordedWork(made, await executions.get(options.fromExecution));
}

/** Values above this many bytes are objects of their own. */
const inlineBytes = 4096;

function recordedWork(made: Plan, { calls, artifacts }: Execution): Work {
  const isolated = new Set(made.tasks.map(({ checkpoint }) => checkpoint));
  const done = calls.filter(({ kind }) => kind === "checkpoint" || kind === "llm");
  const apart = done.filter(({ kind, name }) => kind === "checkpoint" && isolated.has(name)).length;
  const ms = done.reduce(
    (sum, { startedAt, endedAt }) => sum + ((endedAt ?? startedAt).getTime() - startedAt.getTime()),
    0,
  );
  return {
    inline: done.length - apart,
    isolated: apart,
    rests: calls.length - done.length,
    largeValues: artifacts.filter(({ size }) => size > inlineBytes).length,
    seconds: ms / 1000,
  };
}

function mermaid({ edges }: EmittedFlow): string[] {
  const ids = new Map([...new Set(edges.flat())].map((name, index) => [name, `s${index}`]));
  return [
    "flowchart TD",
    ...[...ids].map(([name, id]) => `  ${id}["${name.replaceAll('"', "#quot;")}"]`),
    ...edges.map(([from, to]) => `  ${ids.get(from)} --> ${ids.get(to)}`),
  ];
}
