import { expect, test } from "vitest";
import { memoryBlobs } from "../../testing/memory.ts";
import type { CallKind } from "../journal/entry.ts";
import { JournalState } from "../journal/state.ts";
import { ValueStore } from "../journal/values.ts";
import type { Call } from "./call.ts";
import { divergenceError, firstDifference } from "./divergence.ts";
import type { CallSpec } from "./scope.ts";

const values = new ValueStore(memoryBlobs(), 64);

const cyclic: Record<string, unknown> = {};
cyclic["self"] = cyclic;

const round: Record<string, unknown> = { n: 1 };
round["self"] = round;
const around: Record<string, unknown> = { self: undefined, n: 2 };
around["self"] = around;

/** Two to the power of a hundred ways lead to the leaf. */
function doubled(leaf: unknown): unknown {
  let value = leaf;
  for (let level = 0; level < 100; level += 1) value = [value, value];
  return value;
}

const differences: [unknown, unknown, string | undefined][] = [
  [1, 1, undefined],
  [Number.NaN, Number.NaN, undefined],
  [1, 2, " (recorded 1, now 2)"],
  ["a", 1, ` (recorded "a", now 1)`],
  [undefined, null, " (recorded undefined, now null)"],
  [{ a: { b: [1, 2] } }, { a: { b: [1, 3] } }, ".a.b[1] (recorded 2, now 3)"],
  [{ a: 1 }, { b: 1 }, ".a (recorded 1, now undefined)"],
  [{}, { b: 1 }, ".b (recorded undefined, now 1)"],
  [[1], [1, 2], "[1] (recorded undefined, now 2)"],
  [[], {}, " (recorded [], now {})"],
  [null, {}, " (recorded null, now {})"],
  [10n, 11n, " (recorded 10n, now 11n)"],
  [cyclic, 1, " (recorded <ref *1> { self: [Circular *1] }, now 1)"],
  ["x".repeat(100), "", ` (recorded "${"x".repeat(58)}…, now "")`],
  [{ a: 1 }, { a: 1 }, undefined],
  [round, around, ".n (recorded 1, now 2)"],
  [doubled(1), doubled(2), `${"[0]".repeat(100)} (recorded 1, now 2)`],
  [doubled({}), doubled({}), undefined],
  [{ at: new Date(5), n: 1 }, { at: new Date(5), n: 2 }, ".n (recorded 1, now 2)"],
  [
    { at: new Date(5) },
    { at: new Date(6) },
    ".at (recorded 1970-01-01T00:00:00.005Z, now 1970-01-01T00:00:00.006Z)",
  ],
  [new Map([[1, 2]]), new Map([[1, 3]]), " (recorded Map(1) { 1 => 2 }, now Map(1) { 1 => 3 })"],
  [new Uint8Array([1]), new Uint8Array([1]), undefined],
  [[new Set([1])], [{ 0: 1 }], `[0] (recorded Set(1) { 1 }, now { '0': 1 })`],
  [
    doubled(1),
    1,
    " (recorded [ [ [ [Array], [Array] ], [ [Array], [Array] ] ], [ [ [Arra…, now 1)",
  ],
  [{}, { a: undefined }, ".a (recorded nothing, now undefined)"],
  [{ a: undefined }, {}, ".a (recorded undefined, now nothing)"],
  [{ "a b": { "": 1 } }, { "a b": { "": 2 } }, `["a b"][""] (recorded 1, now 2)`],
];

test.each(differences)("between %o and %o", (before, after, path) => {
  expect(firstDifference(before, after, "")).toBe(path);
});

function call(kind: CallKind, spec: CallSpec, fields: Partial<Call> = {}): Call {
  return {
    id: "x:0",
    kind,
    name: "x",
    ask: 0,
    h: "new",
    spec,
    inputs: [],
    promise: Promise.resolve(),
    resolve: () => undefined,
    reject: () => undefined,
    recorded: undefined,
    settled: false,
    work: undefined,
    ...fields,
  };
}

const sleeping: CallSpec = { kind: "sleep", length: 5 };
const asking: CallSpec = {
  kind: "llm",
  call: { name: "x", identity: "prompt", run: () => Promise.reject(new Error("never")) },
};

async function messageOf(made: Call, known: Partial<Call>): Promise<string> {
  const { id, kind, name, ask, h } = { ...made, h: "old", ...known };
  const found = { kind: "changed", call: made, known: { id, kind, name, ask, h } } as const;
  return (await divergenceError(found, new JournalState(), values)).message;
}

test("kinds are named in the words of the API", async () => {
  expect(await messageOf(call("sleep", sleeping), { kind: "llm" })).toContain(
    "it was recorded as an llm call and is now a sleep",
  );
  expect(await messageOf(call("llm", asking), { kind: "flow" })).toContain(
    "it was recorded as a child flow and is now an llm call",
  );
});

test("an input of which nothing was kept changed without a path", async () => {
  expect(await messageOf(call("llm", asking), {})).toContain(
    "at x:0: its input changed. Nothing new",
  );
});

test("many calls that are not asked for any more are counted", async () => {
  const ids = Array.from({ length: 8 }, (_, n) => `a:${n}`);
  const error = await divergenceError(
    { kind: "unasked", ids, fresh: ["b:0"] },
    new JournalState(),
    values,
  );
  expect(error.message).toContain(
    `"a:4" and 3 more, but the code does not ask for those any more, and asks for "b:0" instead`,
  );
  expect(error.details).toEqual({ call: "a:0", calls: ids });
});
