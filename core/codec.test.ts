import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runInNewContext } from "node:vm";
import {
  type Encoded,
  contentTypeOf,
  decode,
  decodeRich,
  encode,
  encodeRich,
  fromBytes,
  toBytes,
} from "./codec.ts";
import { KitaruTimeoutError, RetryAfterError, hasCode, isKitaruError } from "./errors.ts";
import { maxDepth } from "./storable.ts";

function roundTrip(value: unknown): unknown {
  const encoded = encode(value);
  return decode(fromBytes(encoded.kind, toBytes(encoded)));
}

function messageOfEncoding(value: unknown, what?: string): string {
  try {
    encode(value, what);
  } catch (error) {
    if (hasCode(error, "serialization")) return error.message;
    throw error;
  }
  return "was encoded";
}

function ownProto(value: object): unknown[] {
  return Object.getOwnPropertyDescriptor(value, "__proto__")?.value as unknown[];
}

function nameless(): object {
  return new (class {
    readonly url = "x";
  })();
}

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}

const sparse: unknown[] = [];
sparse[1_000_000] = "far";
// oxlint-disable-next-line no-sparse-arrays
const holes = [1, , 3, , undefined];

const table: readonly (readonly [name: string, value: unknown, kind: Encoded["kind"]])[] = [
  ["undefined", undefined, "rich"],
  ["null", null, "json"],
  ["0", 0, "json"],
  ["-0", -0, "rich"],
  ["-0 inside", { n: [-0] }, "rich"],
  ["NaN", Number.NaN, "rich"],
  ["Infinity", Infinity, "rich"],
  ["-Infinity", [-Infinity], "rich"],
  ["false", false, "json"],
  ["empty string", "", "text"],
  ["text", "abc", "text"],
  ["astronaut", "👩‍🚀", "text"],
  ["NUL", "\u0000", "text"],
  ["byte order mark", "\uFEFFabc", "text"],
  ["lone surrogate", "a\uD800", "json"],
  ["lone surrogate inside", { "\uDC00": ["\uD800"] }, "json"],
  ["lone surrogate in rich", [undefined, "\uD800"], "rich"],
  ["script and separators", ["</script>\u2028", undefined], "rich"],
  ["object", { a: 1, b: "x", c: [true, null, { d: "" }] }, "json"],
  ["empty object", {}, "json"],
  ["many objects", Array.from({ length: 40 }, (_, id) => ({ id })), "json"],
  ["undefined field", { a: undefined }, "rich"],
  ["holes", holes, "rich"],
  ["sparse", sparse, "rich"],
  ["Date", new Date(86_400_000), "rich"],
  ["invalid Date", new Date(Number.NaN), "rich"],
  [
    "Map",
    new Map<unknown, unknown>([
      ["a", 1],
      [{ k: 1 }, new Map()],
      [undefined, Number.NaN],
    ]),
    "rich",
  ],
  ["Set", new Set<unknown>([1, "1", new Date(1), new Set([2])]), "rich"],
  ["BigInt", 2n ** 80n, "rich"],
  ["BigInt inside", { n: -1n }, "rich"],
  ["RegExp", /a"b/giu, "rich"],
  ["URL", new URL("https://example.com/a?b=c#d"), "rich"],
  ["URLSearchParams", new URLSearchParams("a=1&b=2"), "rich"],
  ["Uint8Array", new Uint8Array([0, 1, 255]), "bytes"],
  ["empty bytes", new Uint8Array(), "bytes"],
  ["bytes inside", { bytes: new Uint8Array([1, 2]) }, "rich"],
  ["Float64Array", new Float64Array([1.5, Number.NaN]), "rich"],
  ["BigInt64Array", new BigInt64Array([1n, -1n]), "rich"],
  ["Uint8ClampedArray", new Uint8ClampedArray([1, 300]), "rich"],
  ["ArrayBuffer", new Uint8Array([7, 8]).buffer, "rich"],
  ["DataView", new DataView(new Uint8Array([7, 8]).buffer), "rich"],
  ["null prototype", Object.assign(Object.create(null), { a: 1 }), "rich"],
];

describe("a round trip keeps", () => {
  test.each(table)("%s", (_name, value, kind) => {
    expect(encode(value).kind).toBe(kind);
    const back = roundTrip(value);
    expect(back).toStrictEqual(value);
    expect(Object.is(back, value)).toBe(typeof value !== "object" || value === null);
  });

  test("holes and prototypes", () => {
    expect(1 in (roundTrip(holes) as unknown[])).toBe(false);
    expect(4 in (roundTrip(holes) as unknown[])).toBe(true);
    expect(Object.getPrototypeOf(roundTrip(Object.create(null)))).toBe(null);
    expect((roundTrip(sparse) as unknown[]).length).toBe(1_000_001);
  });

  test("a sparse array of enormous length", () => {
    const far: unknown[] = ["near"];
    far[4_000_000_000] = { a: 1 };
    const back = roundTrip(far) as unknown[];
    expect(back.length).toBe(4_000_000_001);
    expect(back[4_000_000_000]).toEqual({ a: 1 });
  });

  test("cycles and shared references", () => {
    const shared = { s: 1 };
    const value: Record<string, unknown> = {
      a: shared,
      b: [shared],
      map: new Map(),
      set: new Set(),
    };
    value["self"] = value;
    (value["map"] as Map<unknown, unknown>).set(value, value["map"]);
    (value["set"] as Set<unknown>).add(value);
    const back = roundTrip(value) as typeof value;
    expect(back["self"]).toBe(back);
    expect(back["a"]).toBe((back["b"] as unknown[])[0]);
    expect((back["map"] as Map<unknown, unknown>).get(back)).toBe(back["map"]);
    expect((back["set"] as Set<unknown>).has(back)).toBe(true);
  });

  test("sharing among many objects", () => {
    const items = Array.from({ length: 50 }, (_, id) => ({ id }));
    const back = roundTrip({ items, last: items[49], first: items[0] }) as Record<string, unknown>;
    expect((back["items"] as unknown[])[49]).toBe(back["last"]);
    expect((back["items"] as unknown[])[0]).toBe(back["first"]);
  });

  test("a field named __proto__, without touching a prototype", () => {
    const plain: unknown = JSON.parse('{"__proto__": {"polluted": 1}, "a": {"b": 2}}');
    expect(encode(plain).kind).toBe("json");
    const rich = { inner: plain, when: new Date(0) };
    const bare: object = Object.create(null);
    Object.defineProperty(bare, "__proto__", { value: rich, enumerable: true });
    for (const value of [plain, rich, bare]) {
      const back = roundTrip(value);
      expect(back).toStrictEqual(value);
      expect(Reflect.get(Object(back), "polluted")).toBeUndefined();
    }
    expect(Object.getPrototypeOf(roundTrip(bare))).toBe(null);
    expect(Object.prototype).not.toHaveProperty("polluted");
  });

  test("a cycle through a field named __proto__", () => {
    const value = JSON.parse('{"__proto__": [], "when": 0}') as Record<string, unknown>;
    ownProto(value).push(value);
    const back = roundTrip(value) as object;
    expect(ownProto(back)[0]).toBe(back);
  });

  test("5 MB of text and 50 MB of bytes", () => {
    const text = "é👩‍🚀x".repeat(5_000_000 / 12);
    expect(roundTrip(text) === text).toBe(true);
    expect(roundTrip({ text })).toEqual({ text });
    const bytes = new Uint8Array(50_000_000).fill(7);
    const back = roundTrip(bytes) as Uint8Array;
    expect(Buffer.compare(back, bytes)).toBe(0);
  });

  test("objects and arrays of another realm, as plain ones", () => {
    const foreign: unknown = runInNewContext("({ a: [1, { b: 2 }] })");
    expect(encode(foreign)).toEqual({ kind: "json", text: '{"a":[1,{"b":2}]}' });
    const error = roundTrip(runInNewContext("new TypeError('far')"));
    expect(error).toBeInstanceOf(TypeError);
  });

  test("a Buffer as a Uint8Array", () => {
    expect(roundTrip(Buffer.from("ab"))).toStrictEqual(new Uint8Array([97, 98]));
    expect(roundTrip([Buffer.from("ab")])).toStrictEqual([new Uint8Array([97, 98])]);
  });

  test("whatever is made of storable parts", () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: true,
      withUnicodeString: true,
      maxDepth: 4,
    });
    const keeps = fc.property(anything, (value) => {
      expect(roundTrip(value)).toStrictEqual(value);
    });
    fc.assert(keeps, { numRuns: 2000 });
  });

  test("all JSON as readable JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const encoded = encode([value]);
        const isJson = !JSON.stringify([value], (_, part) =>
          Object.is(part, -0) ? "-0" : part,
        ).includes('"-0"');
        fc.pre(isJson);
        expect(encoded).toEqual({ kind: "json", text: JSON.stringify([value]) });
        expect(roundTrip([value])).toStrictEqual([value]);
      }),
    );
  });
});

