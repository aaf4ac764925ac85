import type { Runtime } from "../core/engine/runtime.ts";
import type { Entry } from "../core/journal/entry.ts";
import { describeError } from "../core/journal/stored-error.ts";
import type { Console } from "./console.ts";
import { oneLine, plural, relative, span } from "./text.ts";

/** Print what this process does for executions as it happens; the result stops that. */
export function watchProgress(
  say: Console,
  { context }: Runtime,
  isWanted: (executionId: string) => boolean,
  prefixOf: (executionId: string) => string,
): () => void {
  const tokens = new Map<string, number>();
  const observer = {
    started: ({ executionId, callId, attempt }: StartedEvent): void => {
      if (!isWanted(executionId) || !say.io.isTerminal) return;
      const number = attempt === 1 ? "" : ` (attempt ${attempt})`;
      say.note(say.style.dim(`→ ${prefixOf(executionId)}${callId}${number}`));
    },
    appended: ({ executionId, entries }: AppendedEvent): void => {
      if (!isWanted(executionId)) return;
      for (const entry of entries) {
        countTokens(tokens, executionId, entry);
        const line = describe(say, entry, tokens.get(tokenKey(executionId, entry)));
        if (line !== undefined)
          say.note(`${line.mark} ${prefixOf(executionId)}${line.call}${line.text}`.trimEnd());
      }
    },
  };
  context.observers.add(observer);
  return () => context.observers.delete(observer);
}

interface StartedEvent {
  readonly executionId: string;
  readonly callId: string;
  readonly attempt: number;
}

interface AppendedEvent {
  readonly executionId: string;
  readonly entries: readonly Entry[];
}

interface Line {
  readonly mark: string;
  readonly call: string;
  readonly text: string;
}

function tokenKey(executionId: string, entry: Entry): string {
  return `${executionId} ${"id" in entry ? (entry.id ?? "") : ""}`;
}

function countTokens(tokens: Map<string, number>, executionId: string, entry: Entry): void {
  const record = entry.t === "llm" || entry.t === "completed" ? entry.llm : undefined;
  if (record === undefined) return;
  const { inputTokens = 0, outputTokens = 0, totalTokens = inputTokens + outputTokens } = record;
  const key = tokenKey(executionId, entry);
  tokens.set(key, (tokens.get(key) ?? 0) + totalTokens);
}

function describe(say: Console, entry: Entry, tokens: number | undefined): Line | undefined {
  const { style, io } = say;
  switch (entry.t) {
    case "completed": {
      const took = entry.s === undefined ? "" : `  ${span(entry.at - entry.s)}`;
      const used = tokens === undefined ? "" : `  ${plural(tokens, "token")}`;
      const how = entry.disp === undefined ? "" : `  ${entry.disp}`;
      return { mark: style.green("✓"), call: entry.id, text: style.dim(took + used + how) };
    }
    case "failed":
      return { mark: style.red("✗"), call: entry.id, text: `  ${why(entry.err)}` };
    case "attempt":
      return entry.err === undefined
        ? undefined
        : {
            mark: style.yellow("!"),
            call: entry.id,
            text: `  attempt ${entry.no} failed: ${why(entry.err)}${again(entry.retryAt, io.now())}`,
          };
    case "waiting":
      if (entry.disp !== undefined) return undefined;
      return {
        mark: style.yellow("?"),
        call: entry.id,
        text: `  ${oneLine(entry.question ?? "")}`,
      };
    case "sleeping":
      return {
        mark: style.dim("~"),
        call: entry.id,
        text: `  wakes ${relative(new Date(entry.due), io.now())}`,
      };
    case "rejected":
      return { mark: style.red("✗"), call: entry.id, text: `  answer refused: ${entry.reason}` };
    case "retried":
      return { mark: style.yellow("↻"), call: "retry", text: `  ${entry.voids.join(", ")}` };
    case "cancelling":
      return { mark: style.yellow("■"), call: "cancelling", text: "" };
    default:
      return undefined;
  }
}

function why(error: Parameters<typeof describeError>[0]): string {
  return oneLine(describeError(error), 400);
}

function again(retryAt: number | undefined, now: number): string {
  return retryAt === undefined ? "" : `; next attempt ${relative(new Date(retryAt), now)}`;
}
