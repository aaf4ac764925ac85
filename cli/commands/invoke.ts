import type { Command } from "commander";
import { takeOver } from "../../core/client/driving.ts";
import type { Execution } from "../../core/client/execution.ts";
import { invokeVersion } from "../../core/deployments/invoke.ts";
import { isEnd } from "../../core/journal/head.ts";
import { newExecutionId } from "../../core/primitives/handle.ts";
import { type Console, type OpenedStack, openStack } from "../console.ts";
import { statusText } from "../execution-text.ts";
import {
  checkSucceeded,
  executionCommand,
  follow,
  standingLines,
  watchExecution,
} from "../follow.ts";
import { readJsonArgument } from "../json-argument.ts";
import { stackOption, versionOption } from "../options.ts";
import { type ChoiceOptions, choiceOf } from "../version-choice.ts";

interface InvokeOptions extends ChoiceOptions {
  readonly input?: string;
  readonly id?: string;
  readonly wait?: boolean;
  readonly stack?: string;
}

/** Add `kitaru invoke`. */
export function addInvoke(program: Command, say: () => Console): void {
  program
    .command("invoke")
    .description("start a deployed flow; its default version unless another is named")
    .argument("<flow>", "name of the flow")
    .addOption(versionOption("start this version"))
    .option("--tag <tag>", "start the version of this tag")
    .option("-i, --input <json>", "input as JSON, or @FILE to read it from (@- is standard input)")
    .option("--id <id>", "makes the start idempotent")
    .option("--wait", "follow it until it has ended or waits for an answer")
    .addOption(stackOption())
    .action((flow: string, options: InvokeOptions) => invoke(say(), flow, options));
}

async function invoke(say: Console, flow: string, options: InvokeOptions): Promise<void> {
  const choice = choiceOf(options);
  const input =
    options.input === undefined
      ? undefined
      : await readJsonArgument({ option: "--input", text: options.input, cwd: say.io.cwd });
  const opened = await openStack(options.stack);
  const id = options.id ?? newExecutionId();
  const { facts } = await invokeVersion(opened.runtime, {
    id,
    flow,
    input,
    choice,
    isIdempotent: options.id !== undefined,
    isLeft: true,
  });
  say.note(`${say.style.bold(flow)}  version ${facts.version}  ${id}`);
  if (options.wait === true) return watch(say, opened, id, options.stack);
  const execution = await opened.executions.get(id);
  say.item(execution, await leftLines(say, opened, execution, options.stack));
}

async function watch(
  say: Console,
  opened: OpenedStack,
  id: string,
  stack: string | undefined,
): Promise<void> {
  const params = { opened, id, stack, isAsking: say.io.ask !== undefined && !say.isJson };
  const stopWatching = watchExecution(say, params);
  try {
    const { status, pendingWaits } = await opened.executions.get(id);
    if (!isEnd(status) && pendingWaits.length === 0) await takeOver(opened.runtime, id);
    const execution = await follow(say, params);
    checkSucceeded(execution);
    say.item(execution, await standingLines(say, opened, execution, stack));
  } finally {
    stopWatching();
  }
}

/** How an execution stands that this process has started and does not drive. */
async function leftLines(
  say: Console,
  opened: OpenedStack,
  execution: Execution,
  stack: string | undefined,
): Promise<string[]> {
  const { id, status } = execution;
  if (status !== "queued") return standingLines(say, opened, execution, stack);
  const isDrivenByProcesses = opened.runtime.backend.orchestrator.canDrive !== undefined;
  if (isDrivenByProcesses)
    say.note(
      `A process that runs \`kitaru dev\` takes it up. Or see it through: ${executionCommand(say, "resume", { id, stack })}`,
    );
  return [`${statusText(say, status)}  ${id}`];
}
