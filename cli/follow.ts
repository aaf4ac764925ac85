import { untilRest } from "../core/client/driving.ts";
import type { Execution } from "../core/client/execution.ts";
import type { Console, OpenedStack } from "./console.ts";
import { CommandError } from "./failure.ts";
import { watchProgress } from "./progress.ts";
import { toText } from "./plain.ts";
import { oneLine } from "./text.ts";
import { askAbout, askedBy, waitLines } from "./waits.ts";

interface FollowParams {
  readonly opened: OpenedStack;
  readonly id: string;
  /** Stack to name in commands, when it was named to this program. */
  readonly stack: string | undefined;
  /** Whether waits are put to the person at the terminal. */
  readonly isAsking: boolean;
}

/** Follow an execution, asking a person where that is possible, until it has ended or rests on a wait, its own or a child's. */
export async function follow(say: Console, params: FollowParams): Promise<Execution> {
  const { opened, id } = params;
  const interrupted = Promise.withResolvers<never>();
  interrupted.promise.catch(() => undefined);
  const stopListening = say.io.onInterrupt(() =>
    interrupted.reject(
      new CommandError(
        "interrupted",
        `Stopped. Execution ${id} goes on with: ${executionCommand(say, "resume", params)}`,
      ),
    ),
  );
  try {
    return await Promise.race([untilAnswered(say, params), interrupted.promise]);
  } finally {
    stopListening();
  }

  async function untilAnswered(console: Console, { isAsking }: FollowParams): Promise<Execution> {
    for (;;) {
      await untilRest(opened.runtime, id, () =>
        console.note(
          console.style.dim(`${id} rests until its time has come; interrupt to leave it.`),
        ),
      );
      const execution = await opened.executions.get(id);
      const [asked] = isAsking ? await askedBy(opened, id) : [];
      const wait = asked?.waits[0];
      if (asked === undefined || wait === undefined) return execution;
      if (!(await askAbout(console, opened, asked.id, wait))) return execution;
    }
  }
}

/** Print progress of an execution and of its children; the result stops that. */
export function watchExecution(say: Console, { opened, id }: FollowParams): () => void {
  const prefix = `${id}/`;
  return watchProgress(
    say,
    opened.runtime,
    (executionId) => executionId === id || executionId.startsWith(prefix),
    (executionId) => (executionId === id ? "" : `${executionId.slice(prefix.length)}/`),
  );
}

/** Lines that tell how an execution stands: its result, its failure, or what it and its children wait for. */
export async function standingLines(
  say: Console,
  opened: OpenedStack,
  execution: Execution,
  stack: string | undefined,
): Promise<string[]> {
  const { id, status, error } = execution;
  switch (status) {
    case "completed":
      return execution.output === undefined
        ? [`${say.style.green("completed")}  ${id}`]
        : [toText(execution.output)];
    case "cancelled":
      return [`${say.style.red(status)}  ${id}`];
    case "failed":
      return [
        `${say.style.red(status)}  ${id}  ${error === undefined ? "" : oneLine(`${error.name}: ${error.message}`, 1000)}`.trimEnd(),
      ];
    default: {
      const asked = await askedBy(opened, id);
      return asked.length === 0
        ? [`${say.style.yellow(status)}  ${id}`]
        : asked.flatMap((one) => waitLines(say, one.id, one.waits, stack));
    }
  }
}

/** Throw what made an execution fail, for commands whose success is its success. */
export function checkSucceeded({ id, status, error }: Execution): void {
  if (status !== "failed" && status !== "cancelled") return;
  const why = error === undefined ? "" : `: ${oneLine(`${error.name}: ${error.message}`, 1000)}`;
  throw new CommandError(
    error?.code ?? "execution",
    `Execution ${id} ${status === "failed" ? "failed" : "was cancelled"}${status === "failed" ? why : ""}`,
  );
}

/** The command line that does something with an execution. */
export function executionCommand(
  say: Console,
  verb: "cancel" | "resume",
  { id, stack }: Pick<FollowParams, "id" | "stack">,
): string {
  return `${say.io.self} executions ${verb} ${id}${stack === undefined ? "" : ` --stack ${stack}`}`;
}
