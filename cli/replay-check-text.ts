import { isAbsolute, relative } from "node:path";
import type { CallDivergence, CheckedExecution, ReplayCheck } from "../core/client/replay-check.ts";
import type { Console } from "./console.ts";
import { oneLine, plural, relative as ago } from "./text.ts";

/** Most executions with divergences that are shown whole. */
const mostShown = 20;

/** What a check of executions against code has found, for people. */
export function replayCheckLines(say: Console, check: ReplayCheck): string[] {
  const diverged = check.executions.filter(({ result }) => result === "diverged");
  const shown = diverged.slice(0, mostShown).flatMap((one) => [...executionLines(say, one), ""]);
  const more = diverged.length - mostShown;
  return [
    ...shown,
    ...(more > 0 ? [say.style.dim(`and ${plural(more, "execution")} more`), ""] : []),
    ...skippedLines(say, check),
    ...(check.ok ? [summaryOf(check)] : []),
  ];
}

/** The check in one sentence. */
export function summaryOf({ flow, against, version, summary }: ReplayCheck): string {
  const { checked, diverged } = summary;
  const of = version === undefined ? "" : ` of version ${version}`;
  const code = against === "local" ? "the local code" : `version ${against}`;
  if (checked === 0)
    return `Flow ${flow} has no execution${of} that can be checked against ${code}.`;
  if (diverged === 0)
    return `${plural(checked, "execution")} of ${flow}${of}: ${code} does what ${checked === 1 ? "it has" : "they have"} recorded.`;
  return `${diverged} of ${plural(checked, "execution")} of ${flow}${of} diverge${diverged === 1 && checked === 1 ? "s" : ""} with ${code}.`;
}

function executionLines(say: Console, execution: CheckedExecution): string[] {
  const { style, io } = say;
  const { id, version, status, createdAt, divergences } = execution;
  return [
    `${style.red("✗")} ${style.bold(id)}  version ${version}, ${status}, ${ago(createdAt, io.now())}`,
    ...divergences.flatMap((divergence) => divergenceLines(say, divergence)),
  ];
}

function divergenceLines({ style, io }: Console, divergence: CallDivergence): string[] {
  const { call, message, place, values } = divergence;
  const what = call === undefined ? message : `${call} ${message}`;
  const text = oneLine(values === undefined ? what : `${what} (${values})`, 400);
  if (place === undefined) return [`    ${text}`];
  const { file, line, column } = place;
  return [`    ${text}`, `      ${style.cyan(`${shortPath(file, io.cwd)}:${line}:${column}`)}`];
}

function shortPath(file: string, cwd: string): string {
  if (!isAbsolute(file)) return file;
  const inside = relative(cwd, file);
  return inside.startsWith("..") ? file : inside;
}

function skippedLines({ style }: Console, { executions, summary }: ReplayCheck): string[] {
  if (summary.skipped === 0) return [];
  const reasons = Map.groupBy(
    executions.flatMap(({ reason }) => reason ?? []),
    (reason) => reason,
  );
  const counts = [...reasons].map(([reason, all]) => `${all.length} (${reason})`);
  return [style.dim(`Skipped ${counts.join(", ")}.`)];
}
