import type { Command } from "commander";
import type { Execution } from "../../core/client/execution.ts";
import type { ReplayOptions, ReplayResults } from "../../core/client/replaying.ts";
import type { Override } from "../../core/engine/replay/override.ts";
import { KitaruUsageError } from "../../core/errors.ts";
import { overridable } from "../../core/primitives/replay-target.ts";
import { type Console, type OpenedStack, openStack } from "../console.ts";
import { dryRunLines, failureLines } from "../dry-run-text.ts";
import { statusText } from "../execution-text.ts";
import { CommandError } from "../failure.ts";
import { checkSucceeded, follow, standingLines, watchExecution } from "../follow.ts";
import { readJsonArgument } from "../json-argument.ts";
import { several, stackOption, wholeNumber } from "../options.ts";
import { oneLine, plural, table } from "../text.ts";

interface CommandOptions {
  readonly from?: string;
  readonly override?: readonly string[];
  readonly args?: readonly string[];
  readonly model?: readonly string[];
  readonly skip?: readonly string[];
  readonly input?: string;
  readonly version?: number | "local";
  readonly id?: string;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly stack?: string;
}

/** Add `kitaru executions replay`. */
export function addExecutionsReplay(group: Command, say: () => Console): void {
  group
    .command("replay")
    .description("make a new execution of an earlier one, and run what depends on what is changed")
    .argument("<ids...>", "execution ids")
    .option("--from <call>", "execute everything from this call on")
    .option(
      "--override <target=json>",
      "an outcome in place of the recorded one: checkpoint.NAME, wait.NAME, llm.NAME, flow.NAME or a call id",
      several,
    )
    .option("--args <target=json>", "run a call with these arguments: a JSON array", several)
    .option("--model <llm=model>", "have another model answer: llm.NAME=MODEL", several)
    .option("--skip <call>", "reuse the recorded outcome whatever else holds", several)
    .option("-i, --input <json>", "fields laid over the recorded input, or @FILE")
    .option(
      "--version <version>",
      "deployed version to run, or local, instead of the recorded one",
      replayVersion,
    )
    .option("--id <id>", "id of the replay; makes it idempotent")
    .option("--dry-run", "tell what would be done; nothing runs and nothing is written")
    .option("--wait", "wait for the end also where other processes run it")
    .addOption(stackOption())
    .action((ids: readonly string[], options: CommandOptions) => replay(say(), ids, options));
}

function replayVersion(text: string): number | "local" {
  return text === "local" ? text : wholeNumber(1, Number.MAX_SAFE_INTEGER)(text);
}

async function replay(
  say: Console,
  ids: readonly string[],
  options: CommandOptions,
): Promise<void> {
  const how = await replayOptions(say, options);
  const opened = await openStack(options.stack);
  const [id, ...others] = ids;
  if (id === undefined) throw new TypeError("the command line needs an id");
  if (options.dryRun === true) return dryRun(say, opened, ids, how);
  if (others.length > 0 && options.id !== undefined)
    throw new KitaruUsageError("--id names one replay; leave it out to replay several executions.");
  return others.length === 0
    ? replayOne(say, opened, id, how, options)
    : replayAll(say, opened, ids, how, options);
}

async function replayOptions(say: Console, options: CommandOptions): Promise<ReplayOptions> {
  const { from, override = [], args = [], model = [], skip, version } = options;
  const { cwd } = say.io;
  const read = (option: string, text: string): Promise<unknown> =>
    readJsonArgument({ option, text, cwd });
  const given: Override[] = [];
  for (const { target, value } of override.map((text) => assignment("--override", text)))
    given.push({
      ...overridable(target).as(await read(`--override ${target}`, value)),
      isUnchecked: true,
    });
  for (const { target, value } of args.map((text) => assignment("--args", text)))
    given.push(overridable(target).withInput(...(await readArguments(target, value, read))));
  for (const { target, value } of model.map((text) => assignment("--model", text)))
    given.push(overridable(/[.:]/.test(target) ? target : `llm.${target}`).withModel(value));
  const input = options.input === undefined ? undefined : await read("--input", options.input);
  return {
    with: given,
    ...(from === undefined ? {} : { from }),
    ...(skip === undefined ? {} : { skip }),
    ...(input === undefined ? {} : { input }),
    ...(version === undefined ? {} : { version }),
  };
}

function assignment(
  option: string,
  text: string,
): { readonly target: string; readonly value: string } {
  const at = text.indexOf("=");
  if (at > 0) return { target: text.slice(0, at), value: text.slice(at + 1) };
  throw new KitaruUsageError(
    `${option} ${text}: write TARGET=VALUE, such as ${option} ${option === "--model" ? "llm.outline=openai/gpt-5" : `checkpoint.research='${option === "--args" ? '["new topic"]' : '"edited notes"'}'`}.`,
  );
}

