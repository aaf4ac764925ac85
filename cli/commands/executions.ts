import { type Command, Option } from "commander";
import { type Receipt, takeOver } from "../../core/client/driving.ts";
import type {
  Execution,
  ExecutionSummary,
  ListedStatus,
  PendingWait,
} from "../../core/client/execution.ts";
import {
  KitaruStateError,
  KitaruUsageError,
  KitaruWaitValidationError,
  hasCode,
} from "../../core/errors.ts";
import { isEnd } from "../../core/journal/head.ts";
import { type Console, type OpenedStack, openStack } from "../console.ts";
import { logLine, statusText } from "../execution-text.ts";
import {
  checkSucceeded,
  executionCommand,
  follow,
  standingLines,
  watchExecution,
} from "../follow.ts";
import { readJsonArgument } from "../json-argument.ts";
import { flowName, stackOption, wholeNumber } from "../options.ts";
import { oneLine, relative, span, table } from "../text.ts";
import { askAbout, exampleValue, waitLines } from "../waits.ts";
import { addExecutionsDiff } from "./executions-diff.ts";
import { addExecutionsGet } from "./executions-get.ts";
import { addExecutionsReplay } from "./executions-replay.ts";
import { addExecutionsTransfer } from "./executions-transfer.ts";

interface StackChoice {
  readonly stack?: string;
}

interface ListOptions extends StackChoice {
  readonly flow?: string;
  readonly status?: ListedStatus;
  readonly replayOf?: string;
  readonly limit: number;
  readonly cursor?: string;
}

interface InputOptions extends StackChoice {
  readonly wait?: string;
  readonly value?: string;
  readonly abort?: boolean;
  readonly interactive?: boolean;
}

/** A flow whose code takes longer than this to hear of its cancel may not do so at all. */
const patienceMs = 3000;
const statuses = ["queued", "running", "waiting", "completed", "failed", "cancelled", "damaged"];

/** Add `kitaru executions …`. */
export function addExecutions(program: Command, say: () => Console): void {
  const group = program.command("executions").description("look at executions and talk to them");
  group
    .command("list")
    .description("executions, newest first")
    .option("--flow <name>", "only of this flow", flowName)
    .addOption(new Option("--status <status>", "only of this status").choices(statuses))
    .option("--replay-of <id>", "only direct replays of this execution")
    .option("--limit <count>", "most executions shown", wholeNumber(1, 1000), 20)
    .option("--cursor <cursor>", "continue after the execution with this cursor")
    .addOption(stackOption())
    .action((options: ListOptions) => list(say(), options));
  addExecutionsGet(group, say);
  group
    .command("logs")
    .description("what was logged and what the runtime did, by time")
    .argument("<id>", "execution id")
    .option("--call <id>", "only of this call")
    .addOption(stackOption())
    .action((id: string, options: StackChoice & { readonly call?: string }) =>
      logs(say(), id, options),
    );
  group
    .command("input")
    .description("answer a wait; the execution then goes on")
    .argument("[id]", "execution id")
    .option("--wait <name>", "name or call id of the wait, when several are pending")
    .option("--value <json>", "the answer as JSON, or @FILE to read it from")
    .option("--abort", "abort the wait instead")
    .option("--interactive", "ask at the terminal; without an id, about every pending wait")
    .addOption(stackOption())
    .action((id: string | undefined, options: InputOptions) => input(say(), id, options));
  group
    .command("cancel")
    .description("ask an execution to end; its finally blocks still run")
    .argument("<id>", "execution id")
    .addOption(stackOption())
    .action((id: string, options: StackChoice) => cancel(say(), id, options));
  group
    .command("retry")
    .description("try a failed execution again from the call that failed")
    .argument("<id>", "execution id")
    .addOption(stackOption())
    .action((id: string, options: StackChoice) => retry(say(), id, options));
  group
    .command("resume")
    .description("go on with an execution whose process is gone")
    .argument("<id>", "execution id")
    .addOption(stackOption())
    .action((id: string, options: StackChoice) => resume(say(), id, options));
  addExecutionsReplay(group, say);
  addExecutionsDiff(group, say);
  addExecutionsTransfer(group, say);
}