describe("errors", () => {
  test("keep class, name, message, stack, cause and fields", () => {
    const cause = new RangeError("low");
    const error = Object.assign(new TypeError("bad", { cause }), { status: 429, at: new Date(1) });
    const back = roundTrip({ error }) as { error: typeof error };
    expect(back.error).toBeInstanceOf(TypeError);
    expect(back.error).toMatchObject({ name: "TypeError", message: "bad", status: 429 });
    expect(back.error.at).toEqual(new Date(1));
    expect(back.error.stack).toBe(error.stack);
    expect(back.error.cause).toBeInstanceOf(RangeError);
    expect(Object.keys(back.error)).toEqual(["status", "at"]);
  });

  test("keep the name of a class of the user's", () => {
    class QuotaError extends Error {
      override readonly name = "QuotaError";
      readonly quota = 5;
    }
    const back = roundTrip(new QuotaError("full")) as QuotaError;
    expect(back).toBeInstanceOf(Error);
    expect(back).toMatchObject({ name: "QuotaError", message: "full", quota: 5 });
    expect(String(back)).toBe("QuotaError: full");
  });

  test("of Kitaru stay what they are", () => {
    const back = roundTrip(new KitaruTimeoutError("late", { details: { ms: 5 } }));
    expect(back).toBeInstanceOf(KitaruTimeoutError);
    expect(isKitaruError(back) && back.code === "timeout" && back.details).toEqual({ ms: 5 });
    expect(roundTrip(new RetryAfterError("soon", 50))).toMatchObject({ retryAfterMs: 50 });
  });

  test("leave out what cannot be stored", () => {
    const error = Object.assign(new Error("x"), { send: () => 1, ok: 1, box: { fn() {} } });
    Object.defineProperty(error, "boom", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    expect(Object.keys(roundTrip(error) as Error)).toEqual(["ok"]);
    const silent = new Error("y", { cause: () => 1 });
    Object.defineProperty(silent, "stack", { value: 5 });
    const back = roundTrip(silent) as Error;
    expect(back.stack).toBe("Error: y");
    expect("cause" in back).toBe(false);
  });

  test("of odd shape are made regular", () => {
    const error = new Error("x");
    Object.assign(error, { name: 5, message: {} });
    expect(roundTrip(error)).toMatchObject({ name: "Error", message: "" });
  });

  test("keep an undefined cause", () => {
    expect(Object.hasOwn(roundTrip(new Error("x", { cause: undefined })) as Error, "cause")).toBe(
      true,
    );
  });

  test("aggregate others", () => {
    const error = new AggregateError([new TypeError("a"), "b", () => 1], "many");
    const back = roundTrip(error) as AggregateError;
    expect(back).toBeInstanceOf(AggregateError);
    expect(back.errors).toHaveLength(2);
    expect(back.errors[0]).toBeInstanceOf(TypeError);
    expect(Object.keys(back)).toEqual([]);
  });

  test("refer to themselves", () => {
    const error: Error & { self?: unknown; box?: unknown } = new SyntaxError("loop");
    error.cause = error;
    error.self = error;
    error.box = { error };
    const back = roundTrip([error, error]) as (typeof error)[];
    expect(back[0]).toBe(back[1]);
    expect(back[0]).toBeInstanceOf(SyntaxError);
    expect(back[0]?.cause).toBe(back[0]);
    expect(back[0]?.self).toBe(back[0]);
    expect(back[0]?.box).toEqual({ error: back[0] });
  });

  test("in a long chain of causes", () => {
    let error = new Error("first");
    for (let count = 0; count < maxDepth; count += 1)
      error = new Error(`${count}`, { cause: error });
    expect(roundTrip(error)).toMatchObject({ message: `${maxDepth - 1}` });
    expect(messageOfEncoding(new Error("one more", { cause: error }))).toMatch(/deeper than/);
  });
});

describe("what cannot be stored is named", () => {
  class Client {
    readonly url = "x";
    send(): void {}
  }
  class Strings extends Array<string> {}

  test.each<[string, unknown, string]>([
    [
      "a function",
      { result: { client: { send() {} } } },
      "value: result.client.send is a function; return plain data",
    ],
    ["a function by itself", () => 1, "value is a function;"],
    ["a symbol", [0, [Symbol("s")]], "value: [1][0] is a symbol; use a string"],
    [
      "a symbol key",
      { a: { [Symbol("s")]: 1 } },
      "value: a has the symbol key Symbol(s); use string keys",
    ],
    [
      "a promise",
      { "odd key": Promise.resolve() },
      'value: ["odd key"] is a Promise; await it first',
    ],
    [
      "a class instance",
      new Map([["k", new Client()]]),
      'value: get("k") is an instance of Client;',
    ],
    ["a value under an object key", new Map([[{}, () => 1]]), "value: get(object) is a function"],
    ["a Map key", new Map([[new Client(), 1]]), "keys()[0] is an instance of Client"],
    ["a member of a Set", new Set([1, new Client()]), "values()[1] is an instance of Client"],
    ["a subclass of Array", new Strings(), "value is an instance of Strings"],
    ["an array that is none", Object.create(Array.prototype), "value is an instance of Array"],
    ["a boxed primitive", [Object("x")], "[0] is an instance of String"],
    ["a WeakMap", { cache: new WeakMap() }, "cache is an instance of WeakMap"],
    ["an array with fields", "abc".match(/b/), 'an array with a property "index" of its own'],
    ["a hole and a function", Object.assign([], { 3: () => 1 }), "value: [3] is a function"],
    ["an object with toJSON", { toJSON: () => 1 }, "value: toJSON is a function"],
    ["a class without a name", nameless(), "value is an instance of Object"],
    ["a class of null", Object.create(Object.create(null)), "value is an instance of Object"],
    ["a proxy of a Map", { m: new Proxy(new Map(), {}) }, "value: m could not be read (Method"],
  ])("%s", (_name, value, message) => {
    expect(messageOfEncoding(value)).toContain(message);
  });

  test("with the name the caller gives, and as a fact", () => {
    expect(messageOfEncoding({ a: () => 1 }, 'the result of checkpoint "x"')).toMatch(
      /^the result of checkpoint "x": a is a function/,
    );
    expect(() => encodeRich({ a: () => 1 }, "it")).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^it: a is/),
        details: { path: "a" },
      }),
    );
  });

  test("when a getter throws", () => {
    const cause = new Error("closed");
    const value = {
      get body(): string {
        throw cause;
      },
    };
    expect(messageOfEncoding({ value })).toBe("value: value could not be read (closed).");
    expect(() => encode(value)).toThrow(expect.objectContaining({ cause }));
  });

  test("when its class hides its name", () => {
    const shy = nameless();
    Object.defineProperty(shy, "constructor", {
      get: () => {
        throw new Error("no");
      },
    });
    expect(messageOfEncoding(shy)).toContain("value is an instance of Object");
  });

  test("when it is too deep, instead of overflowing the stack", () => {
    expect(roundTrip(nested(maxDepth))).toEqual(nested(maxDepth));
    expect(roundTrip([undefined, nested(maxDepth - 1)])).toEqual([undefined, nested(maxDepth - 1)]);
    expect(messageOfEncoding(nested(100_000))).toMatch(
      /^value: \[0\]\[0\].*… is nested deeper than 500 levels/,
    );
    expect(messageOfEncoding([undefined, nested(100_000)])).toMatch(/deeper than 500 levels/);
    const error = Object.assign(new Error("x"), { deep: nested(100_000) });
    expect(Object.keys(roundTrip(error) as Error)).toEqual([]);
  });
});

