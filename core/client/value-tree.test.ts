import fc from "fast-check";
import { expect, test } from "vitest";
import { digest, sha256Hex } from "../hash.ts";
import { bytesTree, isTelling, textTree, valueTree } from "./value-tree.ts";

const long = "a text of more than sixty-four characters, so that it is known by its hash";

test("equal values have equal keys however they are built, others do not", () => {
  expect(valueTree({ a: 1, b: [2] }).key).toBe(valueTree({ b: [2], a: 1 }).key);
  const different = [
    {},
    [],
    new Map(),
    new Set(),
    null,
    undefined,
    0,
    -0,
    1,
    1n,
    "1",
    "",
    true,
    [1],
    new Set([1]),
    { "0": 1 },
    new Map([["a", 1]]),
    { a: 1 },
    ["ab"],
    ["a", "b"],
    new Date(1),
    new URL("https://a.example"),
    new Uint8Array([1]),
    long,
    `\uD800${long}`,
    new Error("no"),
  ];
  expect(new Set(different.map((value) => valueTree(value).key)).size).toBe(different.length);
});

test("keys are equal exactly where digests are", () => {
  const value = fc.anything({
    withDate: true,
    withMap: true,
    withSet: true,
    withBigInt: true,
    maxDepth: 2,
  });
  fc.assert(
    fc.property(value, value, (a, b) => {
      expect(valueTree(a).key === valueTree(b).key).toBe(digest(a) === digest(b));
      expect(valueTree(structuredClone(a)).key).toBe(valueTree(a).key);
    }),
  );
});

test("a text or bytes known by their hash alone are the same as those that were read", () => {
  expect(textTree(sha256Hex(long), long.length)).toEqual(valueTree(long));
  const bytes = new Uint8Array([1, 2, 3, 4, 5]);
  expect(bytesTree(sha256Hex(bytes), 5)).toEqual(valueTree(bytes));
});

test.each([
  [true, false],
  [null, false],
  [undefined, false],
  ["", false],
  ["yes", false],
  ["topic", true],
  ["屋根", true],
  [7, false],
  [1200, false],
  [0.012, false],
  [Number.NaN, false],
  [129.99, true],
  [84_213_377n, true],
  [{ approved: true }, false],
  [{ approved: true, note: "short" }, true],
  [[1, 2, 3, 4], false],
  [[1, 2, 3, 4, 5], true],
  [[], false],
  [new Date(0), true],
] as const)("%s says enough: %s", (value, expected) => {
  expect(isTelling(valueTree(value))).toBe(expected);
});

test("members have the steps code would take to them", () => {
  const { members } = valueTree({
    a: 1,
    "b c": new Map<unknown, unknown>([
      ["k", 1],
      [2, 2],
    ]),
    d: [new Set(["x"])],
  });
  const steps = members.flatMap(([step, { members: inner }]) => [
    step,
    ...inner.map(([more]) => step + more),
  ]);
  expect(steps).toEqual([".a", '["b c"]', '["b c"]["k"]', '["b c"][number:2]', ".d", ".d[0]"]);
});

test("a hole of an array is a member like another", () => {
  const sparse: unknown[] = ["a"];
  sparse[2] = "b";
  expect(valueTree(sparse).members.map(([step]) => step)).toEqual(["[0]", "[1]", "[2]"]);
});

test("cycles end, and what is referred to along many paths is walked once", () => {
  const cyclic: { name: string; self?: unknown } = { name: "cyclic" };
  cyclic.self = cyclic;
  const other: { name: string; self?: unknown } = { name: "cyclic" };
  other.self = other;
  expect(valueTree(cyclic).key).toBe(valueTree(other).key);
  let shared: unknown = "leaf of the tree";
  for (let depth = 0; depth < 60; depth++) shared = [shared, shared];
  expect(isTelling(valueTree(shared))).toBe(true);
});