async function list(say: Console, options: ListOptions): Promise<void> {
  const { flow, status, replayOf, limit, cursor, stack } = options;
  const { executions } = await openStack(stack);
  const items = await executions.list({
    limit,
    ...(flow === undefined ? {} : { flow }),
    ...(status === undefined ? {} : { status }),
    ...(replayOf === undefined ? {} : { replayOf }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  say.items(items, items.length === 0 ? ["No executions."] : listLines(say, items));
  const last = items.at(-1);
  if (items.length === limit && last !== undefined)
    say.note(say.style.dim(`There may be more: --cursor ${last.cursor}`));
}

function listLines(say: Console, items: readonly ExecutionSummary[]): string[] {
  const now = say.io.now();
  return table(
    ["ID", "FLOW", "VERSION", "STATUS", "CREATED", "TOOK", ""].map(say.style.dim),
    items.map((item) => [
      item.id,
      item.flow,
      item.version,
      statusText(say, item.status),
      relative(item.createdAt, now),
      item.endedAt === undefined
        ? ""
        : span(item.endedAt.getTime() - (item.startedAt ?? item.createdAt).getTime()),
      item.error === undefined
        ? item.pendingWaits.join(", ")
        : oneLine(`${item.error.name}: ${item.error.message}`, 60),
    ]),
  );
}

async function logs(
  say: Console,
  id: string,
  { stack, call }: StackChoice & { readonly call?: string },
): Promise<void> {
  const opened = await openStack(stack);
  const { executions } = opened;
  const lines = await executions.logs(id, call === undefined ? {} : { call });
  if (call !== undefined && lines.length === 0) await checkCall(opened, id, call);
  say.items(
    lines,
    lines.map((line) => logLine(say, line)),
  );
}

/** Nothing is told of a call that does not exist, so its absence is. */
async function checkCall({ executions }: OpenedStack, id: string, call: string): Promise<void> {
  const { calls } = await executions.get(id);
  if (calls.some((known) => known.id === call)) return;
  const known = calls.map((each) => each.id);
  throw new KitaruStateError(
    `Execution ${id} has no call ${JSON.stringify(call)}. It has: ${known.length === 0 ? "none" : known.join(", ")}.`,
    { code: "not_found" },
  );
}

// ---- input

async function input(say: Console, id: string | undefined, options: InputOptions): Promise<void> {
  checkInput(say, id, options);
  const opened = await openStack(options.stack);
  if (options.interactive === true) return interactive(say, opened, id, options);
  if (id === undefined) throw new TypeError("checkInput has checked it");
  const target = options.wait === undefined ? {} : { wait: options.wait };
  await drive(say, opened, id, options, {
    say: async () => {
      if (options.abort === true) return opened.executions.abortWait(id, target);
      const value = await valueOf(say, opened, id, options);
      return opened.executions
        .input(id, { ...target, value })
        .catch((error: unknown) => throwWithExample(opened, id, error));
    },
    said: ({ callId, repeated }) =>
      `${options.abort === true ? "Aborted" : "Answered"} ${callId ?? ""}${repeated ? " (it was so already)" : ""}`,
  });
}

function checkInput(say: Console, id: string | undefined, options: InputOptions): void {
  const { abort, value, interactive: isInteractive, wait } = options;
  const conflict = (a: string, b: string): KitaruUsageError =>
    new KitaruUsageError(`${a} and ${b} exclude each other; give one of them.`);
  if (abort === true && value !== undefined) throw conflict("--abort", "--value");
  if (isInteractive === true && value !== undefined) throw conflict("--interactive", "--value");
  if (isInteractive === true && abort === true) throw conflict("--interactive", "--abort");
  if (isInteractive === true && say.isJson) throw conflict("--interactive", "--output json");
  if (isInteractive === true && say.io.ask === undefined)
    throw new KitaruUsageError("--interactive needs a terminal. Answer with --value JSON instead.");
  if (id !== undefined) return;
  if (isInteractive !== true)
    throw new KitaruUsageError(
      "Name the execution: kitaru executions input ID. `kitaru executions list --status waiting` shows which wait.",
    );
  if (wait !== undefined) throw new KitaruUsageError("--wait needs the id of its execution.");
}

/** The answer; for a wait that takes none, nothing. */
async function valueOf(
  say: Console,
  { executions }: OpenedStack,
  id: string,
  { wait, value, stack }: InputOptions,
): Promise<unknown> {
  if (value !== undefined)
    return readJsonArgument({ option: "--value", text: value, cwd: say.io.cwd });
  const pending = await executions.pendingWaits(id);
  const wanted = pending.filter(
    (one) => wait === undefined || one.id === wait || one.name === wait,
  );
  const [only, ...others] = wanted;
  if (only === undefined || only.gate) return undefined;
  if (others.length > 0) throw severalPending(say, id, wanted, stack);
  throw new KitaruUsageError(
    `${only.id} waits for a value: ${exampleValue(only.schema)}${only.question === undefined ? "" : ` (${oneLine(only.question)})`}.`,
  );
}

/** Say how an answer that fits looks. */
async function throwWithExample(
  { executions }: OpenedStack,
  id: string,
  error: unknown,
): Promise<never> {
  if (!hasCode(error, "wait_validation")) throw error;
  const call = error.details?.["call"];
  const wait = (await executions.pendingWaits(id)).find((one) => one.id === call);
  if (wait?.schema === undefined) throw error;
  throw new KitaruWaitValidationError(
    `${error.message} One that fits: ${exampleValue(wait.schema)}`,
    { cause: error },
  );
}

function severalPending(
  say: Console,
  id: string,
  waits: readonly PendingWait[],
  stack: string | undefined,
): KitaruStateError {
  const lines = say.isJson
    ? [waits.map((wait) => wait.id).join(", ")]
    : ["", ...waitLines(say, id, waits, stack)];
  return new KitaruStateError(
    `Execution ${id} has ${waits.length} pending waits. Name one with --wait: ${lines.join("\n")}`,
    { details: { waits: waits.map((wait) => wait.id) } },
  );
}

async function interactive(
  say: Console,
  opened: OpenedStack,
  id: string | undefined,
  { wait, stack }: InputOptions,
): Promise<void> {
  const { executions } = opened;
  const ids =
    id === undefined
      ? (await executions.list({ status: "waiting", limit: 1000 })).map((item) => item.id)
      : [id];
  let asked = 0;
  for (const one of ids) {
    const pending = (await executions.pendingWaits(one)).filter(
      (pendingWait) => wait === undefined || pendingWait.id === wait || pendingWait.name === wait,
    );
    if (pending.length === 0) continue;
    asked += pending.length;
    say.note(say.style.bold(one));
    for (const pendingWait of pending) {
      if (!(await askAbout(say, opened, one, pendingWait))) continue;
      const params = { opened, id: one, stack, isAsking: false };
      say.item({}, await standingLines(say, opened, await follow(say, params), stack));
    }
  }
  if (asked > 0) return;
  throw new KitaruStateError(
    id === undefined
      ? "No execution waits for an answer."
      : `Execution ${id} has no pending wait${wait === undefined ? "" : ` "${wait}"`}.`,
  );
}

// ---- cancel, retry, resume

async function cancel(say: Console, id: string, options: StackChoice): Promise<void> {
  const opened = await openStack(options.stack);
  const again = executionCommand(say, "cancel", { id, stack: options.stack });
  const impatience = setTimeout(
    () => say.note(`Its code has not ended yet. To end it without waiting for that: ${again}`),
    patienceMs,
  );
  try {
    await drive(say, opened, id, options, {
      say: () => opened.executions.cancel(id),
      said: () => "Cancelling",
    });
  } finally {
    clearTimeout(impatience);
  }
}

async function retry(say: Console, id: string, options: StackChoice): Promise<void> {
  const opened = await openStack(options.stack);
  const execution = await drive(say, opened, id, options, {
    say: () => opened.executions.retry(id),
    said: () => "Retrying",
    isChecked: true,
  });
  checkSucceeded(execution);
}

async function resume(say: Console, id: string, { stack }: StackChoice): Promise<void> {
  const opened = await openStack(stack);
  const params = { opened, id, stack, isAsking: say.io.ask !== undefined && !say.isJson };
  const stopWatching = watchExecution(say, params);
  try {
    const driver = await takeOver(opened.runtime, id);
    if (driver === "another process") say.note("Another process drives it; waiting for that one.");
    const execution = await follow(say, params);
    checkSucceeded(execution);
    say.item(execution, await standingLines(say, opened, execution, stack));
  } finally {
    stopWatching();
  }
}

interface Saying {
  readonly say: () => Promise<Receipt>;
  readonly said: (receipt: Receipt) => string;
  /** Whether a failed execution is the command's failure, and shown as that. */
  readonly isChecked?: boolean;
}

/** Say something to an execution, and see it through where this process drives it. */
async function drive(
  say: Console,
  opened: OpenedStack,
  id: string,
  { stack }: StackChoice,
  saying: Saying,
): Promise<Execution> {
  const params = { opened, id, stack, isAsking: false };
  const stopWatching = watchExecution(say, params);
  try {
    const receipt = await saying.say();
    say.note(saying.said(receipt));
    const isLeft = receipt.drivenBy === "nobody";
    if (isLeft) say.note(leftLine(receipt));
    const execution = isLeft ? await opened.executions.get(id) : await follow(say, params);
    if (saying.isChecked === true) checkSucceeded(execution);
    const { problem, ...facts } = receipt;
    say.item(
      { ...facts, ...(problem === undefined ? {} : { problem: problem.message }), execution },
      isLeft && !isEnd(execution.status)
        ? [`${statusText(say, execution.status)}  ${id}`]
        : await standingLines(say, opened, execution, stack),
    );
    return execution;
  } finally {
    stopWatching();
  }
}

function leftLine({ problem }: Receipt): string {
  return `It is kept. Nobody drives this execution now: ${problem?.message ?? "its flow is not known here"} \`kitaru dev\` takes it up once the flow can be loaded.`;
}
