import { KitaruUsageError } from "./errors.ts";

type Unit =
  | "ms"
  | "millisecond"
  | "milliseconds"
  | "s"
  | "sec"
  | "second"
  | "seconds"
  | "m"
  | "min"
  | "minute"
  | "minutes"
  | "h"
  | "hr"
  | "hour"
  | "hours"
  | "d"
  | "day"
  | "days"
  | "w"
  | "week"
  | "weeks";

/** A length of time: milliseconds, or text such as `"500ms"`, `"2m"`, `"1.5h"`, `"2 days"`, `"1 week"`. */
export type Duration = number | `${number}${Unit}` | `${number} ${Unit}`;

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const week = 7 * day;

const unitMs: Readonly<Record<Unit, number>> = {
  ms: 1,
  millisecond: 1,
  milliseconds: 1,
  s: second,
  sec: second,
  second,
  seconds: second,
  m: minute,
  min: minute,
  minute,
  minutes: minute,
  h: hour,
  hr: hour,
  hour,
  hours: hour,
  d: day,
  day,
  days: day,
  w: week,
  week,
  weeks: week,
};

/** Longest duration that is taken, in milliseconds: 100 years, so that no due time leaves the range of `Date`. */
export const longestDurationMs: number = 36_525 * day;

const pattern = /^(\d+(?:\.\d+)?|\.\d+) ?([a-z]+)$/i;
const examples =
  'Give milliseconds or text such as "500ms", "30s", "2m", "1.5h", "2 days" or "1 week"';

/**
 * Read a duration as whole milliseconds.
 *
 * @param what names the option in messages, e.g. `the timeout of checkpoint "draft"`
 * @throws KitaruUsageError when it is not one, is negative, or is longer than 100 years
 */
export function parseDuration(value: Duration, what: string): number {
  const ms = typeof value === "string" ? parseText(value) : value;
  if (typeof ms !== "number" || !Number.isFinite(ms) || ms < 0) {
    throw new KitaruUsageError(`${what}: ${shown(value)} is not a duration. ${examples}.`);
  }
  if (ms > longestDurationMs) {
    throw new KitaruUsageError(`${what}: ${shown(value)} is longer than 100 years. ${examples}.`);
  }
  return Math.round(ms);
}

/**
 * The time, in epoch milliseconds, that `value` means at `now`: a duration from then, or a date, which may be past.
 *
 * @throws KitaruUsageError when it is neither, or more than 100 years away
 */
export function dueAt(value: Duration | Date, now: number, what: string): number {
  if (!(value instanceof Date)) return Math.round(now) + parseDuration(value, what);
  const due = value.getTime();
  if (Number.isNaN(due)) {
    throw new KitaruUsageError(`${what}: the date is invalid. ${examples}, or a valid Date.`);
  }
  if (due - now > longestDurationMs) {
    throw new KitaruUsageError(`${what}: ${value.toISOString()} is more than 100 years away.`);
  }
  return due;
}

const shortUnits = [
  ["d", day],
  ["h", hour],
  ["m", minute],
  ["s", second],
] as const;

/** A duration for people: its two largest units, such as `"1d 2h"`, `"1m 30s"`, `"1.5s"`, `"950ms"`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (Math.round(ms) < second) return `${Math.round(ms)}ms`;
  if (ms < minute - 50) return `${Number((ms / second).toFixed(1))}s`;
  let rest = Math.round(ms / second) * second;
  const parts: string[] = [];
  for (const [unit, size] of shortUnits) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

function parseText(value: string): number | undefined {
  const [, amount, unit] = pattern.exec(value.trim()) ?? [];
  const size = unit === undefined ? undefined : sizeOf(unit.toLowerCase());
  return size === undefined ? undefined : Number(amount) * size;
}

function sizeOf(unit: string): number | undefined {
  return isUnit(unit) ? unitMs[unit] : undefined;
}

function isUnit(unit: string): unit is Unit {
  return Object.hasOwn(unitMs, unit);
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
