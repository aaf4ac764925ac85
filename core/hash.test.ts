import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode, encode } from "./codec.ts";
import { KitaruSerializationError, KitaruTimeoutError } from "./errors.ts";
import { digest, digestOf, fingerprint, hashVersion, sha256Hex } from "./hash.ts";
import { maxDepth } from "./storable.ts";

class Client {
  readonly url = "x";
}

const cycle: Record<string, unknown> = { b: 1 };
cycle["a"] = { up: cycle };

/** As deep as a value may be. */
let deepest: unknown = 1;
for (let level = 0; level < maxDepth; level += 1)
  deepest = level % 2 === 0 ? [deepest] : { deep: deepest };

const knot = new Map<string, unknown>();
knot.set("set", new Set([knot]));
knot.set("error", Object.assign(new Error("round"), { knot }));

// oxlint-disable-next-line no-sparse-arrays
const holes = [1, , 3];

const golden: readonly (readonly [name: string, value: unknown, digest: string])[] = [
  ["undefined", undefined, "C_6TXnDDIcfKOvx1zg0MovmLVCLgCLsxwAxtfx8cCtY"],
  ["null", null, "Gxax31OLoS3D-X7buFyqcFDUbBSBNCkP66gPgjbIPbk"],
  ["true", true, "47mKTaMaEn1L3m5DAz9muidMqw636xxw7EFAK_YnPdg"],
  ["false", false, "JS8QyDYQ68oaBZwLroJV66L5W-TR17z6idckioLZ8RE"],
  ["0", 0, "f5wThz-61AwNnsDOWLZR2XdlYW0DfUtIPTWCcbz7Z6M"],
  ["-0", -0, "8pUgUDui52221a3FZIX1anFoUS8GM4gM49hBQAd3eJ8"],
  ["1", 1, "y5Pm2LBTUrEfMNxDs3Ivam3Tu8FsiYBWqaMdAKlXlLY"],
  ["1.5e300", 1.5e300, "0WVQniqpvVS6JzqJRKsCNhfdGzoxh7dfM4unDmJ4GAU"],
  ["NaN", Number.NaN, "tq9rbLmO_xgWUyiDGPXGNP1Yf7yxVzu91BV4TpbNIzY"],
  ["-Infinity", -Infinity, "-QThtcVg7kdcE-GikfHHwS5-oue0N51Zwb5RoBwOQxM"],
  ["1n", 1n, "JCSSg7Tx5DPfViCB-cmni3RqaZx-bEMR9U3zKv6htyU"],
  ["empty text", "", "-5EldM7K1UxqC8dbRhcjULY3SSnWAtX7y0yg7IMf1TI"],
  ["text", "abc", "R3PFNa1pspZ7GPkXj03Wl-Im3Vj4_9C6ud9CqxEqXjs"],
  ["astronaut", "👩‍🚀", "uUc5cLMjz5pH6-5YJOV3Zoz_PJ4u5kv40RMy9PVHiAo"],
  ["lone surrogate", "\uD800", "k31tdPCSosArsiX3LkJRGxDqhI3R4Ht6gy4k5V2cs8g"],
  ["the text 1", "1", "6kyzh3Pb62IRixpx9wkpxyXs1aqQllHZx-j8OWP7xfM"],
  ["empty array", [], "T1PNoYwrqgwDVLtfmj7L5e0Sq02OEbqHPC8RFhICuUU"],
  ["array", [1, "a", [null]], "YfpHYWxhmwcWKq-HafInGPNqK9v-6bBkbSWdx5RBjUU"],
  ["holes", holes, "S9I8O5aIVDBYiDoR73VS-F1WXM66u3WThgb-Bfkwhqo"],
  ["empty object", {}, "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o"],
  ["object", { b: 1, a: { d: [true], c: "x" } }, "BWVc77FJAFxpk1Z1SsTd96zwQFMBEUSL0qb-RvhRRCk"],
  ["undefined key", { a: undefined }, "7vucQUQ7CoA6WeMCABEhE9E_69OQeEhxvM4QIfkfDJk"],
  ["proto key", JSON.parse('{"__proto__": 1}'), "YU5s8LHAe-LjmFNi3WxLjjOJU4BzRi3Bv4CtAuTfAtk"],
  ["Date", new Date(86_400_000), "laLqYN3NyX_jM5k6Q5FdOwYWgqkIasBbls0LbjXOqfs"],
  ["invalid Date", new Date(Number.NaN), "bWPr-0OrhJjO84JbA9QBPxc5iCwbdnAtmiMiSjzscm8"],
  [
    "Map",
    new Map<unknown, unknown>([
      ["a", 1],
      [{ k: 1 }, [2]],
    ]),
    "hzcLi6emKjjLHCqYBk7jx9wIFSGbqwGGV1blVxwNyp4",
  ],
  ["empty Map", new Map(), "CL0k2ek-qiW74vxqUO7nQVW1BtagQoa6bKL57ujFn8U"],
  ["Set", new Set(["a", 1]), "_3gZcUVcR0nmc08lSWpq-PGVRMtQsJB0eh7b-niIN7k"],
  ["empty Set", new Set(), "nkLZaEXTVgvVp4ymslNJGilGown3UEkIgu_L1d80gyg"],
  ["RegExp", /a+/gi, "7QMu5AWTuzA_1Xjaw4HvUGx-2WHMcV1zl92YentBELw"],
  ["URL", new URL("https://example.com/a?b#c"), "yYjayQUdqxLtKET25YRQjkMmOkrgsGK5hEb28BRmfSE"],
  [
    "URLSearchParams",
    new URLSearchParams("a=1&b=2"),
    "kilw5qS1HfXEH0lsrY5d4Jmhff9S85GfG-rpSpEK59Q",
  ],
  ["Uint8Array", new Uint8Array([1, 2, 3]), "SD972jStHEmOxRffVzNaWZK1l6prSIxRsyW6FXANl1c"],
  ["Float64Array", new Float64Array([1.5]), "QOWXfZsxbpLKv4nmvCMrfG-DpjrGoFsU4RIelmA14W0"],
  [
    "DataView",
    new DataView(new Uint8Array([1, 2, 3]).buffer),
    "YCWrBrTmK5ntnyasYcPEUfkWP-pXDDJ6H0VvrXfTAFw",
  ],
  ["ArrayBuffer", new Uint8Array([1, 2, 3]).buffer, "7vGy6JJotUQcob2mcr5KrAJerGFoJNjDTKfYyiRBCNo"],
  ["Error", new Error("boom"), "7Ht2qikCVkU6l2WmXsJbG--hlebV-Bj60oM_Rht1Jh8"],
  [
    "full error",
    Object.assign(new TypeError("bad", { cause: new Error("low") }), { code: "E1", n: 2 }),
    "dJln6quTK_Mgt0OYPVaVLSQDijFzRYEGlZkScybYXgg",
  ],
  [
    "AggregateError",
    new AggregateError([new Error("a")], "many"),
    "NnKLYjrTUhuG3vKGnJaS3k5pPGyTQSI6ul_X7QpLWLQ",
  ],
  [
    "KitaruError",
    new KitaruTimeoutError("late", { details: { ms: 5 } }),
    "lhFXulk1xQ9q6DnmS-EVsXERqtQoi5XLAy7x6cJ_JLo",
  ],
  ["cycle", cycle, "nN6fwtDdVTe7e2IhO0QNFK_8luQKdslGYZKfZCMIzcs"],
  ["deepest", deepest, "1xVogQ-hTk69uqdM-ZOmNFczLeiBxUNdqSCHvNJQRR0"],
  ["knot of Map, Set and Error", knot, "lrVmW4gh9elPn4j-_FnJruFdZ5z3M2ncSRXZHYAYUhs"],
  ["long text", "x".repeat(100_000), "I7zE2RWZ5cz4lDDtVscysZdbdfggoIkx2FTh-FSF21s"],
  [
    "long array",
    Array.from({ length: 5000 }, (_, n) => ({ n })),
    "8DES3nz3OJkikOgOIQtkQmuY2jO7gNFqa_1uFCRSZos",
  ],
];

