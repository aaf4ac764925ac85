import { describe, expect, test } from "vitest";
import { addFields, makeError } from "./error-classes.ts";
import {
  type ErrorCode,
  KitaruBackendError,
  KitaruCancelledError,
  KitaruContextError,
  KitaruDivergenceError,
  KitaruError,
  KitaruExecutionError,
  KitaruSerializationError,
  KitaruStateError,
  KitaruTimeoutError,
  KitaruUsageError,
  KitaruWaitValidationError,
  NonRetryableError,
  RetryAfterError,
  isKitaruError,
} from "./errors.ts";

const classes: Readonly<Record<ErrorCode, new (message: string) => KitaruError>> = {
  usage: KitaruUsageError,
  context: KitaruContextError,
  state: KitaruStateError,
  not_found: KitaruStateError,
  conflict: KitaruStateError,
  wait_validation: KitaruWaitValidationError,
  wait_aborted: KitaruExecutionError,
  divergence: KitaruDivergenceError,
  execution: KitaruExecutionError,
  timeout: KitaruTimeoutError,
  cancelled: KitaruCancelledError,
  interrupted: KitaruExecutionError,
  crashed: KitaruExecutionError,
  stalled: KitaruExecutionError,
  serialization: KitaruSerializationError,
  backend: KitaruBackendError,
  corrupt: KitaruBackendError,
  credentials: KitaruBackendError,
  model: KitaruBackendError,
};

describe("makeError", () => {
  test.each(Object.entries(classes))("%s of Kitaru", (code, type) => {
    const error = makeError({ name: new type("x").name, message: "m", code });
    expect(error).toBeInstanceOf(type);
    expect(isKitaruError(error)).toBe(true);
    expect(error).toMatchObject({ name: new type("x").name, message: "m", code });
  });

  test.each([TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, Error])(
    "%o",
    (type) => {
      const error = makeError({ name: type.name, message: "m" });
      expect(Object.getPrototypeOf(error)).toBe(type.prototype);
      expect(error.message).toBe("m");
    },
  );

  test("the others that are known by name", () => {
    expect(makeError({ name: "AggregateError", message: "m" })).toBeInstanceOf(AggregateError);
    expect(makeError({ name: "NonRetryableError", message: "m" })).toBeInstanceOf(
      NonRetryableError,
    );
    expect(makeError({ name: "RetryAfterError", message: "m" })).toBeInstanceOf(RetryAfterError);
  });

  test("Kitaru's base class, and a subclass this version does not know", () => {
    const base = makeError({ name: "KitaruError", message: "m", code: "state" });
    expect(Object.getPrototypeOf(base)).toBe(KitaruError.prototype);
    const newer = makeError({ name: "KitaruLockError", message: "m", code: "conflict" });
    expect(newer).toBeInstanceOf(KitaruStateError);
    expect(newer.name).toBe("KitaruLockError");
  });

  test("an Error with the name for every other", () => {
    for (const code of ["timeout", "constructor", undefined]) {
      const error = makeError({ name: "ApiError", message: "m", code });
      expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
      expect(String(error)).toBe("ApiError: m");
      expect(Object.keys(error)).toEqual([]);
    }
    expect(isKitaruError(makeError({ name: "KitaruNewError", message: "m", code: "new" }))).toBe(
      false,
    );
  });
});

test("addFields defines, so no setter is reached", () => {
  const error = new Error("x");
  addFields(error, JSON.parse('{"__proto__": {"polluted": true}, "a": 1}'));
  expect(Object.keys(error)).toEqual(["__proto__", "a"]);
  expect(error).toBeInstanceOf(Error);
});
