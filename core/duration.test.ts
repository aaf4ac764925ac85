import { describe, expect, test } from "vitest";
import {
  type Duration,
  dueAt,
  formatDuration,
  longestDurationMs,
  parseDuration,
} from "./duration.ts";

describe("parseDuration", () => {
  test.each<[Duration, number]>([
    [0, 0],
    [1500, 1500],
    [0.4, 0],
    ["500ms", 500],
    ["0s", 0],
    ["30s", 30_000],
    ["2m", 120_000],
    ["1.5h", 5_400_000],
    ["2 days", 172_800_000],
    ["1 week", 604_800_000],
    ["3 sec", 3000],
    ["1 millisecond", 1],
    ["4 hr", 14_400_000],
    ["1w", 604_800_000],
    [".5s", 500],
    ["5200 weeks", 5200 * 604_800_000],
  ])("%j", (value, ms) => {
    expect(parseDuration(value, "the timeout")).toBe(ms);
  });

  test("overlooks case and space around", () => {
    expect(parseDuration(" 2 Days " as Duration, "x")).toBe(172_800_000);
  });

  test.each([
    "",
    "m",
    "2",
    "2 moons",
    "-2m",
    "1e3s",
    "2  m",
    "1h 30m",
    "2 constructor",
    -1,
    Number.NaN,
    Infinity,
    undefined,
    null,
    new Date(0),
    {},
  ])("refuses %o", (value) => {
    const parse = (): number =>
      parseDuration(value as Duration, 'the timeout of checkpoint "draft"');
    expect(parse).toThrow(expect.objectContaining({ code: "usage" }));
    expect(parse).toThrow(
      /^the timeout of checkpoint "draft": .* is not a duration\. Give milliseconds or text such as "500ms"/,
    );
  });

  test("shows what it received", () => {
    expect(() => parseDuration("2 moons" as Duration, "x")).toThrow('x: "2 moons" is not');
    expect(() => parseDuration(-1, "x")).toThrow("x: -1 is not");
  });

  test("stops at 100 years", () => {
    expect(parseDuration(longestDurationMs, "x")).toBe(longestDurationMs);
    expect(() => parseDuration("36526 days", "x")).toThrow('"36526 days" is longer than 100 years');
    expect(() => parseDuration(Number.MAX_VALUE, "x")).toThrow("longer than 100 years");
  });
});

describe("dueAt", () => {
  const now = Date.UTC(2026, 0, 1);

  test("adds a duration to now", () => {
    expect(dueAt("2m", now, "x")).toBe(now + 120_000);
    expect(dueAt(5, now + 0.3, "x")).toBe(now + 5);
  });

  test("takes a date, also a past one", () => {
    expect(dueAt(new Date(now + 7), now, "x")).toBe(now + 7);
    expect(dueAt(new Date(0), now, "x")).toBe(0);
  });

  test("refuses an invalid date and one too far away", () => {
    expect(() => dueAt(new Date(Number.NaN), now, "sleep")).toThrow("sleep: the date is invalid");
    expect(() => dueAt(new Date("2200-01-01"), now, "sleep")).toThrow(
      "sleep: 2200-01-01T00:00:00.000Z is more than 100 years away",
    );
    expect(() => dueAt("soon" as Duration, now, "sleep")).toThrow(
      'sleep: "soon" is not a duration',
    );
  });
});

test.each([
  [0, "0ms"],
  [950.4, "950ms"],
  [999.9, "1s"],
  [1500, "1.5s"],
  [59_940, "59.9s"],
  [59_999, "1m"],
  [60_000, "1m"],
  [90_000, "1m 30s"],
  [3_600_000, "1h"],
  [3_601_000, "1h"],
  [7_260_000, "2h 1m"],
  [93_600_000, "1d 2h"],
  [604_800_000, "7d"],
  [-90_000, "-1m 30s"],
])("formatDuration(%d) is %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
