import fc from "fast-check";
import { expect, test } from "vitest";
import { fingerprint } from "../hash.ts";
import { readLines, writeLines } from "./entry.ts";
import { PlainOutcome } from "./plain-outcome.ts";

const ref = fc.oneof(
  fc.record({ v: fc.jsonValue({ maxDepth: 2 }) }),
  fc.record({ v: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
  fc.record({ v: fc.string({ unit: "binary" }) }),
  fc.record({ r: fc.string() }),
  fc.record({ b: fc.string(), k: fc.constantFrom("json", "text"), n: fc.nat() }),
);
const fields = fc.record({
  name: fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,79}$/),
  number: fc.nat(),
  ask: fc.nat(),
  h: fc.array(fc.oneof(fc.string(), fc.double())).map(fingerprint),
  in: fc.array(ref, { maxLength: 3 }),
  s: fc.integer({ min: 0, max: 2 ** 42 }),
  out: ref,
  at: fc.integer({ min: 0, max: 2 ** 42 }),
});

test("it writes what JSON.stringify would", () => {
  fc.assert(
    fc.property(fields, ({ number, ...params }) => {
      const entry = new PlainOutcome({ ...params, id: `${params.name}:${number}` });
      expect(entry.json()).toBe(JSON.stringify(entry));
      expect(readLines(writeLines([entry, entry], "n1").join(""), "j/000000")).toEqual([
        { n: "n1", ...JSON.parse(JSON.stringify(entry)) },
        JSON.parse(JSON.stringify(entry)),
      ]);
    }),
  );
});
