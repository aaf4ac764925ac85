import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { configure } from "../../core/stacks.ts";
import { type Ran, flowsFile, kitaru } from "./command-line.ts";

let root = "";

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-diff-"));
  configure({ root, config: { stacks: { local: local() } } });
});

afterEach(() => rm(root, { recursive: true }));

const run = (...args: readonly string[]): Promise<Ran> => kitaru({ cwd: root }, ...args);

async function start(flow: string, input: unknown = null): Promise<string> {
  const given = ["--input", JSON.stringify(input)];
  const ran = await run("run", `${flowsFile}:${flow}`, ...given, "-o", "json");
  return (JSON.parse(ran.out) as { item: { id: string } }).item.id;
}

/** Times differ from run to run. */
function steady(out: string): string {
  return out
    .replaceAll(/[+-]?\d+(?:\.\d+)? (?:ms|s)(?: ago)?|\bnow\b/g, "TIME")
    .replaceAll(/ +/g, " ");
}

async function two(): Promise<[string, string]> {
  const ids: [string, string] = [
    await start("review_flow", { topic: "Roofs." }),
    await start("review_flow", { topic: "Walls and floors." }),
  ];
  await run("executions", "input", ids[0], "--value", "true");
  await run("executions", "input", ids[1], "--value", "false");
  return ids;
}

test("two executions are compared call by call, without a value unless it is asked for", async () => {
  const [a, b] = await two();
  const shown = await run("executions", "diff", a, b);
  expect(shown).toMatchObject({ code: 0, err: "" });
  expect(steady(shown.out)).toBe(
    [
      " EXECUTION STATUS VERSION STARTED TOOK TOKENS COST",
      `A ${a} completed local TIME TIME 12 n/a`,
      `B ${b} completed local TIME TIME 18 n/a`,
      "",
      "CALL B TOOK TOKENS COST B WAS DIFFERS IN",
      "draft:0 changed TIME +6 n/a executed input, output, artifacts",
      "approve:0 changed TIME n/a n/a executed input, output",
      "(the flow) changed TIME +6 n/a input, output",
      "",
      "2 calls: 2 changed. Figures are B - A; n/a is not known, and not 0.",
      "",
    ].join("\n"),
  );
  expect(shown.out).not.toContain("Roofs");
  const values = await run("executions", "diff", a, b, "--values");
  expect(values.out.slice(values.out.indexOf("draft:0  argument"))).toBe(
    [
      "draft:0  argument 1",
      "- Roofs.",
      "+ Walls and floors.",
      "",
      "draft:0  output",
      "- Write about this. Roofs.",
      "+ Write about this. Walls and floors.",
      "",
      "approve:0  metadata",
      "  {",
      '-   "text": "Write about this. Roofs."',
      '+   "text": "Write about this. Walls and floors."',
      "  }",
      "",
      "approve:0  output",
      "- true",
      "+ false",
      "",
      "(the flow)  input",
      "  {",
      '-   "topic": "Roofs."',
      '+   "topic": "Walls and floors."',
      "  }",
      "",
      "(the flow)  output",
      "- Write about this. Roofs.",
      "+ Rejected",
      "",
    ].join("\n"),
  );
});

test("as JSON, figures that are not known are left out, and values come on demand", async () => {
  const [a, b] = await two();
  const json = async (...more: readonly string[]): Promise<unknown> =>
    JSON.parse((await run("executions", "diff", a, b, "-o", "json", ...more)).out);
  const plain = await json();
  expect(plain).toMatchObject({
    command: "executions.diff",
    item: {
      flow: "review_flow",
      original: { id: a },
      others: [{ id: b, state: "changed", delta: { totalTokens: 6 } }],
      rows: [
        {
          id: "draft:0",
          kind: "checkpoint",
          others: [{ state: "changed", call: { disposition: "executed" } }],
        },
        { id: "approve:0" },
      ],
    },
  });
  expect(JSON.stringify(plain)).not.toMatch(/cost|Roofs/);
  expect(await json("--values")).toMatchObject({
    item: {
      rows: [
        {
          others: [
            {
              values: [{ name: "argument 1", original: "Roofs.", other: "Walls and floors." }, {}],
            },
          ],
        },
        {},
      ],
    },
  });
});

test("several others make a matrix", async () => {
  const [a, b] = await two();
  const c = await start("review_flow", { topic: "Roofs." });
  const { out } = await run("executions", "diff", a, b, c);
  expect(steady(out.slice(out.indexOf("CALL")))).toBe(
    [
      "CALL B C",
      "draft:0 changed (input, output, artifacts) match",
      "approve:0 changed (input, output) changed (status)",
      "(the flow) changed (input, output) changed (status)",
      "took TIME n/a",
      "tokens +6 0",
      "cost n/a n/a",
      "",
    ].join("\n"),
  );
});

test("what cannot be compared is said", async () => {
  const a = await start("review_flow", { topic: "Roofs." });
  const b = await start("gated");
  expect((await run("executions", "diff", a, b)).err).toMatch(
    /^error: Execution \w+ is of flow "gated", \w+ of flow "review_flow"\. Only executions of one flow can be compared\.\n$/,
  );
  expect((await run("executions", "diff", a, a)).err).toMatch(
    /^error: Execution \w+ is named twice/,
  );
  expect((await run("executions", "diff", a, "none")).err).toMatch(/none/);
});
