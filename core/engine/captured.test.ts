import { expect, test } from "vitest";
import { memoryBlobs } from "../../testing/memory.ts";
import { ValueStore } from "../journal/values.ts";
import { capture, refOf, refsOf, release } from "./captured.ts";

const values = new ValueStore(memoryBlobs(), 64);

test("what is captured stays as it was, and each release is a copy", () => {
  const input = { list: [1, 2], at: new Date(5) };
  const captured = capture(input, () => "argument 1");
  input.list.push(3);
  const first = release(captured) as typeof input;
  expect(first).toEqual({ list: [1, 2], at: new Date(5) });
  first.list.push(9);
  expect(release(captured)).toEqual({ list: [1, 2], at: new Date(5) });
});

test.each(["text", 1, true, null])("%j needs no copy", (value) => {
  expect(capture(value, () => "x")).toEqual({ v: value });
  expect(release(capture(value, () => "x"))).toBe(value);
  expect(
    refOf(
      values,
      capture(value, () => "x"),
    ),
  ).toEqual({ v: value });
});

test("refs are made at once unless one of them is a blob", async () => {
  const small = [capture(1, () => "x"), capture({ a: 1 }, () => "y")];
  expect(refsOf(values, small)).toEqual([{ v: 1 }, { v: { a: 1 } }]);
  const mixed = refsOf(values, [...small, capture("z".repeat(1000), () => "z")]);
  expect(mixed).toBeInstanceOf(Promise);
  expect(await mixed).toMatchObject([{ v: 1 }, { v: { a: 1 } }, { n: 1000 }]);
});

test("what cannot be stored is named", () => {
  expect(() => capture({ send: () => 1 }, () => "argument 1 of x:0")).toThrow(
    /argument 1 of x:0.*send/s,
  );
});
