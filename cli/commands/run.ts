import type { Command } from "commander";
import { takeOver } from "../../core/client/driving.ts";
import { headKey, isEnd, readHead } from "../../core/journal/head.ts";
import { startRun } from "../../core/primitives/handle.ts";
import { activeRuntime } from "../../core/stacks.ts";
import { type Console, type OpenedStack, stackOn } from "../console.ts";
import { loadFlowTarget } from "../flow-target.ts";
import { checkSucceeded, follow, standingLines, watchExecution } from "../follow.ts";
import { readJsonArgument } from "../json-argument.ts";
import { stackOption } from "../options.ts";

interface RunOptions {
  readonly input?: string;
  readonly id?: string;
  readonly stack?: string;
}

/** Add `kitaru run`. */
export function addRun(program: Command, say: () => Console): void {
  program
    .command("run")
    .description("start a flow, and follow it")
    .argument(
      "<file:flow>",
      "module and flow, such as flows/review.ts:review_flow, or a flow of the config",
    )
    .option("-i, --input <json>", "input as JSON, or @FILE to read it from (@- is standard input)")
    .option("--id <id>", "makes the start idempotent")
    .addOption(stackOption())
    .action((target: string, options: RunOptions) => run(say(), target, options));
}

async function run(say: Console, target: string, options: RunOptions): Promise<void> {
  const { stack } = options;
  const input = await inputOf(say, options);
  const definition = await loadFlowTarget(target, say.io.cwd);
  const opened = stackOn(await activeRuntime({ call: stack, flow: definition.stack }));
  const isThere = options.id !== undefined && (await isOpen(opened, options.id));
  const handle = startRun({
    definition,
    input,
    options: {
      ...(options.id === undefined ? {} : { id: options.id }),
      ...(stack === undefined ? {} : { stack }),
    },
    isInert: false,
  });
  const params = {
    opened,
    id: handle.id,
    stack,
    isAsking: say.io.ask !== undefined && !say.isJson,
  };
  const stopWatching = watchExecution(say, params);
  try {
    await handle.started;
    say.note(`${say.style.bold(definition.name)}  ${handle.id}`);
    if (isThere) await takeOver(opened.runtime, handle.id);
    const execution = await follow(say, params);
    checkSucceeded(execution);
    say.item(execution, await standingLines(say, opened, execution, stack));
  } finally {
    stopWatching();
  }
}

async function inputOf(say: Console, { input }: RunOptions): Promise<unknown> {
  if (input === undefined) return undefined;
  return readJsonArgument({ option: "--input", text: input, cwd: say.io.cwd });
}

/** Whether an execution of that id exists and somebody may have to take it over. */
async function isOpen({ runtime }: OpenedStack, id: string): Promise<boolean> {
  const record = await runtime.backend.records.get(headKey(id));
  if (record === undefined) return false;
  const { status } = readHead(record).view;
  return !isEnd(status) && status !== "waiting";
}
