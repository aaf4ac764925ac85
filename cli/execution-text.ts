import type {
  CallStatus,
  CallView,
  Execution,
  ImportedView,
  ListedStatus,
  LogLine,
} from "../core/client/execution.ts";
import type { Usage } from "../core/models/usage.ts";
import type { Console } from "./console.ts";
import { toPlain } from "../core/client/plain.ts";
import { toText } from "./plain.ts";
import { bytes, fields, oneLine, plural, relative, span, table } from "./text.ts";

/** A status in its colour. */
export function statusText({ style }: Console, status: ListedStatus | CallStatus): string {
  switch (status) {
    case "completed":
      return style.green(status);
    case "failed":
    case "damaged":
      return style.red(status);
    case "waiting":
    case "queued":
      return style.yellow(status);
    case "running":
      return style.cyan(status);
    case "cancelled":
      return style.dim(status);
  }
}

/** An execution for people; `waits` are the lines that tell how to answer. */
export function executionLines(
  say: Console,
  execution: Execution,
  waits: readonly string[],
): string[] {
  const { style } = say;
  return [
    ...fields(factsOf(say, execution).map(([name, value]) => [style.dim(name), value] as const)),
    ...section(style.bold("Waits"), waits),
    ...section(
      `${style.bold("Calls")} ${style.dim("(a replay can start from any of these ids)")}`,
      execution.calls.length === 0 ? [] : callLines(say, execution.calls),
    ),
    ...section(style.bold("Artifacts"), artifactLines(say, execution)),
    ...section(style.bold("Output"), outputLines(execution)),
  ];
}

/** One line of a log. */
export function logLine({ style }: Console, line: LogLine): string {
  const call = line.callId === undefined ? "" : `${style.cyan(line.callId)}  `;
  const text = line.fields === undefined ? line.message : JSON.stringify(toPlain(line.fields));
  return `${style.dim(line.at.toISOString())}  ${call}${oneLine(text, 2000)}`;
}

type Fact = readonly [string, string];

function importedText({ from, at, copy }: ImportedView, now: number): string {
  return `from stack ${from}, ${relative(at, now)}${copy ? "; a copy, its original may go on" : ""}`;
}

function factsOf(say: Console, execution: Execution): Fact[] {
  const { createdAt, startedAt, endedAt, error, parent, imported, usage, replayOf } = execution;
  const now = say.io.now();
  const end = endedAt === undefined ? [] : [took(startedAt ?? createdAt, endedAt, now)];
  return [
    ["execution", say.style.bold(execution.id)],
    ["flow", `${execution.flow} (version ${execution.version})`],
    ["stack", execution.stack],
    ["status", statusText(say, execution.status)],
    ...(error === undefined
      ? []
      : [["error", oneLine(`${error.name}: ${error.message}`, 1000)] as const]),
    ["created", `${createdAt.toISOString()} (${relative(createdAt, now)})`],
    ...end,
    ...(parent === undefined ? [] : [["parent", `${parent.id} (call ${parent.call})`] as const]),
    ...(imported === undefined ? [] : [["imported", importedText(imported, now)] as const]),
    ...(replayOf === undefined ? [] : [["replays", replayText(execution, replayOf)] as const]),
    ["input", oneLine(toText(execution.input), 200)],
    ...(usage.totalTokens === 0 ? [] : [["usage", usageText(usage)] as const]),
  ];
}

/** What it replays, and what was to be different. */
function replayText({ replay, unusedOverrides = [] }: Execution, source: string): string {
  const { from, overrides = [], skip = [] } = replay ?? {};
  const parts = [
    ...(from === undefined ? [] : [`from ${from}`]),
    ...overrides.map(({ target, field }) =>
      field === "output" ? target : `${field} of ${target}`,
    ),
    ...skip.map((target) => `${target} skipped`),
  ];
  const unused =
    unusedOverrides.length === 0 ? "" : `; not asked for: ${unusedOverrides.join(", ")}`;
  return `${source}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}${unused}`;
}

function took(start: Date, end: Date, now: number): Fact {
  return ["ended", `${relative(end, now)}, after ${span(end.getTime() - start.getTime())}`];
}

function usageText({ totalTokens, inputTokens, outputTokens, cost, reused }: Usage): string {
  const money = cost === undefined ? "" : `, $${cost}`;
  const again = reused.totalTokens === 0 ? "" : `, ${reused.totalTokens} of them reused`;
  return `${plural(totalTokens, "token")} (${inputTokens} in, ${outputTokens} out${again})${money}`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];
}

function callLines(say: Console, calls: readonly CallView[]): string[] {
  return table(
    ["ID", "KIND", "STATUS", "TRIES", "TOOK", ""].map(say.style.dim),
    calls.map((call) => [
      call.id,
      call.type ?? call.kind,
      statusText(say, call.status),
      call.attempts.length === 0 ? "" : String(call.attempts.at(-1)?.number),
      call.endedAt === undefined
        ? ""
        : span(Math.max(0, call.endedAt.getTime() - call.startedAt.getTime())),
      remark(call),
    ]),
  );
}

function remark({ disposition, error, attempts, llm }: CallView): string {
  const tokens = llm.reduce((sum, record) => sum + (record.totalTokens ?? 0), 0);
  const failure = error ?? attempts.findLast((attempt) => attempt.error !== undefined)?.error;
  const parts = [
    disposition === "executed" ? "" : disposition,
    llm.length === 0 ? "" : `${llm.at(-1)?.resolvedModel}, ${plural(tokens, "token")}`,
    failure === undefined ? "" : oneLine(`${failure.name}: ${failure.message}`, 80),
  ];
  return parts.filter((part) => part !== "").join("; ");
}

function artifactLines(say: Console, { artifacts }: Execution): string[] {
  if (artifacts.length === 0) return [];
  return table(
    ["ID", "TYPE", "SIZE"].map(say.style.dim),
    artifacts.map(({ id, type, size }) => [id, type, bytes(size)]),
  );
}

function outputLines({ status, output }: Execution): string[] {
  return status === "completed" && output !== undefined ? toText(output).split("\n") : [];
}
