import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { errorParts, isStorable, kindOf, maxDepth, namedKeyOf, symbolKeyOf } from "./storable.ts";

describe("isStorable", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = { cycle };

  test.each<[string, unknown]>([
    ["undefined", undefined],
    ["a bigint", 1n],
    ["nested parts", [{ a: new Map([[{}, new Set([new Date()])]]) }]],
    ["a cycle", cycle],
    ["an error with a function", Object.assign(new Error("x"), { fn() {} })],
    ["a foreign array", runInNewContext("[1]")],
    ["an array with holes", Object.assign([], { 3: 1 })],
  ])("takes %s", (_name, value) => {
    expect(isStorable(value)).toBe(true);
  });

  test.each<[string, unknown]>([
    ["a function", () => 1],
    ["a function in a Map", new Map([["a", () => 1]])],
    ["a function as a key", new Map([[() => 1, 1]])],
    ["a symbol in a Set", new Set([Symbol("s")])],
    ["a symbol key", { [Symbol("s")]: 1 }],
    ["a class instance", [new TextEncoder()]],
    ["an array with fields", "abc".match(/b/)],
    ["a proxy that refuses", new Proxy(new Map(), {})],
  ])("refuses %s", (_name, value) => {
    expect(isStorable(value)).toBe(false);
  });

  test("refuses what is too deep", () => {
    let value: unknown = 1;
    for (let level = 0; level <= maxDepth + 1; level += 1) value = [value];
    expect(isStorable(value)).toBe(false);
  });
});

describe("kindOf", () => {
  test.each<[string, object, string | undefined]>([
    ["plain", {}, "plain"],
    ["bare", Object.create(null), "plain"],
    ["foreign plain", runInNewContext("({})"), "plain"],
    ["foreign array", runInNewContext("[]"), "array"],
    ["foreign subclass of Array", runInNewContext("new (class A extends Array {})()"), undefined],
    ["foreign Map", runInNewContext("new Map()"), undefined],
    ["DOMException", new DOMException("x"), "error"],
    ["faked tag", { [Symbol.toStringTag]: "Date" }, "plain"],
    ["inherits an object", Object.create({ a: 1 }), undefined],
    ["array with a bare prototype", Object.setPrototypeOf([], null), "plain"],
    ["array with an odd prototype", Object.setPrototypeOf([], { a: 1 }), undefined],
    ["array below nothing", Object.setPrototypeOf([], Object.create(null)), undefined],
  ])("%s", (_name, value, kind) => {
    expect(kindOf(value)).toBe(kind);
  });
});

test("symbolKeyOf overlooks hidden symbols", () => {
  const hidden = Object.defineProperty({}, Symbol("h"), { value: 1, enumerable: false });
  expect(symbolKeyOf(hidden)).toBeUndefined();
});

test("namedKeyOf finds the first field among items", () => {
  expect(namedKeyOf([])).toBeUndefined();
  expect(namedKeyOf(["0", "4294967294"])).toBeUndefined();
  expect(namedKeyOf(["0", "4294967295", "b"])).toBe("4294967295");
  expect(namedKeyOf(["01"])).toBe("01");
});

describe("errorParts", () => {
  test("keeps an own `errors` field apart from AggregateError's", () => {
    const error = Object.assign(new Error("x"), { errors: [1] });
    expect(errorParts(error)).toMatchObject({ errors: undefined, fields: { errors: [1] } });
    expect(errorParts(new AggregateError([1]))).toMatchObject({ errors: [1], fields: {} });
  });

  test("leaves out a hidden `errors` that is no list, and a cause that cannot be read", () => {
    const error = Object.defineProperties(new Error("x"), {
      errors: { value: 1, enumerable: false },
      cause: {
        get: () => {
          throw new Error("no");
        },
      },
    });
    expect(errorParts(error)).toMatchObject({ errors: undefined, cause: [] });
  });
});
