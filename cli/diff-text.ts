import type {
  ComparedExecution,
  Delta,
  DiffCell,
  DiffRow,
  DiffedExecution,
  ExecutionDiff,
} from "../core/client/diff.ts";
import type { Console } from "./console.ts";
import { statusText } from "./execution-text.ts";
import { plural, relative, span, table } from "./text.ts";

/** Executions side by side, without any value. */
export function diffLines(say: Console, diff: ExecutionDiff): string[] {
  const { style } = say;
  const [only, ...more] = diff.others;
  const legend = [diff.original, ...diff.others].map((one, index) =>
    legendRow(say, one, index, diff.original.id),
  );
  return [
    ...table(legendHeader.map(style.dim), legend),
    "",
    ...(only !== undefined && more.length === 0
      ? pairLines(say, diff.rows, only)
      : matrixLines(say, diff)),
  ];
}

/** Name of a column: A is the original. */
export function letterOf(index: number): string {
  const rest = Math.floor(index / 26);
  return `${rest === 0 ? "" : letterOf(rest - 1)}${String.fromCharCode(65 + (index % 26))}`;
}

const legendHeader = [
  "",
  "EXECUTION",
  "STATUS",
  "VERSION",
  "STARTED",
  "TOOK",
  "TOKENS",
  "COST",
  "",
];

function legendRow(
  say: Console,
  execution: DiffedExecution,
  index: number,
  originalId: string,
): string[] {
  const { id, status, version, createdAt, durationMs, totalTokens, cost, reused, replayOf } =
    execution;
  return [
    say.style.bold(letterOf(index)),
    id,
    statusText(say, status),
    version,
    relative(createdAt, say.io.now()),
    durationMs === undefined ? notKnown : span(durationMs),
    figureText(totalTokens, reused?.totalTokens, String),
    figureText(cost, reused?.cost, dollars),
    replayOf === undefined ? "" : `replay of ${replayOf === originalId ? letterOf(0) : replayOf}`,
  ];
}

function figureText(
  total: number | undefined,
  reused: number | undefined,
  text: (figure: number) => string,
): string {
  if (total === undefined) return notKnown;
  return reused === undefined ? text(total) : `${text(total)} (${text(reused)} reused)`;
}

// ---- two executions: all that is known

const pairHeader = ["CALL", "B", "TOOK", "TOKENS", "COST", "B WAS", "DIFFERS IN"];

function pairLines(say: Console, rows: readonly DiffRow[], other: ComparedExecution): string[] {
  const cells = rows.flatMap((row) => row.others.map((cell) => pairRow(say, row, cell)));
  const { delta, differences } = other;
  const whole = [
    `(${flowWords})`,
    stateText(say, other.state, 1),
    ...deltaTexts(delta),
    "",
    differences.join(", "),
  ];
  return [
    ...table(pairHeader.map(say.style.dim), [...cells, whole]),
    "",
    say.style.dim(
      `${countText(rows.map(({ others }) => others[0]))}. Figures are B - A; n/a is not known, and not 0.`,
    ),
  ];
}

const flowWords = "the flow";

function pairRow(say: Console, row: DiffRow, cell: DiffCell): string[] {
  const { call, delta, state } = cell;
  return [
    row.id,
    stateText(say, state, 1),
    ...(state === "match" || state === "changed" ? deltaTexts(delta) : ["", "", ""]),
    call === undefined ? "" : call.disposition,
    remark(row, cell),
  ];
}

function remark({ id, original }: DiffRow, { call, differences }: DiffCell): string {
  const moved =
    call === undefined || original === undefined || call.id === id ? [] : [`is ${call.id}`];
  return [...differences, ...moved].join(", ");
}

// ---- several: what became of each call

function matrixLines(say: Console, { rows, others }: ExecutionDiff): string[] {
  const { style } = say;
  const header = ["CALL", ...others.map((_, index) => letterOf(index + 1))];
  const calls = rows.map((row) => [
    row.id,
    ...row.others.map((cell, index) => cellText(say, row, cell, index + 1)),
  ]);
  const figures = (name: string, text: (delta: Delta) => string): string[] => [
    style.dim(name),
    ...others.map(({ delta }) => text(delta)),
  ];
  const whole = others.map(({ state, differences }, index) =>
    withDetails(stateText(say, state, index + 1), differences),
  );
  return table(header.map(style.dim), [
    ...calls,
    [`(${flowWords})`, ...whole],
    figures("took", ({ durationMs }) => spanDelta(durationMs)),
    figures("tokens", ({ totalTokens }) => signed(totalTokens)),
    figures("cost", ({ cost }) => moneyDelta(cost)),
  ]);
}

function cellText(say: Console, row: DiffRow, cell: DiffCell, index: number): string {
  const { call, state } = cell;
  const how = call === undefined || call.disposition === "executed" ? [] : [call.disposition];
  return withDetails(stateText(say, state, index), [...how, ...remarks(row, cell)]);
}

function remarks(row: DiffRow, cell: DiffCell): string[] {
  const text = remark(row, cell);
  return text === "" ? [] : [text];
}

function withDetails(text: string, details: readonly string[]): string {
  return details.length === 0 ? text : `${text} (${details.join(", ")})`;
}

// ---- texts

const notKnown = "n/a";

function stateText({ style }: Console, state: DiffCell["state"], index: number): string {
  switch (state) {
    case "match":
      return style.dim(state);
    case "changed":
      return style.yellow(state);
    case "only original":
      return style.red("only in A");
    case "only other":
      return style.green(`only in ${letterOf(index)}`);
    case "neither":
      return "";
  }
}

function deltaTexts({ durationMs, totalTokens, cost }: Delta): [string, string, string] {
  return [spanDelta(durationMs), signed(totalTokens), moneyDelta(cost)];
}

function spanDelta(ms: number | undefined): string {
  return ms === undefined ? notKnown : `${signOf(ms)}${span(Math.abs(ms))}`;
}

function signed(count: number | undefined): string {
  return count === undefined ? notKnown : `${signOf(count)}${Math.abs(count)}`;
}

function moneyDelta(cost: number | undefined): string {
  return cost === undefined ? notKnown : `${signOf(cost)}${dollars(Math.abs(cost))}`;
}

function dollars(cost: number): string {
  return `$${cost}`;
}

function signOf(value: number): string {
  return value > 0 ? "+" : value < 0 ? "-" : "";
}

function countText(cells: readonly (DiffCell | undefined)[]): string {
  const count = (state: DiffCell["state"]): number =>
    cells.filter((cell) => cell?.state === state).length;
  const parts = [
    [count("match"), "match"],
    [count("changed"), "changed"],
    [count("only original"), "only in A"],
    [count("only other"), "only in B"],
  ] as const;
  const shown = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  return `${plural(cells.length, "call")}: ${shown.join(", ") || "none"}`;
}