test("the version is raised when a digest below changes", () => {
  expect(hashVersion).toBe(2);
});

test.each(golden)("%s has its pinned digest", (_name, value, expected) => {
  expect(digest(value)).toBe(expected);
});

test("all pinned digests differ", () => {
  expect(new Set(golden.map(([, value]) => digest(value))).size).toBe(golden.length);
});

describe("equal values hash the same", () => {
  test("whatever the order of their keys", () => {
    expect(digest({ a: 1, b: { c: 2, d: 3 }, 1: 0 })).toBe(
      digest({ 1: 0, b: { d: 3, c: 2 }, a: 1 }),
    );
  });

  test("with and without a prototype, and as Buffer or Uint8Array", () => {
    expect(digest(Object.assign(Object.create(null), { a: 1 }))).toBe(digest({ a: 1 }));
    expect(digest(Buffer.from("ab"))).toBe(digest(new Uint8Array([97, 98])));
    expect(digest(new Uint8Array([0, 97, 98]).subarray(1))).toBe(digest(new Uint8Array([97, 98])));
  });

  test("with shared references or copies, small and large", () => {
    const small = { a: 1 };
    expect(digest([small, small])).toBe(digest([{ a: 1 }, { a: 1 }]));
    const large = { text: "x".repeat(10_000) };
    expect(digest([large, large])).toBe(digest([structuredClone(large), large]));
  });

  test("whatever the stacks and classes of errors", () => {
    class Named extends Error {
      override readonly name = "TypeError";
    }
    expect(digest(new Named("x"))).toBe(digest(new TypeError("x")));
  });

  test("after they were stored", () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true,
    });
    const stays = fc.property(anything, fc.string(), (value, message) => {
      const both = [value, Object.assign(new Error(message, { cause: value }), { value })];
      expect(digest(decode(encode(both)))).toBe(digest(both));
    });
    fc.assert(stays, { numRuns: 1000 });
  });
});

