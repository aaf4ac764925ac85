import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeKey, encodeDescending, encodeKey, encodePartition } from "./keys.ts";

/** Any text, often of the characters that need care. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...("./-,!$>?=[\\]~}\u007F\0\u001F 'j0".split("") as [string, ...string[]])),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
  maxLength: 12,
});
const bytes = (one: string, other: string): number =>
  Math.sign(Buffer.compare(Buffer.from(one), Buffer.from(other)));
const units = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

describe("keys of a table", () => {
  test("what the engine writes stays readable", () => {
    expect(encodeKey("exec/0193-a.b/child:0")).toBe("exec..0193-a.-b..child:0");
    expect(encodeKey("j/000001")).toBe("j..000001");
  });

  test("hold only characters a table takes, none of which ends a part", () => {
    fc.assert(fc.property(text, (one) => /^[^/\\#?!'\p{Cc}\u0080-\uFFFF]*$/u.test(encodeKey(one))));
  });

  test("are in the order of the text's bytes, one after the other and turned round", () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(units(encodeKey(one), encodeKey(other))).toBe(bytes(one, other));
        expect(units(encodeDescending(one), encodeDescending(other))).toBe(
          0 - bytes(one, other) || 0,
        );
      }),
    );
  });

  test("are read back as they were, and a part ends before everything that goes on", () => {
    fc.assert(
      fc.property(text, text, (one, more) => {
        expect(decodeKey(encodeKey(one))).toBe(Buffer.from(one).toString());
        expect(`${encodeKey(one)}!z` < encodeKey(`${one}-${more}`)).toBe(true);
      }),
    );
    expect(() => decodeKey("#")).toThrow('"#" is not a key of this package');
  });

  test("too long for a table are told apart by a hash", () => {
    const [one, other] = ["a", "b"].map((end) => encodePartition("x/".repeat(400) + end));
    expect(one).not.toBe(other);
    expect(one?.length).toBe(400);
  });
});
