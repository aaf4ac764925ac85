import type { Row } from "./row.ts";

const titles = ["", "what", "durability", "ours", "raw", "of raw", "must hold", "", "remarks"];
const alignRight: ReadonlySet<string> = new Set(["ours", "raw", "of raw"]);

/** Lay rows out for a terminal. */
export function renderTable(rows: readonly Row[]): string {
  const lines = [titles, ...rows.map(cellsOf)];
  const widths = titles.map((_, column) =>
    Math.max(...lines.map((cells) => (cells[column] ?? "").length)),
  );
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  const [head = "", ...body] = lines.map((cells) => lineOf(cells, widths));
  return [head, rule, ...body].join("\n");
}

/** How many of the rows hold what they must. */
export function summary(rows: readonly Row[]): string {
  const held = rows.flatMap(({ target }) => (target === undefined ? [] : [target.ok]));
  const missed = held.filter((ok) => !ok).length;
  return missed === 0
    ? `All ${held.length} targets hold.`
    : `${missed} of ${held.length} targets do not hold here.`;
}

function lineOf(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, column) => {
    const width = widths[column] ?? 0;
    return alignRight.has(titles[column] ?? "") ? cell.padStart(width) : cell.padEnd(width);
  });
  return padded.join("  ").trimEnd();
}

function cellsOf(row: Row): string[] {
  const { workload, what, durability, unit, ours, raw, share, target, note } = row;
  return [
    workload,
    what,
    durability,
    amount(ours, unit),
    raw === undefined ? "" : amount(raw, unit),
    share === undefined ? "" : `${Math.round(share * 100)} %`,
    target?.text ?? "",
    verdict(target?.ok),
    note ?? "",
  ];
}

function verdict(ok: boolean | undefined): string {
  if (ok === undefined) return "";
  return ok ? "pass" : "FAIL";
}

/** Three significant digits, or all of a whole number. */
function amount(value: number, unit: Row["unit"]): string {
  const digits =
    Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const text = value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return unit === "writes" ? text : `${text} ${unit}`;
}
