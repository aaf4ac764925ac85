import type { Style } from "../text.ts";
import type { Finding } from "./rules.ts";

/** Columns of source that are shown around what is meant. */
const frameWidth = 110;
const before = 60;

/** A finding for a person: where, the rule, the message, and the line of source. */
export function findingLines(
  { line, column, rule, severity, message, ...what }: Finding,
  path: string,
  style: Style,
): string[] {
  const place = style.bold(`${path}:${line}:${column}`);
  const paint = severity === "error" ? style.red : style.yellow;
  const label = severity === "error" ? rule : `${rule} (warning)`;
  const { text, caret } = frame(what, column);
  const number = String(line);
  return [
    `${place}  ${paint(label)}  ${message}`,
    `  ${style.dim(`${number} │`)} ${text}`,
    `  ${style.dim(`${" ".repeat(number.length)} │`)} ${paint(caret)}`,
  ];
}

/** A line of source, cut around what is meant, and marks below that. */
function frame(
  { source, length }: Pick<Finding, "source" | "length">,
  column: number,
): { readonly text: string; readonly caret: string } {
  const start = column - 1;
  const from = source.length <= frameWidth ? 0 : Math.max(0, start - before);
  const text = source.slice(from, from + frameWidth);
  const marked = Math.max(1, Math.min(length, text.length - (start - from)));
  // Tabs stay tabs, so that the marks stand below what they mean however wide a tab is.
  const indent = text.slice(0, start - from).replaceAll(/[^\t]/g, " ");
  return { text: text.trimEnd(), caret: `${indent}${"^".repeat(marked)}` };
}
