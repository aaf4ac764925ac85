import { stripVTControlCharacters } from "node:util";
import type { DiffCell, DiffedValue, ExecutionDiff } from "../core/client/diff.ts";
import { StoredValue } from "../core/client/values.ts";
import type { Console } from "./console.ts";
import { letterOf } from "./diff-text.ts";
import { toPlain } from "../core/client/plain.ts";
import { bytes } from "./text.ts";

type StructuredPatch = typeof import("diff").structuredPatch;

/** Lines around a change. */
const context = 3;
/** Texts that differ in more lines than are found in this time are not shown line by line. */
const timeoutMs = 1000;

/** What differs between executions, value by value and line by line. */
export async function valueLines(say: Console, diff: ExecutionDiff): Promise<string[]> {
  const { structuredPatch } = await import("diff"); // only here: nothing else needs it
  const show = (title: string, values: DiffCell["values"] = []): string[] =>
    values.flatMap((value) => [
      "",
      say.style.bold(`${title}  ${value.name}`),
      ...changeLines(say, value, structuredPatch),
    ]);
  return diff.others.flatMap((other, index) => {
    const column = diff.others.length === 1 ? "" : `  ${letterOf(index + 1)}`;
    return [
      ...diff.rows.flatMap((row) => show(row.id + column, row.others[index]?.values)),
      ...show(`(the flow)${column}`, other.values),
    ];
  });
}

function changeLines(
  { style }: Console,
  value: DiffedValue,
  structuredPatch: StructuredPatch,
): string[] {
  const before = "original" in value ? textOf(value.original) : "";
  const after = "other" in value ? textOf(value.other) : "";
  if (before === after)
    return [style.dim("  (the same as text; they differ in what JSON does not show)")];
  const patch = structuredPatch("", "", ended(before), ended(after), "", "", {
    context,
    timeout: timeoutMs,
  });
  if (patch === undefined)
    return [
      style.red(`- ${sizeText(before)}`),
      style.green(`+ ${sizeText(after)}, differing in too many lines to show`),
    ];
  return patch.hunks.flatMap(({ lines }, index) => [
    ...(index === 0 ? [] : [style.dim("…")]),
    ...lines.map((line) => coloured(style, line)),
  ]);
}

function ended(text: string): string {
  return text === "" ? "" : `${text}\n`;
}

function coloured(style: Console["style"], line: string): string {
  const text = `${line.slice(0, 1)} ${stripVTControlCharacters(line.slice(1))}`;
  if (line.startsWith("+")) return style.green(text);
  return line.startsWith("-") ? style.red(text) : style.dim(text);
}

function sizeText(text: string): string {
  return `(${bytes(Buffer.byteLength(text))})`;
}

/** Keys in order, so that only what matters differs. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined) return "(no value)";
  if (value instanceof StoredValue) return `(${bytes(value.size)}, not read)`;
  return JSON.stringify(toPlain(value), sortKeys, 2);
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
  );
}