describe("encoding takes a picture", () => {
  test("reading each getter once", () => {
    let reads = 0;
    const value = {
      get n(): number {
        reads += 1;
        return reads;
      },
    };
    expect(roundTrip({ value })).toEqual({ value: { n: 1 } });
    expect(roundTrip({ value, rich: undefined })).toEqual({ value: { n: 2 }, rich: undefined });
  });

  test("that later changes do not reach", () => {
    const bytes = new Uint8Array([1]);
    const encoded = encode(bytes);
    bytes[0] = 2;
    const first = decode(encoded) as Uint8Array;
    first[0] = 3;
    expect(decode(encoded)).toEqual(new Uint8Array([1]));
    const json = encode({ a: [1] });
    expect(decode(json)).not.toBe(decode(json));
  });

  test("without the rest of the buffer behind a view", () => {
    const pool = new TextEncoder().encode("secret-abc-secret");
    const views = [
      pool.subarray(7, 10),
      new DataView(pool.buffer, 7, 3),
      new Uint16Array(pool.buffer, 2, 1),
      Buffer.from("abc"),
      new Uint8Array(new SharedArrayBuffer(2)),
    ];
    const encoded = encode(views);
    expect(Buffer.from(toBytes(encoded)).length).toBeLessThan(260);
    const back = decode(encoded) as ArrayBufferView[];
    expect(back.map((view) => view.byteLength)).toEqual([3, 3, 2, 3, 2]);
    expect(back[0]).toStrictEqual(new TextEncoder().encode("abc"));
    expect(back[1]).toBeInstanceOf(DataView);
    expect(back[2]).toBeInstanceOf(Uint16Array);
  });
});

