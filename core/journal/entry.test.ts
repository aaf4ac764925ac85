import fc from "fast-check";
import { expect, test } from "vitest";
import { type Entry, readLines, writeLines } from "./entry.ts";

const entries: Entry[] = [
  { t: "log", fields: { v: "line\nbreak  " }, at: 1 },
  { t: "advance", epoch: 1, owner: "o", until: 5, at: 2 },
];

test("entries are lines of JSON, the first one stamped with the nonce", () => {
  const lines = writeLines(entries, "n1");
  expect(lines).toEqual([
    `{"n":"n1","t":"log","fields":{"v":"line\\nbreak  "},"at":1}\n`,
    `{"t":"advance","epoch":1,"owner":"o","until":5,"at":2}\n`,
  ]);
  expect(readLines(lines.join(""), "j/000000")).toEqual([{ n: "n1", ...entries[0] }, entries[1]]);
});

test("whatever values an entry holds, it comes back", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 5 }), (values) => {
      const made = values.map((v, at): Entry => ({ t: "log", fields: { v }, at }));
      const read = readLines(writeLines(made, "n").join(""), "j/000000");
      expect(JSON.stringify(read.map((entry) => "fields" in entry && entry.fields))).toBe(
        JSON.stringify(made.map((entry) => "fields" in entry && entry.fields)),
      );
    }),
  );
});

test("nothing written, nothing read; a last line may lack its end", () => {
  expect(readLines("", "j/000000")).toEqual([]);
  expect(readLines(`{"t":"log","at":1}`, "j/000000")).toHaveLength(1);
});

test.each([
  [`{"t":"log","at":1}\n{"t":"lo`, /line 2 of j\/000007: .*Restore the record from a backup/],
  [`\n`, /line 1/],
  [`null\n`, /line 1 of j\/000007: it is not a journal entry/],
  [`7\n`, /not a journal entry/],
  [`{"at":1}\n`, /not a journal entry/],
  [`{"t":1,"at":1}\n`, /not a journal entry/],
  [`{"t":"log"}\n`, /not a journal entry/],
  [`{"t":"log","at":"1"}\n`, /not a journal entry/],
])("%j is corrupt, and the error says where", (body, message) => {
  expect(() => readLines(body, "j/000007")).toThrow(message);
  expect(() => readLines(body, "j/000007")).toThrow(expect.objectContaining({ code: "corrupt" }));
});
