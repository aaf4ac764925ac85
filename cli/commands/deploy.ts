import type { Command } from "commander";
import type { BuiltModule } from "../../core/deployments/deploy.ts";
import type { Deployment } from "../../core/deployments/deployment.ts";
import { KitaruUsageError } from "../../core/errors.ts";
import { activeRuntime, configuredModels } from "../../core/stacks.ts";
import { configFlowFiles } from "../config-flows.ts";
import type { Console } from "../console.ts";
import { deploymentTable } from "../deployment-text.ts";
import { splitTarget } from "../flow-target.ts";
import { stackOption } from "../options.ts";

interface DeployOptions {
  readonly stack?: string;
  readonly tag?: string;
}

/** Add `kitaru deploy` and `kitaru build`. */
export function addDeploy(program: Command, say: () => Console): void {
  program
    .command("deploy")
    .description("make a new version of flows; the first one of a flow becomes its default")
    .argument("[file:flow...]", "modules, or flows of them; left out: the config's `flows`")
    .option("--tag <tag>", "tag the new versions get")
    .addOption(stackOption())
    .action((targets: readonly string[], options: DeployOptions) =>
      deploy(say(), targets, options, options.tag),
    );
  program
    .command("build")
    .description("make a new version of flows without any tag, not even default")
    .argument("[file:flow...]", "modules, or flows of them; left out: the config's `flows`")
    .addOption(stackOption())
    .action((targets: readonly string[], options: DeployOptions) =>
      deploy(say(), targets, options, false),
    );
}

/** A module, and which of its flows are meant. */
interface Target {
  readonly file: string;
  /** Names; absent for every flow the module exports. */
  readonly flows?: readonly string[];
  /** Found by a pattern: a module without flows is no mistake. */
  readonly isFound: boolean;
}

async function deploy(
  say: Console,
  given: readonly string[],
  { stack }: DeployOptions,
  tag: string | false | undefined,
): Promise<void> {
  const modules = await buildAll(await targetsOf(say, given));
  const deployments: Deployment[] = [];
  for (const module of modules) deployments.push(...(await deployBuilt(module, stack, tag)));
  const warnings = new Set(deployments.flatMap((one) => one.warnings));
  for (const warning of warnings) say.note(`${say.style.yellow("warning")}: ${warning}`);
  say.items(deployments, deploymentTable(say, deployments));
}

async function targetsOf(say: Console, given: readonly string[]): Promise<Target[]> {
  if (given.length === 0) {
    const files = await configFlowFiles();
    if (files.length > 0) return files.map((file) => ({ file, isFound: true }));
    throw new KitaruUsageError(
      'Which flow? Write FILE:FLOW, such as flows/review.ts:review_flow, or name the modules in kitaru.config.ts: flows: ["./flows/*.ts"].',
    );
  }
  const byFile = new Map<string, string[] | undefined>();
  for (const target of given) {
    const { file, name } = await splitTarget(target, say.io.cwd);
    const before = byFile.get(file);
    const isWhole = name === undefined || (byFile.has(file) && before === undefined);
    byFile.set(file, isWhole ? undefined : [...(before ?? []), name]);
  }
  return [...byFile].map(([file, flows]) => ({
    file,
    isFound: false,
    ...(flows === undefined ? {} : { flows }),
  }));
}

/** Everything is built before anything is deployed: a mistake in one module leaves all as they were. */
async function buildAll(targets: readonly Target[]): Promise<BuiltModule[]> {
  const { buildModule } = await import("../../core/deployments/deploy.ts");
  const models = await configuredModels();
  const modules: BuiltModule[] = [];
  const seen = new Set<string>();
  for (const { file, flows, isFound } of targets) {
    const module = await buildModule({
      entry: file,
      models,
      ...(flows === undefined ? {} : { flows }),
    });
    if (module.flows.length === 0 && !isFound)
      throw new KitaruUsageError(
        `${file} defines no flow. Define one: export const hello = flow("hello", async () => …);`,
      );
    // a module that exports the flows of others makes no second version of them
    const fresh = module.flows.filter((flow) => !seen.has(flow));
    for (const flow of fresh) seen.add(flow);
    modules.push({ ...module, flows: fresh });
  }
  if (seen.size > 0) return modules;
  throw new KitaruUsageError("The modules that `flows` of the config names define no flow.");
}

/** Each flow goes to the stack that is named, else to its own, else to the active one. */
async function deployBuilt(
  module: BuiltModule,
  stack: string | undefined,
  tag: string | false | undefined,
): Promise<Deployment[]> {
  const { deployModule } = await import("../../core/deployments/deploy.ts");
  const byStack = Map.groupBy(module.flows, (flow) => module.registry.flow(flow)?.stack);
  const deployments: Deployment[] = [];
  for (const [own, flows] of byStack) {
    const runtime = await activeRuntime({ call: stack, flow: own });
    deployments.push(...(await deployModule(runtime, { ...module, flows }, tag)));
  }
  return deployments;
}