describe("damaged text is reported as corrupt", () => {
  test.each<Encoded>([
    { kind: "json", text: "{" },
    { kind: "rich", text: "nope" },
    { kind: "rich", text: "[]" },
    { kind: "rich", text: '[["Error",1],{"name":2},5]' },
    { kind: "rich", text: '[["Error",1],3]' },
    { kind: "rich", text: '[["Entries",1],{"entries":2},5]' },
    { kind: "rich", text: '[["Entries",1],{"entries":2},[3],4]' },
    { kind: "rich", text: '[["Unheard",1],{}]' },
  ])("%j", (encoded) => {
    expect(() => decode(encoded)).toThrow(
      expect.objectContaining({ code: "corrupt", name: "KitaruBackendError" }),
    );
  });

  test("and so are bytes that are no text", () => {
    expect(() => fromBytes("text", new Uint8Array([0xff]))).toThrow(
      expect.objectContaining({ code: "corrupt" }),
    );
  });

  test("and text nested too deeply to be read", () => {
    const text = `[${Array.from({ length: 100_000 }, (_, at) => `[${at + 1}]`).join()},0]`;
    expect(() => decodeRich(text)).toThrow(expect.objectContaining({ code: "corrupt" }));
  });
});

test("rich text can be had for any value", () => {
  expect(decodeRich(encodeRich("abc"))).toBe("abc");
  expect(decodeRich(encodeRich({ a: [1, undefined] }))).toStrictEqual({ a: [1, undefined] });
});

test("each kind has a MIME type", () => {
  expect((["json", "rich", "text", "bytes"] as const).map(contentTypeOf)).toEqual([
    "application/json",
    "application/vnd.kitaru.rich+json",
    "text/plain; charset=utf-8",
    "application/octet-stream",
  ]);
});
