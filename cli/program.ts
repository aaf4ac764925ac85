import { Command, CommanderError, Option } from "commander";
import { packageVersion } from "../core/package-version.ts";
import { closeStacks } from "../core/stacks.ts";
import { addArtifacts } from "./commands/artifacts.ts";
import { addCheck } from "./commands/check.ts";
import { addDeploy } from "./commands/deploy.ts";
import { addDev } from "./commands/dev.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addExecutions } from "./commands/executions.ts";
import { addFlow } from "./commands/flow.ts";
import { addInit } from "./commands/init.ts";
import { addInvoke } from "./commands/invoke.ts";
import { addModels } from "./commands/models.ts";
import { addPlan } from "./commands/plan.ts";
import { addReplayCheck } from "./commands/replay-check.ts";
import { addRun } from "./commands/run.ts";
import { addStack } from "./commands/stack.ts";
import { Console } from "./console.ts";
import type { Io } from "./io.ts";
import { takeOnce } from "./options.ts";

/** Run one command line; resolves to the exit code. */
export async function runProgram(args: readonly string[], io: Io): Promise<number> {
  const say = new Console(io, wantsJson(args));
  const program = await makeProgram(say);
  say.command = guessCommand(program, args);
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    if (isHelp(error)) return 0;
    say.fail(isMissing(error) ? missingCommand(program, args) : error);
    return 1;
  } finally {
    await closeStacks();
  }
}

/** Every command, as the parser knows it. */
export async function makeProgram(say: Console): Promise<Command> {
  const program = new Command("kitaru")
    .description("Durable agent flows in plain TypeScript.")
    .version(await packageVersion())
    .hook("preAction", (_, command) => {
      say.command = pathOf(command).join(".");
    });
  for (const add of [
    addInit,
    addRun,
    addExecutions,
    addArtifacts,
    addDeploy,
    addInvoke,
    addFlow,
    addPlan,
    addStack,
    addModels,
    addDev,
    addDoctor,
    addCheck,
    addReplayCheck,
  ])
    add(program, () => say);
  everywhere(program, say);
  return program;
}

/** What holds for every command: its output, its errors, `-o`. */
function everywhere(command: Command, say: Console): void {
  if (!command.options.some(({ long }) => long === "--output"))
    command.addOption(
      new Option("-o, --output <format>", "text or json").choices(["text", "json"]),
    );
  command
    .enablePositionalOptions() // so that each command has its own formats
    .exitOverride()
    .configureOutput({
      writeOut: (text) => say.io.out(text),
      writeErr: () => undefined, // errors are told once, where the program ends
      getOutHasColors: () => false,
    });
  takeOnce(command);
  for (const child of command.commands) everywhere(child, say);
}

/** Found before anything is parsed, so that errors of parsing come in the form that was asked for. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const own = end === -1 ? args : args.slice(0, end);
  return own.some(
    (arg, index) =>
      arg === "-ojson" ||
      arg === "--output=json" ||
      (arg === "json" && /^(?:-o|--output)$/.test(own[index - 1] ?? "")),
  );
}

/** The command the first words name, for errors that come before any command runs. */
function guessCommand(program: Command, args: readonly string[]): string {
  return commandOf(program, args).join(".") || "kitaru";
}

function commandOf(program: Command, args: readonly string[]): string[] {
  const path: string[] = [];
  let current: Command | undefined = program;
  for (const arg of args) {
    current = current.commands.find((command) => command.name() === arg);
    if (current === undefined) break;
    path.push(arg);
  }
  return path;
}

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

function isHelp(error: unknown): boolean {
  return (
    error instanceof CommanderError &&
    (error.code === "commander.helpDisplayed" || error.code === "commander.version")
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof CommanderError && error.code === "commander.help";
}

function missingCommand(program: Command, args: readonly string[]): CommanderError {
  const path = commandOf(program, args);
  const group = path.reduce<Command>(
    (command, name) => command.commands.find((one) => one.name() === name) ?? command,
    program,
  );
  const names = group.commands.map((command) => command.name()).join(", ");
  const self = ["kitaru", ...path].join(" ");
  return new CommanderError(
    1,
    "kitaru.missingCommand",
    `${self} needs a command: ${names}. \`${self} --help\` tells more.`,
  );
}
