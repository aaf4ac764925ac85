import type { PendingWait } from "../core/client/execution.ts";
import { askersOf } from "../core/client/rest.ts";
import { hasCode } from "../core/errors.ts";
import { exampleAnswer } from "./ask.ts";
import type { Console, OpenedStack } from "./console.ts";
import { toText } from "./plain.ts";
import { oneLine, relative } from "./text.ts";

interface AnswerCommand {
  readonly id: string;
  readonly wait: PendingWait;
  /** Whether other waits are pending too, so that this one must be named. */
  readonly isOneOfMany: boolean;
  /** Stack to name, when it was named to this program. */
  readonly stack: string | undefined;
}

/** What one execution asks. */
export interface Asked {
  readonly id: string;
  readonly waits: readonly PendingWait[];
}

/** What an execution asks, and what its children do. */
export async function askedBy(
  { runtime, executions }: OpenedStack,
  id: string,
): Promise<readonly Asked[]> {
  const ids = await askersOf(runtime.context, id);
  const asked = ids.map(async (one) => ({ id: one, waits: await executions.pendingWaits(one) }));
  return (await Promise.all(asked)).filter(({ waits }) => waits.length > 0);
}

/** The command line that answers a wait. */
export function answerCommand(say: Console, command: AnswerCommand): string {
  const { id, wait, isOneOfMany, stack } = command;
  const parts = [say.io.self, "executions input", id];
  if (isOneOfMany) parts.push("--wait", wait.id);
  if (!wait.gate) parts.push(exampleValue(wait.schema));
  if (stack !== undefined) parts.push("--stack", stack);
  return parts.join(" ");
}

/** `--value` with an answer that fits, for a shell. */
export function exampleValue(schema: unknown): string {
  return `--value ${quoted(exampleAnswer(schema))}`;
}

/** Lines that tell which waits are pending and how each is answered. */
export function waitLines(
  say: Console,
  id: string,
  waits: readonly PendingWait[],
  stack: string | undefined,
): string[] {
  const isOneOfMany = waits.length > 1;
  return waits.flatMap((wait) => {
    const expires =
      wait.expiresAt === undefined
        ? ""
        : say.style.dim(` (${expiry(wait.expiresAt, say.io.now())})`);
    const command = answerCommand(say, { id, wait, isOneOfMany, stack });
    const shown = wait.metadata === undefined ? [] : [`  ${oneLine(toText(wait.metadata), 500)}`];
    return [
      `${say.style.yellow("waiting")}  ${wait.id}  ${oneLine(wait.question ?? "", 200)}${expires}`.trimEnd(),
      ...shown,
      `  ${say.style.cyan(command)}`,
    ];
  });
}

/** Ask a person about one wait until an answer fits; false when it was left for later. */
export async function askAbout(
  say: Console,
  { executions }: OpenedStack,
  id: string,
  wait: PendingWait,
): Promise<boolean> {
  for (let problem: string | undefined; ;) {
    const said = await say.io.ask?.(wait, problem);
    if (said === undefined || said.kind === "later") return false;
    try {
      if (said.kind === "abort") await executions.abortWait(id, { wait: wait.id });
      else await executions.input(id, { wait: wait.id, value: said.value });
      return true;
    } catch (error) {
      if (!hasCode(error, "wait_validation")) throw error;
      problem = error.message;
    }
  }
}

function expiry(at: Date, now: number): string {
  return `${at.getTime() > now ? "expires" : "expired"} ${relative(at, now)}`;
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
