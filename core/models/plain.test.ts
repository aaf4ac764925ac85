import { expect, test } from "vitest";
import { fromPlain, toPlain } from "./plain.ts";

test("plain data is copied, and what is undefined or cannot be stored is left out", () => {
  const value = { a: [1, null, "x", { b: true }], c: undefined, f: () => 1, s: Symbol("s") };
  const copy = toPlain(value);
  expect(copy).toStrictEqual({ a: [1, null, "x", { b: true }] });
  expect((copy as typeof value).a).not.toBe(value.a);
  expect(toPlain([undefined, () => 1])).toStrictEqual([undefined, undefined]);
});

test("URLs survive the way there and back", () => {
  const value = {
    data: { type: "url", url: new URL("https://a.example/b?c") },
    list: [new URL("https://d/")],
  };
  const stored = toPlain(value);
  expect(stored).toEqual({
    data: { type: "url", url: { $url: "https://a.example/b?c" } },
    list: [{ $url: "https://d/" }],
  });
  expect(fromPlain(stored)).toEqual(value);
});

test("only an object of that one field is a URL", () => {
  expect(fromPlain({ $url: "https://a/", more: 1 })).toEqual({ $url: "https://a/", more: 1 });
  expect(fromPlain({ $url: 3 })).toEqual({ $url: 3 });
  const date = new Date(0);
  expect(fromPlain(date)).toBe(date);
  expect(fromPlain(Object.assign(Object.create(null), { a: 1 }))).toEqual({ a: 1 });
});

test("bytes, dates, maps, sets and errors", () => {
  const bytes = new Uint8Array([1, 2]);
  expect(toPlain(Buffer.from(bytes))).toStrictEqual(bytes);
  expect(toPlain(bytes.buffer)).toStrictEqual(bytes);
  expect(toPlain(new Date(5))).toStrictEqual(new Date(5));
  expect(toPlain(new Map([["u", new URL("https://a/")]]))).toEqual(
    new Map([["u", { $url: "https://a/" }]]),
  );
  expect(toPlain(new Set([new URL("https://a/")]))).toEqual(new Set([{ $url: "https://a/" }]));
  expect(toPlain(new RangeError("no"))).toEqual({ name: "RangeError", message: "no" });
});

test("class instances give their fields, or their own JSON", () => {
  class Point {
    x = 1;
    get y(): number {
      return 2;
    }
  }
  expect(toPlain(new Point())).toStrictEqual({ x: 1 });
  expect(toPlain({ toJSON: () => ({ z: 3 }) })).toEqual({ z: 3 });
});

test("a cycle ends where it closes; a value used twice stays twice", () => {
  const shared = { s: 1 };
  const value: Record<string, unknown> = { a: shared, b: shared };
  value["self"] = value;
  expect(toPlain(value)).toEqual({ a: { s: 1 }, b: { s: 1 } });
});