async function readArguments(
  target: string,
  text: string,
  read: (option: string, text: string) => Promise<unknown>,
): Promise<readonly unknown[]> {
  const value = await read(`--args ${target}`, text);
  if (Array.isArray(value)) return value;
  throw new KitaruUsageError(
    `--args ${target} must be a JSON array of the arguments, such as '["new topic"]'.`,
  );
}

// ---- what would be done

async function dryRun(
  say: Console,
  { executions }: OpenedStack,
  ids: readonly string[],
  how: ReplayOptions,
): Promise<void> {
  const [id = "", ...others] = ids;
  if (others.length === 0) {
    const told = await executions.replay(id, { ...how, dryRun: true });
    say.item(told, dryRunLines(say, told));
    return;
  }
  const { results, failures } = await executions.replay(ids, { ...how, dryRun: true });
  const rows = [...results, ...failures.map(plainFailure)];
  say.items(rows, [
    ...results.flatMap((told) => [say.style.bold(told.source), ...dryRunLines(say, told), ""]),
    ...failureLines(say, failures),
  ]);
  checkAll(ids.length, failures.length, 0);
}

// ---- doing it

async function replayOne(
  say: Console,
  opened: OpenedStack,
  source: string,
  how: ReplayOptions,
  { id, stack, wait = false }: CommandOptions,
): Promise<void> {
  const isAsking = say.io.ask !== undefined && !say.isJson;
  const { executions } = opened;
  const unfollowed = new Set<() => void>();
  try {
    const started = await executions.replay(source, {
      ...how,
      ...(id === undefined ? {} : { id }),
    });
    const params = { opened, id: started.id, stack, isAsking };
    unfollowed.add(watchExecution(say, params));
    say.note(`${say.style.bold(started.id)}  replays ${source}`);
    if (!isFollowed(opened, wait)) {
      say.item(started, [`${statusText(say, started.status)}  ${started.id}`]);
      return;
    }
    const execution = await follow(say, params);
    noteUnused(say, execution);
    checkSucceeded(execution);
    say.item(execution, await standingLines(say, opened, execution, stack));
  } finally {
    for (const stop of unfollowed) stop();
  }
}

/** What this process runs itself ends with it, so it is seen through. */
function isFollowed({ runtime }: OpenedStack, wait: boolean): boolean {
  return wait || runtime.backend.orchestrator.canDrive !== undefined;
}

async function replayAll(
  say: Console,
  opened: OpenedStack,
  ids: readonly string[],
  how: ReplayOptions,
  { wait = false }: CommandOptions,
): Promise<void> {
  const done = await opened.executions.replay(ids, { ...how, wait: isFollowed(opened, wait) });
  const executions = await Promise.all(done.results.map(({ id }) => opened.executions.get(id)));
  const rows = [...executions, ...done.failures.map(plainFailure)];
  say.items(rows, [...resultLines(say, executions), ...failureLines(say, done.failures)]);
  const failed = done.results.filter(({ status }) => status === "failed").length;
  checkAll(ids.length, done.failures.length, failed);
}

function resultLines(say: Console, executions: readonly Execution[]): string[] {
  const rows = executions.map(({ id, status, replayOf = "", error, unusedOverrides = [] }) => [
    replayOf,
    id,
    statusText(say, status),
    error === undefined
      ? unusedText(unusedOverrides)
      : oneLine(`${error.name}: ${error.message}`, 100),
  ]);
  return rows.length === 0
    ? []
    : table(["SOURCE", "REPLAY", "STATUS", ""].map(say.style.dim), rows);
}

function noteUnused(say: Console, { unusedOverrides = [] }: Execution): void {
  const text = unusedText(unusedOverrides);
  if (text !== "") say.note(say.style.yellow(text));
}

function unusedText(targets: readonly string[]): string {
  return targets.length === 0 ? "" : `No call asked for ${targets.join(", ")}.`;
}

function plainFailure({ source, error }: ReplayResults["failures"][number]): {
  readonly source: string;
  readonly error: { readonly code: string; readonly message: string };
} {
  const code = "code" in error ? String(error.code) : "internal";
  return { source, error: { code, message: error.message } };
}

function checkAll(count: number, refused: number, failed: number): void {
  const parts = [
    ...(refused === 0 ? [] : [`${refused} could not be replayed`]),
    ...(failed === 0 ? [] : [`${plural(failed, "replay")} failed`]),
  ];
  if (parts.length > 0)
    throw new CommandError("replay", `Of ${plural(count, "execution")} ${parts.join(" and ")}.`);
}
