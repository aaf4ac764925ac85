import { expect, test } from "vitest";
import type { DiffRow, DiffedExecution, ExecutionDiff } from "../core/client/diff.ts";
import { StoredValue } from "../core/client/values.ts";
import { diffLines, letterOf } from "./diff-text.ts";
import { valueLines } from "./diff-values-text.ts";
import { silentConsole } from "./fixtures/silent.ts";

const say = silentConsole({ now: () => 60_000 });

const execution = (id: string, fields: Partial<DiffedExecution> = {}): DiffedExecution => ({
  id,
  version: "local",
  status: "completed",
  createdAt: new Date(0),
  ...fields,
});
const call = (id: string, fields: object = {}) =>
  ({ id, status: "completed", disposition: "executed", attempts: 1, ...fields }) as const;
const row = (id: string, ...others: DiffRow["others"]): DiffRow => ({
  id,
  kind: "checkpoint",
  name: "n",
  original: call(id),
  others,
});

function diff(rows: readonly DiffRow[], ...ids: readonly string[]): ExecutionDiff {
  return {
    flow: "f",
    original: execution("e1", { durationMs: 90 }),
    others: ids.map((id) => ({
      ...execution(id, {
        replayOf: "e1",
        totalTokens: 12,
        cost: 0.5,
        reused: { totalTokens: 7 },
      }),
      state: "match" as const,
      differences: [],
      delta: { durationMs: -1500, totalTokens: 5, cost: -0.002 },
    })),
    rows,
  };
}

const steady = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replaceAll(/ +/g, " "));

test("figures have a sign, what is not known is n/a, and a call asked elsewhere says where", () => {
  const lines = diffLines(
    say,
    diff(
      [
        row("a:0", {
          state: "match",
          differences: [],
          call: call("a:1", { disposition: "reused" }),
          delta: { totalTokens: 0 },
        }),
        row("b:0", { state: "only original", differences: [], delta: {} }),
        {
          id: "c:0",
          kind: "checkpoint",
          name: "c",
          others: [
            {
              state: "only other",
              differences: [],
              call: call("c:0", { disposition: "overridden" }),
              delta: {},
            },
          ],
        },
      ],
      "e2",
    ),
  );
  expect(steady(lines)).toEqual([
    " EXECUTION STATUS VERSION STARTED TOOK TOKENS COST",
    "A e1 completed local 1 min ago 90 ms n/a n/a",
    "B e2 completed local 1 min ago n/a 12 (7 reused) $0.5 replay of A",
    "",
    "CALL B TOOK TOKENS COST B WAS DIFFERS IN",
    "a:0 match n/a 0 n/a reused is a:1",
    "b:0 only in A",
    "c:0 only in B overridden",
    "(the flow) match -1.5 s +5 -$0.002",
    "",
    "3 calls: 1 match, 1 only in A, 1 only in B. Figures are B - A; n/a is not known, and not 0.",
  ]);
});

test("a matrix says how each call came about where it was not executed", () => {
  const lines = diffLines(
    say,
    diff(
      [
        row(
          "a:0",
          {
            state: "changed",
            differences: ["output"],
            call: call("a:0", { disposition: "overridden" }),
            delta: {},
          },
          {
            state: "match",
            differences: [],
            call: call("a:0", { disposition: "reused" }),
            delta: {},
          },
          { state: "neither", differences: [], delta: {} },
        ),
      ],
      "e2",
      "e3",
      "e4",
    ),
  );
  expect(steady(lines.slice(5))).toEqual([
    "",
    "CALL B C D",
    "a:0 changed (overridden, output) match (reused)",
    "(the flow) match match match",
    "took -1.5 s -1.5 s -1.5 s",
    "tokens +5 +5 +5",
    "cost -$0.002 -$0.002 -$0.002",
  ]);
});

test("columns go on after Z", () => {
  expect([0, 25, 26, 51, 52, 701, 702].map(letterOf)).toEqual([
    "A",
    "Z",
    "AA",
    "AZ",
    "BA",
    "ZZ",
    "AAA",
  ]);
});

async function shown(original: unknown, other: unknown): Promise<string[]> {
  const values = [{ name: "output", original, other }];
  const found = diff(
    [
      row("a:0", {
        state: "changed",
        differences: ["output"],
        call: call("a:0"),
        delta: {},
        values,
      }),
    ],
    "e2",
  );
  return (await valueLines(say, found)).slice(2);
}

test("values are shown line by line, keys in order, far-off lines left out", async () => {
  const numbers = Array.from({ length: 40 }, (_, index) => index);
  const changed = numbers.map((number) => (number === 5 || number === 30 ? -1 : number));
  expect(await shown({ b: 1, a: numbers }, { a: changed, b: 1 })).toEqual([
    "      2,",
    "      3,",
    "      4,",
    "-     5,",
    "+     -1,",
    "      6,",
    "      7,",
    "      8,",
    "…",
    "      27,",
    "      28,",
    "      29,",
    "-     30,",
    "+     -1,",
    "      31,",
    "      32,",
    "      33,",
  ]);
});

test("a value that is not there, one that was not read, and one that text does not tell apart", async () => {
  expect(await shown(undefined, "text")).toEqual(["- (no value)", "+ text"]);
  expect(await shown("\u001B[31mred", "plain")).toEqual(["- red", "+ plain"]);
  expect(await shown(new StoredValue(2_000_000, () => ""), "short")).toEqual([
    "- (2 MB, not read)",
    "+ short",
  ]);
  expect(await shown(1n, "1")).toEqual(['- "1"', "+ 1"]);
  expect(await shown(new Set([1]), [1])).toEqual([
    "  (the same as text; they differ in what JSON does not show)",
  ]);
  const one = diff(
    [
      row("a:0", {
        state: "changed",
        differences: ["status"],
        call: call("a:0"),
        delta: {},
        values: [{ name: "error", other: { message: "no" } }],
      }),
    ],
    "e2",
    "e3",
  );
  expect(await valueLines(say, one)).toEqual([
    "",
    "a:0  B  error",
    "+ {",
    '+   "message": "no"',
    "+ }",
  ]);
});

test("texts that differ in too much are told by their size", async () => {
  const text = (seed: number): string =>
    Array.from({ length: 60_000 }, (_, index) => String((index * seed) % 99_991)).join("\n");
  const lines = await shown(text(7919), text(104_729));
  expect(lines).toEqual([
    expect.stringMatching(/^- \([\d.]+ kB\)$/),
    expect.stringMatching(/^\+ \([\d.]+ kB\), differing in too many lines to show$/),
  ]);
});
