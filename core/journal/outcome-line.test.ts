import fc from "fast-check";
import { expect, test } from "vitest";
import { fingerprint } from "../hash.ts";
import { type Entry, readLines, writeLines } from "./entry.ts";
import { OutcomeLine, scanLines } from "./outcome-line.ts";
import { JournalState } from "./state.ts";

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,5}$/);
const ref = fc.oneof(
  fc.record({ v: fc.jsonValue({ maxDepth: 2 }) }),
  fc.record({ v: fc.string({ unit: "binary" }) }),
  fc.record({ r: fc.string() }),
  fc.record({ b: fc.string(), k: fc.constantFrom("json", "text"), n: fc.nat() }),
);
const fields = fc.record({
  name,
  number: fc.nat(20),
  ask: fc.nat(),
  h: fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    fc.array(fc.oneof(fc.string(), fc.double(), fc.boolean())).map(fingerprint),
  ),
  in: fc.array(ref, { maxLength: 3 }),
  at: fc.nat(),
  kind: fc.constantFrom("checkpoint", "checkpoint", "llm", "wait"),
  t: fc.constantFrom("completed", "completed", "failed", "attempt", "waiting", "log"),
  more: fc.constantFrom({}, {}, { tries: 2 }, { disp: "reused", src: "b:1" }, { item: "i1" }),
  out: ref,
});
type Fields = typeof fields extends fc.Arbitrary<infer T> ? T : never;

function entryOf({ t, number, more, out, ...call }: Fields): Entry {
  const { kind, ask, h, at } = call;
  const end = t === "failed" ? { err: { name: "Error", message: '","at":1}' } } : { out };
  const id = `${call.name}:${number}`;
  const made = { t, id, kind, name: call.name, ask, h, in: call.in, ...more, s: 1 };
  const other = t === "completed" ? {} : { no: 1, fields: { v: 1 } };
  return { ...made, ...other, ...end, at } as unknown as Entry;
}

const segment = fc
  .tuple(fc.array(fields.map(entryOf), { maxLength: 12 }), fc.boolean())
  .map(([all, isWhole]) => {
    const body = all.flatMap((entry, at) => writeLines([entry], `n${at}`)).join("");
    return { sort: "j/000001", body: isWhole ? body : body.slice(0, -1) };
  });

function scanned(of: Parameters<typeof scanLines>[0]): (Entry | OutcomeLine)[] {
  const lines: (Entry | OutcomeLine)[] = [];
  scanLines(of, (line) => lines.push(line));
  return lines;
}

test("a line that is put off tells what its entry does, and every other one is read", () => {
  fc.assert(
    fc.property(segment, (of) => {
      const read = readLines(of.body, of.sort);
      const lines = scanned(of);
      const whole = lines.map((line) => (line instanceof OutcomeLine ? line.entry : line));
      expect(whole).toEqual(read);
      for (const [index, line] of lines.entries()) {
        if (!(line instanceof OutcomeLine)) continue;
        const { id, kind, ask, h, at, value } = line;
        const told = { id, kind, name: line.name, ask, h, at, out: { v: value } };
        expect(read[index]).toMatchObject({ t: "completed", ...told });
      }
    }),
  );
});

const plain: Entry = {
  t: "completed",
  id: "a:0",
  kind: "checkpoint",
  name: "a",
  ask: 0,
  h: "h",
  in: [{ v: "x\n\u2028" }, { v: [1, "b", null] }],
  s: 1,
  out: { v: { 'a "b"': -1.5e-9, c: true } },
  at: 1,
};

test.each([
  [true, plain],
  [true, { ...plain, in: [] }],
  [false, { ...plain, out: { v: { deep: {} } } }],
  [false, { ...plain, kind: "wait" }],
  [false, { ...plain, name: "b" }],
  [false, { ...plain, tries: 2 }],
  [false, { ...plain, in: [{ r: "[1]" }] }],
] as [boolean, Entry][])("put off: %s of %j", (isPutOff, entry) => {
  const lines = scanned({ sort: "j/000000", body: writeLines([entry], "n").join("") });
  expect(lines.map((line) => line instanceof OutcomeLine)).toEqual([isPutOff]);
});

test("whatever is done to the text, damage is found at once, and where reading all of it finds it", () => {
  const error = (read: () => unknown): unknown => {
    try {
      read();
    } catch (thrown) {
      return String(thrown);
    }
    return undefined;
  };
  const text = writeLines([plain, { ...plain, id: "a:1", ask: 1 }], "n").join("");
  const damaged = fc.oneof(
    fc
      .tuple(fc.nat(text.length), fc.nat(3), fc.string({ unit: "binary", maxLength: 2 }))
      .map(([at, length, put]) => text.slice(0, at) + put + text.slice(at + length)),
    fc
      .tuple(fc.nat(text.length), fc.constantFrom(...'{}[]",:\\0-e'.split("")))
      .map(([at, put]) => text.slice(0, at) + put + text.slice(at + 1)),
  );
  fc.assert(
    fc.property(damaged, (body) => {
      const of = { sort: "j/000007", body };
      expect(error(() => scanned(of))).toEqual(error(() => readLines(body, of.sort)));
      if (error(() => scanned(of)) !== undefined) return;
      const whole = scanned(of).map((line) => (line instanceof OutcomeLine ? line.entry : line));
      expect(whole).toEqual(readLines(body, of.sort));
    }),
    { numRuns: 2000 },
  );
});

test("a journal says the same of its calls, whether or not they are read at once", () => {
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 4 }), fc.array(name), (segments, voided) => {
      const [soon, late] = [new JournalState(), new JournalState()];
      const retried: Entry = { t: "retried", voids: voided.map((each) => `${each}:0`), at: 1 };
      for (const of of segments) {
        for (const entry of readLines(of.body, of.sort)) soon.add(entry);
        for (const line of scanned(of))
          if (line instanceof OutcomeLine) late.addLine(line);
          else late.add(line);
        for (const state of [soon, late]) state.add(retried);
      }
      const told = (state: JournalState) => ({
        size: state.known.size,
        known: state.known
          .values()
          .map(({ id, kind, ask, h }) => ({ id, kind, ask, h }))
          .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
        outcomes: [...state.outcomes].map(([id, { entry, position, early }]) => ({
          id,
          entry,
          position,
          early,
          known: state.known.get(id)?.h,
        })),
        position: state.position,
      });
      expect(told(late)).toEqual(told(soon));
    }),
  );
});
