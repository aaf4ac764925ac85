import { describe, expect, test } from "vitest";
import {
  KitaruBackendError,
  KitaruExecutionError,
  KitaruTimeoutError,
  NonRetryableError,
  RetryAfterError,
  hasCode,
} from "../errors.ts";
import {
  type StoredError,
  causeLimits,
  describeError,
  errorLimits,
  mostCauses,
  reviveError,
  sameError,
  storeError,
} from "./stored-error.ts";

/** Through the journal and back. */
function again(thrown: unknown): unknown {
  return reviveError(JSON.parse(JSON.stringify(storeError(thrown))) as StoredError);
}

describe("an error is thrown again as it was", () => {
  test("of Kitaru, with brand, code and details", () => {
    const back = again(new KitaruTimeoutError("late", { details: { ms: 5 } }));
    expect(back).toBeInstanceOf(KitaruTimeoutError);
    expect(hasCode(back, "timeout") && back.details).toEqual({ ms: 5 });
    const aborted = again(new KitaruExecutionError("aborted", { code: "wait_aborted" }));
    expect(hasCode(aborted, "wait_aborted")).toBe(true);
    expect(hasCode(again(new KitaruBackendError("x", { code: "model" })), "model")).toBe(true);
  });

  test("of the language", () => {
    for (const error of [
      new TypeError("a"),
      new RangeError("b"),
      new SyntaxError("c"),
      new Error("d"),
    ]) {
      const back = again(error) as Error;
      expect(Object.getPrototypeOf(back)).toBe(Object.getPrototypeOf(error));
      expect(back.message).toBe(error.message);
      expect(back.stack).toBe(error.stack);
    }
    const many = again(new AggregateError([new TypeError("a"), 5], "many")) as AggregateError;
    expect(many).toBeInstanceOf(AggregateError);
    expect(many.errors[0]).toBeInstanceOf(TypeError);
    expect(many.errors[1]).toBe(5);
  });

  test("that steer retries", () => {
    expect(again(new NonRetryableError("no"))).toBeInstanceOf(NonRetryableError);
    expect(again(new NonRetryableError("no"))).toMatchObject({ retryable: false });
    const later = again(new RetryAfterError("later", 5000));
    expect(later).toBeInstanceOf(RetryAfterError);
    expect(later).toMatchObject({ retryAfterMs: 5000 });
  });

  test("of the user's own, with name, code and what can be stored of the fields", () => {
    class ApiError extends Error {
      override readonly name = "ApiError";
      readonly code = "rate_limited";
      readonly status = 429;
      readonly at = new Date(5);
      readonly client = { send: () => 1 };
    }
    const stored = storeError(new ApiError("slow down"));
    expect(stored).toMatchObject({ name: "ApiError", message: "slow down", code: "rate_limited" });
    const back = again(new ApiError("slow down"));
    expect(back).toBeInstanceOf(Error);
    expect(back).toMatchObject({
      name: "ApiError",
      code: "rate_limited",
      status: 429,
      at: new Date(5),
    });
    expect(back).not.toHaveProperty("client");
    expect(again(Object.assign(new Error("x"), { code: 404 }))).toMatchObject({ code: 404 });
  });

  test("with its causes", () => {
    const back = again(
      new Error("a", { cause: new TypeError("b", { cause: { id: 7n } }) }),
    ) as Error;
    expect(back.cause).toBeInstanceOf(TypeError);
    expect((back.cause as Error).cause).toEqual({ id: 7n });
    expect(Object.hasOwn(again(new Error("a", { cause: undefined })) as Error, "cause")).toBe(true);
    expect(Object.hasOwn(again(new Error("a")) as Error, "cause")).toBe(false);
  });
});

describe("what is thrown and is no error", () => {
  test.each<[unknown]>([
    ["text"],
    [5],
    [undefined],
    [null],
    [{ a: [1n, new Date(3)] }],
    [Number.NaN],
  ])("%o is thrown as it is", (thrown) => {
    expect(again(thrown)).toEqual(thrown);
  });

  test("is described", () => {
    expect(describeError(storeError("boom"))).toBe("thrown: boom");
    expect(describeError(storeError({ a: 1 }))).toBe('thrown: {"a":1}');
    expect(describeError(storeError(undefined))).toBe("thrown: undefined");
    expect(describeError(storeError(5n))).toBe("thrown: [object BigInt]");
  });

  test("becomes an error when it cannot be stored", () => {
    const back = again(Symbol("s"));
    expect(back).toBeInstanceOf(Error);
    expect(back).toMatchObject({ name: "thrown", message: "Symbol(s)" });
    expect(storeError("x".repeat(100_000)).thrown).toBeUndefined();
  });
});