describe("different values hash differently", () => {
  test.each<[string, unknown, unknown]>([
    ["missing and undefined key", {}, { a: undefined }],
    ["undefined and null", undefined, null],
    ["0 and -0", 0, -0],
    ["number and text", 1, "1"],
    ["number and bigint", 1, 1n],
    ["NaN and its text", Number.NaN, "NaN"],
    ["array and object", ["a"], { 0: "a" }],
    ["nesting", [[1], 2], [[1, 2]]],
    ["borders of strings", ["ab", "c"], ["a", "bc"]],
    ["text that looks like the canonical form", ["a", "b"], ["as1:b"]],
    [
      "order of a Map",
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
      new Map([
        ["b", 2],
        ["a", 1],
      ]),
    ],
    ["order of a Set", new Set([1, 2]), new Set([2, 1])],
    ["Map and array", new Map([[1, 2]]), [1, 2]],
    ["Set and Map", new Set([1, 2]), new Map([[1, 2]])],
    ["Date and number", new Date(5), 5],
    ["hole and undefined", holes, [1, undefined, 3]],
    [
      "lengths of sparse arrays",
      Object.assign([], { length: 2 }),
      Object.assign([], { length: 3 }),
    ],
    ["lone surrogates", "\uD800", "\uFFFD"],
    ["two lone surrogates", ["\uD800"], ["\uD801"]],
    ["kinds of views", new Uint8Array(2), new Int8Array(2)],
    ["bytes and buffer", new Uint8Array(2), new ArrayBuffer(2)],
    ["messages", new Error("a"), new Error("b")],
    ["names", new Error("a"), new TypeError("a")],
    ["causes", new Error("a"), new Error("a", { cause: 1 })],
    ["undefined cause", new Error("a"), new Error("a", { cause: undefined })],
    ["fields", new Error("a"), Object.assign(new Error("a"), { code: 1 })],
    ["parts of aggregates", new AggregateError([1]), new AggregateError([2])],
    [
      "details",
      new KitaruTimeoutError("a", { details: { ms: 1 } }),
      new KitaruTimeoutError("a", { details: { ms: 2 } }),
    ],
    ["flags", /a/g, /a/i],
    ["URL and text", new URL("https://a.b/"), "https://a.b/"],
  ])("%s", (_name, a, b) => {
    expect(digest(a)).not.toBe(digest(b));
  });

  test("as often as they are drawn", () => {
    const distinct = fc.uniqueArray(fc.jsonValue(), {
      comparator: (a, b) => Object.is(a, b) || isSame(a, b),
    });
    const differs = fc.property(distinct, (values) => {
      expect(new Set(values.map((value) => digest(value))).size).toBe(values.length);
    });
    fc.assert(differs);
  });
});

function isSame(a: unknown, b: unknown): boolean {
  try {
    expect(a).toStrictEqual(b);
    return true;
  } catch {
    return false;
  }
}

