import type { Command } from "commander";
import { checkMove, refusal } from "../../core/client/tag-gate.ts";
import type { DeploymentSummary } from "../../core/deployments/deployment.ts";
import type { VersionChoice } from "../../core/deployments/tags.ts";
import { tagVersion } from "../../core/deployments/versions.ts";
import { KitaruUsageError } from "../../core/errors.ts";
import { type Console, openStack } from "../console.ts";
import { deploymentLines, versionCount, versionTable } from "../deployment-text.ts";
import { stackOption, versionOption, wholeNumber } from "../options.ts";
import { replayCheckLines, summaryOf } from "../replay-check-text.ts";
import { relative, table } from "../text.ts";
import { type ChoiceOptions, choiceOf } from "../version-choice.ts";

interface StackChoice {
  readonly stack?: string;
}

interface VersionOption extends StackChoice {
  readonly version: number;
}

interface TagCommandOptions extends VersionOption {
  readonly gate?: boolean;
  readonly last?: number;
}

/** Add `kitaru flow …`. */
export function addFlow(program: Command, say: () => Console): void {
  const group = program.command("flow").description("deployed flows, their versions and tags");
  group
    .command("list")
    .description("deployed flows")
    .addOption(stackOption())
    .action((options: StackChoice) => list(say(), options));
  group
    .command("show")
    .description("versions of a flow, or one of them with all it holds")
    .argument("<flow>", "name of the flow")
    .addOption(versionOption("show this version"))
    .option("--tag <tag>", "show the version of this tag")
    .addOption(stackOption())
    .action((flow: string, options: ChoiceOptions & StackChoice) => show(say(), flow, options));
  group
    .command("tag")
    .description("let a tag name a version; it moves from whichever has it")
    .argument("<flow>", "name of the flow")
    .argument("<tag>", "such as default, stable or canary")
    .addOption(versionOption("version the tag names from now on").makeOptionMandatory())
    .option("--gate", "only if it does what executions of the version before have recorded")
    .option("--last <count>", "with --gate: most executions checked (20)", wholeNumber(1, 1000))
    .addOption(stackOption())
    .action((flow: string, tag: string, options: TagCommandOptions) =>
      moveTag(say(), flow, tag, options),
    );
  group
    .command("untag")
    .description("take a tag away")
    .argument("<flow>", "name of the flow")
    .argument("<tag>", "any tag but default")
    .addOption(stackOption())
    .action((flow: string, tag: string, options: StackChoice) =>
      removeTag(say(), flow, tag, options),
    );
  group
    .command("delete")
    .description("let a version start no more executions")
    .argument("<flow>", "name of the flow")
    .addOption(versionOption("version to delete").makeOptionMandatory())
    .addOption(stackOption())
    .action((flow: string, options: VersionOption) => remove(say(), flow, options));
}

async function list(say: Console, { stack }: StackChoice): Promise<void> {
  const { deployments } = await openStack(stack);
  const byFlow = Map.groupBy(await deployments.list(), ({ flow }) => flow);
  const items = [...byFlow].map(([flow, versions]) => ({
    flow,
    stack: versions[0]?.stack,
    tags: tagsOf(versions),
    versions,
  }));
  const now = say.io.now();
  const rows = items.map(({ flow, tags, versions }) => [
    flow,
    versionCount(versions),
    Object.entries(tags)
      .map(([tag, version]) => `${tag}=${version}`)
      .join(" "),
    versions[0] === undefined ? "" : relative(versions[0].createdAt, now),
  ]);
  say.items(
    items,
    rows.length === 0
      ? ["No deployments. Make one: kitaru deploy FILE:FLOW"]
      : table(["FLOW", "VERSIONS", "TAGS", "LATEST"].map(say.style.dim), rows),
  );
}

async function show(
  say: Console,
  flow: string,
  options: ChoiceOptions & StackChoice,
): Promise<void> {
  const choice: VersionChoice = choiceOf(options);
  const { deployments } = await openStack(options.stack);
  if (choice.version !== undefined || choice.tag !== undefined) {
    const deployment = await deployments.get(flow, choice);
    return say.item(deployment, deploymentLines(say, deployment));
  }
  const versions = await deployments.list({ flow });
  const item = { flow, stack: versions[0]?.stack, tags: tagsOf(versions), versions };
  say.item(item, versionTable(say, versions));
}

async function moveTag(
  say: Console,
  flow: string,
  tag: string,
  { stack, version, gate = false, last }: TagCommandOptions,
): Promise<void> {
  const { deployments, runtime } = await openStack(stack);
  if (last !== undefined && !gate)
    throw new KitaruUsageError("--last says how many executions --gate checks; give --gate too.");
  const move = { flow, tag, version, ...(last === undefined ? {} : { last }) };
  const checked = gate ? await checkMove(runtime, move) : undefined;
  const { check } = checked ?? {};
  if (check?.ok === false) {
    if (!say.isJson) say.item(check, replayCheckLines(say, check));
    throw refusal(move, check);
  }
  if (gate)
    say.note(check === undefined ? "Nothing to check the version against." : summaryOf(check));
  const moved =
    checked === undefined
      ? await deployments.tag(flow, tag, { version })
      : await tagVersion(runtime, flow, tag, version, checked);
  const before =
    moved.previous === undefined || moved.previous === version
      ? ""
      : ` (before: ${moved.previous})`;
  say.item(moved, [`${say.style.bold(flow)}  ${tag} is version ${version}${before}`]);
}

async function removeTag(
  say: Console,
  flow: string,
  tag: string,
  { stack }: StackChoice,
): Promise<void> {
  const { deployments } = await openStack(stack);
  const removed = await deployments.untag(flow, tag);
  say.item(removed, [
    `${say.style.bold(flow)}  ${tag} is gone (it was version ${removed.previous})`,
  ]);
}

async function remove(
  say: Console,
  flow: string,
  { stack, version }: VersionOption,
): Promise<void> {
  const { deployments } = await openStack(stack);
  await deployments.delete(flow, { version });
  say.item({ flow, version }, [
    `${say.style.bold(flow)}  version ${version} starts nothing any more`,
  ]);
}

/** Tags by name, with the version each names. */
function tagsOf(versions: readonly DeploymentSummary[]): Readonly<Record<string, number>> {
  const pairs = versions.flatMap(({ tags, version }) => tags.map((tag) => [tag, version] as const));
  return Object.fromEntries(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
