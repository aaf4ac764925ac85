import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sha256Hex } from "./hash.ts";
import { blocksOf, mostHashed, sha256 } from "./sha256.ts";

function hex(text: string): string | undefined {
  const words = sha256(text);
  if (words === undefined) return undefined;
  return [...words].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

function expected(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

test("short ASCII text has the hash that node:crypto gives it, at every length", () => {
  for (let length = 0; length <= mostHashed; length += 1) {
    const text = Array.from({ length }, (_, at) => String.fromCharCode((at * 7) % 128)).join("");
    expect(hex(text)).toBe(expected(text));
  }
});

test("any text has that hash or none", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      const isAscii = /^[\0-\x7f]*$/.test(text);
      expect(hex(text)).toBe(isAscii ? expected(text) : undefined);
    }),
  );
  expect(sha256("x".repeat(mostHashed + 1))).toBeUndefined();
});

test("hashes stay what they are once so many have been made that node:crypto makes them", () => {
  const text = "x".repeat(mostHashed);
  for (let blocks = 0; blocks < 3000; blocks += blocksOf(text))
    expect(sha256Hex(text)).toBe(expected(text));
});
