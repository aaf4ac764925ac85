import { PassThrough } from "node:stream";
import { CommanderError } from "commander";
import { expect, test } from "vitest";
import type { PendingWait } from "../core/client/execution.ts";
import { StoredValue } from "../core/client/values.ts";
import { KitaruUsageError } from "../core/errors.ts";
import { askAt, exampleAnswer, readAnswer } from "./ask.ts";
import { missingPackages } from "./commands/models.ts";
import { describeFailure } from "./failure.ts";
import { toPlain } from "../core/client/plain.ts";
import { toText } from "./plain.ts";
import { bytes, makeStyle, oneLine, plural, relative, span, table } from "./text.ts";

const wait = (schema?: unknown): PendingWait => ({
  id: "w:0",
  name: "w",
  gate: schema === undefined,
  createdAt: new Date(0),
  ...(schema === undefined ? {} : { schema }),
});

test("times, sizes and tables are for people", () => {
  expect(
    [0, 350, 1000, 1250, 59_000, 60_000, 7_300_000, 90_000_000, 200_000_000].map(span),
  ).toEqual(["0 ms", "350 ms", "1 s", "1.3 s", "59 s", "1 min", "2 h", "1 day", "2 days"]);
  const now = 100_000;
  expect([99_800, 95_000, 160_000].map((at) => relative(new Date(at), now))).toEqual([
    "now",
    "5 s ago",
    "in 1 min",
  ]);
  expect([1, 1500, 2_000_000, 3_000_000_000].map(bytes)).toEqual(["1 B", "1.5 kB", "2 MB", "3 GB"]);
  expect([plural(1, "wait"), plural(2, "wait")]).toEqual(["1 wait", "2 waits"]);
  expect(oneLine("a\n\u001B[31mb\u001B[0m \u0007 c")).toBe("a b c");
  expect(oneLine("abcdef", 4)).toBe("abc…");
  const { red } = makeStyle(true);
  expect(table(["A", "B"], [[red("xyz"), "1"], ["👩‍🚀", "2"], ["é"]])).toEqual([
    "A    B",
    `${red("xyz")}  1`,
    "👩‍🚀    2",
    "é",
  ]);
  expect(makeStyle(false).red("x")).toBe("x");
});

test("every storable value can be shown", () => {
  const circular: Record<string, unknown> = { a: 1 };
  circular["self"] = circular;
  const values = {
    none: undefined,
    list: [undefined, null, true],
    date: new Date(0),
    wrong: new Date(Number.NaN),
    map: new Map([["k", new Set([1n])]]),
    bytes: new Uint8Array([1]),
    numbers: new Float64Array([Number.NaN, -0.5]),
    error: Object.assign(new TypeError("no"), { extra: Infinity }),
    stored: new StoredValue(9, () => 1),
    circular,
  };
  expect(toPlain(values)).toEqual({
    list: [null, null, true],
    date: "1970-01-01T00:00:00.000Z",
    wrong: null,
    map: [["k", ["1"]]],
    bytes: { base64: "AQ==" },
    numbers: ["NaN", -0.5],
    error: { name: "TypeError", message: "no", extra: "Infinity" },
    stored: { stored: true, size: 9 },
    circular: { a: 1, self: "(circular)" },
  });
  expect([toText("a\nb"), toText(undefined), toText(new Uint8Array(2)), toText({ a: 1 })]).toEqual([
    "a\nb",
    "(no value)",
    "(2 bytes)",
    '{\n  "a": 1\n}',
  ]);
});

test("a line typed at a terminal is read by the form of the answer", () => {
  const said = (schema: unknown, line: string): unknown => {
    const read = readAnswer(wait(schema), line);
    return "said" in read && read.said.kind === "answer" ? [read.said.value] : read;
  };
  expect(said({ type: "boolean" }, "y")).toEqual([true]);
  expect(said({ type: "boolean" }, "No")).toEqual([false]);
  expect(said({ type: "string" }, "some text")).toEqual(["some text"]);
  expect(said({ type: "number" }, "7")).toEqual([7]);
  expect(said({ enum: ["a", 2] }, "2")).toEqual([2]);
  expect(said({}, '{"a": 1}')).toEqual([{ a: 1 }]);
  expect(said({}, "text")).toEqual({ problem: expect.stringContaining('"text"') });
  expect(said(undefined, "yes")).toEqual([undefined]);
  expect(said(undefined, "what")).toEqual({ problem: '"what" is not y or abort.' });
  expect(said({}, "")).toEqual({ said: { kind: "later" } });
  expect(said({}, "abort")).toEqual({ said: { kind: "abort" } });
  const forms = ["boolean", "string", "integer", "number", "array", "object", "null"];
  expect(forms.map((type) => exampleAnswer({ type }))).toEqual([
    "true",
    '"…"',
    "1",
    "1",
    "[…]",
    "{…}",
    "JSON",
  ]);
  expect(exampleAnswer({ enum: ["low", "high"] })).toBe('"low"');
  const review = {
    anyOf: [
      {
        type: "object",
        properties: {
          approved: { const: false },
          notes: { type: "array", items: { type: "string" } },
          by: {},
        },
        required: ["approved", "notes"],
      },
      { const: null },
    ],
  };
  expect(exampleAnswer(review)).toBe('{"approved": false, "notes": ["…"]}');
  expect(exampleAnswer({ oneOf: [{ type: "integer" }] })).toBe("1");
  expect(exampleAnswer(undefined)).toBe("JSON");
});

test("a person is asked again until a line can be read, and the end of input means later", async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  let shown = "";
  output.on("data", (text: Buffer) => {
    shown += text.toString();
    if (shown.endsWith('(JSON; "abort" aborts, an empty line leaves it for later) '))
      input.write("7\n");
    else if (shown.endsWith("leaves it for later) ")) input.write("?\n");
  });
  const ask = askAt({ input, output });
  const asked = { ...wait({}), question: "How many?", metadata: { why: 1 } };
  expect(await ask(asked, "That did not fit.")).toEqual({ kind: "answer", value: 7 });
  expect(shown).toContain("That did not fit.\nHow many?\n(JSON;");
  const forms = [
    undefined,
    { type: "boolean" },
    { type: "string" },
    { type: "number" },
    { enum: [1, 2] },
  ];
  for (const schema of forms) {
    const ended = new PassThrough();
    ended.end();
    expect(await askAt({ input: ended, output: new PassThrough() })(wait(schema))).toEqual({
      kind: "later",
    });
  }
});

test("failures are told without a stack", () => {
  expect(describeFailure(new KitaruUsageError("m"))).toEqual({ code: "usage", message: "m" });
  expect(describeFailure(new CommanderError(1, "c", "error: bad\n(Did you mean x?)"))).toEqual({
    code: "usage",
    message: "bad (Did you mean x?)",
  });
  expect(describeFailure(new CommanderError(1, "c", "error: bad"))).toMatchObject({
    message: "bad.",
  });
  expect(
    describeFailure(Object.assign(new Error("EACCES: no"), { syscall: "open" })),
  ).toMatchObject({ code: "backend" });
  expect(describeFailure("thrown")).toMatchObject({
    code: "internal",
    message: expect.stringContaining("thrown"),
  });
});

test("packages that a model needs are looked for", () => {
  const missing = ["@ai-sdk/openai", "@ai-sdk/none"].map((name) =>
    missingPackages({ package: name }),
  );
  expect([...missing, missingPackages({})]).toEqual([[], ["@ai-sdk/none"], []]);
});
