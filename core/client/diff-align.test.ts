import fc from "fast-check";
import { expect, test } from "vitest";
import { type AlignedBy, alignCalls, alignRows } from "./diff-align.ts";

/** `step:0=x` is a checkpoint asked with x; `step:0` alone has no digest. */
function calls(...texts: readonly string[]): AlignedBy[] {
  return texts.map((text) => {
    const [id = "", digest] = text.split("=");
    const [name = ""] = id.split(":");
    const kind = name === "wait" ? "wait" : "checkpoint";
    return { id, kind, name, ...(digest === undefined ? {} : { digest }) };
  });
}

function aligned(
  originals: readonly AlignedBy[],
  ...others: readonly (readonly AlignedBy[])[]
): string[] {
  return alignRows(originals, others).map(({ original, others: cells }) =>
    [original, ...cells].map((call) => call?.id ?? "-").join(" "),
  );
}

test("the same id and input come first, then the same input elsewhere, then the same id", () => {
  expect(
    aligned(
      calls("a:0=x", "step:0=1", "step:1=2", "step:2=3", "end:0=x"),
      calls("a:0=x", "step:0=0", "step:1=1", "step:2=2", "step:3=3", "end:0=y"),
    ),
  ).toEqual([
    "a:0 a:0",
    "- step:0",
    "step:0 step:1",
    "step:1 step:2",
    "step:2 step:3",
    "end:0 end:0",
  ]);
});

test("repeated calls with equal input keep their places", () => {
  expect(aligned(calls("poll:0=x", "poll:1=x"), calls("poll:0=x", "poll:1=x", "poll:2=x"))).toEqual(
    ["poll:0 poll:0", "poll:1 poll:1", "- poll:2"],
  );
});

test("calls of different kinds are different calls, also under one id", () => {
  const wait: AlignedBy = { id: "a:0", kind: "wait", name: "a", digest: "x" };
  expect(aligned(calls("a:0=x"), [wait])).toEqual(["- a:0", "a:0 -"]);
});

test("an answer that nothing asked for is aligned by its id", () => {
  expect(aligned(calls("wait:0"), calls("wait:0=x"))).toEqual(["wait:0 wait:0"]);
  expect(aligned(calls("wait:0"), calls("wait:0"))).toEqual(["wait:0 wait:0"]);
});

test("a call is the one it took its outcome from, whatever else fits", () => {
  const [first] = calls("a:0=x");
  const [other] = alignCalls(calls("a:0=x", "a:1=x"), [{ ...first!, source: "a:1" }]);
  expect(other?.[1].id).toBe("a:1");
});

test("what only others have stands where they asked it, in one row for the same call", () => {
  expect(
    aligned(
      calls("a:0=1", "b:0=1"),
      calls("new:0=1", "a:0=1", "x:0=1", "b:0=1"),
      calls("a:0=1", "x:0=2", "y:0=1"),
    ),
  ).toEqual(["- new:0 -", "a:0 a:0 a:0", "- x:0 x:0", "- - y:0", "b:0 b:0 -"]);
});

const arbitraryCalls = fc
  .array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("1", "2", "3")), {
    maxLength: 12,
  })
  .map((asked) => {
    const counts = new Map<string, number>();
    return calls(
      ...asked.map(([name, input]) => {
        const count = counts.get(name) ?? 0;
        counts.set(name, count + 1);
        return `${name}:${count}=${input}`;
      }),
    );
  });

test("every call is in one row, no call in two, and an execution matches itself", () => {
  fc.assert(
    fc.property(arbitraryCalls, arbitraryCalls, arbitraryCalls, (a, b, c) => {
      const rows = alignRows(a, [b, c]);
      expect(rows.flatMap(({ original }) => original ?? [])).toEqual(a);
      for (const [column, others] of [b, c].entries()) {
        const seen = rows.flatMap((row) => row.others[column] ?? []);
        expect(new Set(seen)).toEqual(new Set(others));
        expect(seen).toHaveLength(others.length);
      }
      expect(aligned(a, a)).toEqual(a.map(({ id }) => `${id} ${id}`));
      for (const [other, original] of alignCalls(a, b)) {
        expect([other.kind, other.name]).toEqual([original.kind, original.name]);
        expect(other.id === original.id || other.digest === original.digest).toBe(true);
      }
    }),
  );
});