describe("what is kept is bounded", () => {
  test("message, stack and name", () => {
    const error = new Error("m".repeat(200_000));
    error.name = "N".repeat(500);
    error.stack = "s".repeat(10_000);
    const stored = storeError(error);
    expect(stored.message).toHaveLength(errorLimits.message);
    expect(stored.message.endsWith("… (200000 characters in all)")).toBe(true);
    expect(stored.stack).toHaveLength(errorLimits.stack);
    expect(stored.name).toHaveLength(200);
    expect(sameError(storeError(reviveError(stored)), stored)).toBe(true);
  });

  test("without cutting a character in half", () => {
    const stored = storeError(new Error("👩".repeat(50_000)));
    expect(stored.message.isWellFormed()).toBe(true);
    expect(storeError(new Error("a" + "👩".repeat(50_000))).message.isWellFormed()).toBe(true);
  });

  test("fields: those that fit, in order", () => {
    const error = Object.assign(new Error("x"), {
      status: 500,
      body: "b".repeat(100_000),
      parts: Array.from({ length: 6 }, () => "p".repeat(9000)),
      more: "m".repeat(30_000),
      requestId: "r1",
    });
    const back = again(error);
    expect(back).toMatchObject({ status: 500, requestId: "r1" });
    expect(back).not.toHaveProperty("body");
    expect(back).toHaveProperty("more");
    expect(storeError(error).fields?.length).toBeLessThanOrEqual(errorLimits.fields);
  });

  test("members of an aggregate, when they are too many", () => {
    const error = new AggregateError(
      Array.from({ length: 2000 }, () => new Error("x")),
      "many",
    );
    const back = again(Object.assign(error, { status: 1 }));
    expect(back).toMatchObject({ message: "many", status: 1, errors: [] });
  });

  test("causes, in number, size and circle", () => {
    let error = new Error("root");
    for (let count = 0; count < 30; count += 1)
      error = new Error("m".repeat(20_000), { cause: error });
    const stored = storeError(error);
    const causes: StoredError[] = [];
    for (let at = stored.cause; at !== undefined; at = at.cause) causes.push(at);
    expect(causes).toHaveLength(mostCauses);
    expect(causes[0]?.message).toHaveLength(causeLimits.message);
    const loop = new Error("loop");
    loop.cause = new Error("inner", { cause: loop });
    expect(storeError(loop).cause?.cause).toBeUndefined();
  });
});

test("storing never throws", () => {
  const fails = (): never => {
    throw new Error("no");
  };
  const trap = new Proxy(new Error("x"), { ownKeys: fails });
  expect(storeError(trap)).toEqual({
    name: "Error",
    message: "The error that was thrown could not be read.",
  });
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  expect(storeError(revoked.proxy)).toMatchObject({ name: "Error" });
});

test("damaged fields are corrupt; fields of another shape are overlooked", () => {
  expect(() => reviveError({ name: "Error", message: "x", fields: "{" })).toThrow(
    expect.objectContaining({ code: "corrupt" }),
  );
  for (const fields of ["[5]", "[{}]", '[{"fields":1},5]']) {
    expect(Object.keys(reviveError({ name: "Error", message: "x", fields }) as Error)).toEqual([]);
  }
  expect((reviveError({ name: "E", message: "x" }) as Error).stack).toBe("E: x");
});

test("describeError is one line", () => {
  expect(describeError({ name: "Error", message: "a\n  b\r\nc" })).toBe("Error: a b c");
  expect(describeError({ name: "AbortError", message: "" })).toBe("AbortError");
});

describe("sameError", () => {
  const make = (message: string, extra: object = {}): StoredError =>
    storeError(Object.assign(new AggregateError([new Error("inner")], message), extra));

  test("overlooks stacks, also of errors inside", () => {
    const [a, b] = [make("x"), make("x")];
    const moved = { ...b, stack: "elsewhere" };
    expect(sameError(a, moved)).toBe(true);
    const inner = storeError(Object.assign(new Error("x"), { inner: new Error("y") }));
    const later = storeError(Object.assign(new Error("x"), { inner: new Error("y") }));
    expect(inner.fields).not.toBe(later.fields);
    expect(sameError(inner, later)).toBe(true);
  });

  test("sees every other difference", () => {
    const base = make("x", { code: "a", n: 1 });
    const cause = storeError(new Error("c"));
    for (const other of [
      make("y", { code: "a", n: 1 }),
      make("x", { code: "b", n: 1 }),
      make("x", { code: "a", n: 2 }),
      { ...base, name: "Other" },
      { ...base, thrown: "[1]" },
      { ...base, cause },
    ]) {
      expect(sameError(base, other)).toBe(false);
      expect(sameError(other, base)).toBe(false);
    }
    expect(sameError({ ...base, cause }, { ...base, cause })).toBe(true);
    expect(sameError({ ...base, cause }, { ...base, cause: { ...cause, message: "d" } })).toBe(
      false,
    );
  });
});