describe("size and shape are no danger", () => {
  test("a value with a million paths to one object is walked once", () => {
    let value: unknown = { leaf: "x".repeat(100) };
    for (let level = 0; level < 200; level += 1) value = [value, value];
    expect(digest(value)).toHaveLength(43);
  });

  test("a graph in which all refer to all", () => {
    const nodes = Array.from({ length: 50 }, (_, id) => ({ id, all: [] as unknown[] }));
    for (const node of nodes) node.all.push(...nodes);
    expect(digest(nodes)).toHaveLength(43);
  });

  test("a sparse array of enormous length", () => {
    const far: unknown[] = [];
    far[4_000_000_000] = 1;
    expect(digest(far)).toHaveLength(43);
  });

  test("deep values, up to the depth that can be stored", () => {
    let value: unknown = 0;
    for (let level = 0; level < maxDepth; level += 1) value = { value };
    expect(digest(value)).toHaveLength(43);
    for (let level = 0; level < 100_000; level += 1) value = [value];
    expect(() => digest(value)).toThrow(/nested deeper than 500 levels/);
  });
});

describe("what cannot be stored is named", () => {
  test.each<[string, unknown, string]>([
    ["a function", { a: [() => 1] }, "the input: a[0] is a function"],
    ["a symbol", Symbol("s"), "the input is a symbol"],
    ["a class instance", [new Client()], "the input: [0] is an instance of Client"],
    ["a faked Date", [Object.create(Date.prototype)], "the input could not be read"],
  ])("%s", (_name, value, message) => {
    expect(() => digest(value, "the input")).toThrow(
      expect.objectContaining({ code: "serialization", message: expect.stringContaining(message) }),
    );
  });

  test("even when it shows itself once only", () => {
    let reads = 0;
    const fickle = {
      get send(): unknown {
        reads += 1;
        return reads === 1 ? () => 1 : "plain";
      },
    };
    expect(() => digest(fickle)).toThrow("is a function");
    const fakes = Object.create(ArrayBuffer.prototype) as object;
    expect(() => digest([fakes, Object.create(Map.prototype)])).toThrow("could not be read");
  });
});

test("sha256Hex takes text and bytes", () => {
  const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  expect(sha256Hex("abc")).toBe(abc);
  expect(sha256Hex(new TextEncoder().encode("abc"))).toBe(abc);
});

describe("the fingerprint of inputs", () => {
  test.each<[unknown[], string]>([
    [[], "[]"],
    [[5], "[d5;]"],
    [[-0, NaN, 1e21], "[d-0;dNaN;d1e+21;]"],
    [[true, null, undefined], "[tnu]"],
    [["order-7/a b", 3], "[s11:order-7/a bd3;]"],
  ])("is the canonical form of %j", (inputs, expected) => {
    expect(fingerprint(inputs)).toBe(expected);
  });

  test.each<[string, unknown[]]>([
    ["too long", ["x".repeat(38)]],
    ["too many", Array.from({ length: 20 }, () => 1)],
    ["with a quote", ['"']],
    ["with a backslash", ["\\"]],
    ["with a line break", ["a\nb"]],
    ["beyond ASCII", ["ä"]],
    ["with a lone surrogate", ["\ud800"]],
    ["objects", [{}]],
    ["a list", [[]]],
    ["a bigint", [1n]],
  ])("is their digest where they are %s", (_what, inputs) => {
    expect(fingerprint(inputs)).toBe(digest(inputs));
  });

  test("cannot be taken of what cannot be stored", () => {
    expect(() => fingerprint([1, () => 1])).toThrow(KitaruSerializationError);
    expect(() => fingerprint([Symbol("a")])).toThrow(KitaruSerializationError);
  });

  test("tells apart what the digest tells apart, is never longer, and needs no escapes", () => {
    const scalar = fc.oneof(
      fc.double(),
      fc.integer({ min: -3, max: 3 }),
      fc.boolean(),
      fc.constantFrom(null, undefined, "", "1", "d1;", "]", "s1:1"),
      fc.string({ maxLength: 4 }),
    );
    const inputs = fc.array(fc.oneof(scalar, scalar, fc.array(scalar)), { maxLength: 3 });
    fc.assert(
      fc.property(inputs, inputs, (a, b) => {
        expect(fingerprint(a) === fingerprint(b)).toBe(digest(a) === digest(b));
        expect(fingerprint(a).length).toBeLessThanOrEqual(digest(a).length);
        expect(digestOf(fingerprint(a))).toBe(digest(a));
        expect(JSON.stringify(fingerprint(a))).toBe(`"${fingerprint(a)}"`);
      }),
      { numRuns: 2000 },
    );
  });
});
