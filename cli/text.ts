import { stripVTControlCharacters } from "node:util";

/** Colours a text, or leaves it as it is. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

/** Colours for a terminal; plain text for anything else. */
export function makeStyle(isColored: boolean): Style {
  const code =
    (open: number, close: number) =>
    (text: string): string =>
      isColored && text !== "" ? `\u001B[${open}m${text}\u001B[${close}m` : text;
  return {
    bold: code(1, 22),
    dim: code(2, 22),
    red: code(31, 39),
    green: code(32, 39),
    yellow: code(33, 39),
    cyan: code(36, 39),
  };
}

/** Lines of aligned columns; the last one is left as long as it is. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...lines.map((line) => widthOf(line[column] ?? ""))),
  );
  return lines.map((line) =>
    line
      .map((cell, column) =>
        column === line.length - 1 ? cell : cell + pad((widths[column] ?? 0) - widthOf(cell)),
      )
      .join("  ")
      .trimEnd(),
  );
}

/** Lines of `name  value`, the values aligned. */
export function fields(entries: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...entries.map(([name]) => widthOf(name)));
  return entries.map(([name, value]) => `${name}${pad(width - widthOf(name))}  ${value}`.trimEnd());
}

/** How long ago, or how soon: `5 s ago`, `in 2 days`. */
export function relative(at: Date, now: number): string {
  const ms = now - at.getTime();
  if (Math.abs(ms) < 1000) return "now";
  return ms > 0 ? `${span(ms)} ago` : `in ${span(-ms)}`;
}

const units = [
  { ms: 86_400_000, name: "day" },
  { ms: 3_600_000, name: "h" },
  { ms: 60_000, name: "min" },
  { ms: 1000, name: "s" },
] as const;

/** A length of time in its largest unit: `350 ms`, `1.2 s`, `3 min`, `2 days`. */
export function span(ms: number): string {
  const unit = units.find((one) => ms >= one.ms);
  if (unit === undefined) return `${Math.round(ms)} ms`;
  const count = ms / unit.ms;
  if (unit.name === "s" && count < 10) return `${trimZero(count.toFixed(1))} s`;
  const whole = Math.floor(count);
  return unit.name === "day" ? plural(whole, "day") : `${whole} ${unit.name}`;
}

function trimZero(text: string): string {
  return text.replace(/\.0$/, "");
}

/** `1 wait`, `2 waits`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Bytes for people: `812 B`, `1.4 MB`. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${trimZero((count / 1000).toFixed(1))} kB`;
  if (count < 1_000_000_000) return `${trimZero((count / 1_000_000).toFixed(1))} MB`;
  return `${trimZero((count / 1_000_000_000).toFixed(1))} GB`;
}

/** A text on one line, without control characters, at most `width` long. */
export function oneLine(text: string, width = 100): string {
  const line = stripVTControlCharacters(text)
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim();
  return line.length <= width ? line : `${line.slice(0, width - 1).toWellFormed()}…`;
}

const graphemes = new Intl.Segmenter();

function widthOf(text: string): number {
  return Array.from(graphemes.segment(stripVTControlCharacters(text))).length;
}

function pad(count: number): string {
  return " ".repeat(Math.max(0, count));
}
