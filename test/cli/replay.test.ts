import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { configure } from "../../core/stacks.ts";
import { type Ran, fixture, kitaru } from "./command-line.ts";

let root = "";

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-replay-"));
  configure({ root, config: { stacks: { local: local() } } });
});

afterEach(() => rm(root, { recursive: true }));

const run = (...args: readonly string[]): Promise<Ran> => kitaru({ cwd: root }, ...args);
const replay = (...args: readonly string[]): Promise<Ran> => run("executions", "replay", ...args);

async function started(flow: string, input: unknown, id: string): Promise<void> {
  const target = `${fixture("replayed")}:${flow}`;
  const ran = await run("run", target, "--id", id, "--input", JSON.stringify(input));
  expect(ran.code).toBe(0);
}

const edited = [
  "--from",
  "write_draft",
  "--override",
  'checkpoint.research="edited notes for kitaru"',
];

test("the recorded research is overridden and what follows runs", async () => {
  await started("writing", { topic: "kitaru" }, "source");
  const ran = await replay("source", ...edited);
  expect(ran).toMatchObject({ code: 0, out: "PUBLISHED: Draft from edited notes for kitaru\n" });
  expect(ran.err).toMatch(
    /^(\w+) {2}replays source\n✓ research:0 {2}overridden\n✓ write_draft:0 .*\n✓ publish:0 .*\n$/,
  );
  const id = /^\w+/.exec(ran.err)?.[0] ?? "";
  const shown = await run("executions", "get", id);
  expect(shown.out).toContain("source (from write_draft:0, checkpoint.research)");
  const json = JSON.parse((await replay("source", ...edited, "--wait", "-o", "json")).out);
  expect(json).toMatchObject({
    command: "executions.replay",
    item: {
      replayOf: "source",
      status: "completed",
      output: "PUBLISHED: Draft from edited notes for kitaru",
    },
  });
});

test("--id makes a replay idempotent", async () => {
  await started("writing", { topic: "kitaru" }, "source");
  const first = await replay("source", ...edited, "--id", "mine");
  expect(first).toMatchObject({ code: 0, out: "PUBLISHED: Draft from edited notes for kitaru\n" });
  expect(first.err).toMatch(/^mine {2}replays source\n/);
  const again = await replay("source", ...edited, "--id", "mine");
  expect(again).toMatchObject({ code: 0, out: first.out });
  const listed = await run("executions", "list", "--replay-of", "source", "-o", "json");
  expect(JSON.parse(listed.out)).toMatchObject({ count: 1, items: [{ id: "mine" }] });
  const other = await replay("source", "--from", "research", "--id", "mine");
  expect(other).toMatchObject({ code: 1, err: expect.stringContaining("mine") });
  const several = await replay("source", "mine", "--id", "ours");
  expect(several.err).toBe(
    "error: --id names one replay; leave it out to replay several executions.\n",
  );
});

test("--dry-run tells what would be done, and leaves no execution", async () => {
  await started("writing", { topic: "kitaru" }, "source");
  const ran = await replay("source", ...edited, "--dry-run");
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(ran.out).toBe(`\
CALL           KIND        WOULD BE    BECAUSE
research:0     checkpoint  overridden  its output is given
write_draft:0  checkpoint  executed    from here on
publish:0      checkpoint  executed    it follows write_draft:0; depends on new results

If what is new comes out as recorded, the flow completes.
1 overridden, 1 executed, 1 depending on new results.
Nothing ran and nothing was written.
`);
  const json = JSON.parse((await replay("source", ...edited, "--dry-run", "-o", "json")).out);
  expect(json).toMatchObject({
    command: "executions.replay",
    item: { source: "source", end: "completed", calls: [{ id: "research:0" }, {}, {}] },
  });
  expect(JSON.parse((await run("executions", "list", "-o", "json")).out)).toMatchObject({
    count: 1,
  });
});

test("model calls, waits and usage in a dry run", async () => {
  await started("agreed", { topic: "Roofs leak. A lot." }, "source");
  await run("executions", "input", "source", "--value", "true");
  const same = await replay("source", "--dry-run");
  expect(same.out).toContain("3 reused.\nModel usage not paid again: 16 tokens.\n");
  expect(same.out).toContain("The flow completes.\n");
  const other = await replay("source", "--dry-run", "--override", 'llm.outline="new"');
  expect(other.out).toMatch(/outlining:0 .* executed .* a model call inside it is overridden\n/);
  expect(other.out).toMatch(/agree:0 .* asked again .* something before it is new; depends on/);
  expect(other.out).toMatch(/tell:0 .* reused, or executed .* depends on new results\n/);
  const unused = await replay("source", "--dry-run", "--override", "agree:1=true");
  expect(unused.out).toContain("No call would ask for agree:1.\n");
});

test("other arguments, another model, other input, a file, and a call that is skipped", async () => {
  await started("writing", { topic: "kitaru" }, "source");
  expect((await replay("source", "--args", 'checkpoint.write_draft=["a talk"]')).out).toBe(
    "PUBLISHED: Draft from a talk\n",
  );
  await writeFile(join(root, "input.json"), '{"topic": "roofs"}');
  expect((await replay("source", "--input", "@input.json")).out).toBe(
    "PUBLISHED: Draft from notes about roofs\n",
  );
  expect((await replay("source", "--from", "research", "--skip", "publish:0")).err).toMatch(
    /^✓ publish:0 {2}\d+ ms {2}reused$/m,
  );
  await started("agreed", { topic: "Roofs leak." }, "asked");
  await run("executions", "input", "asked", "--value", "true");
  const told = await replay("asked", "--model", "outline=offline/other", "--dry-run");
  expect(told.out).toContain("a model call inside it is overridden");
  const failed = await replay("asked", "--model", "outline=none/other");
  expect(failed.err).toContain('model is "none/other", but "none" is not a supported provider');
  expect(failed.err).not.toContain("No call asked for");
});

test("a replay that waits for an answer says how to give it, and one that fails is a failure", async () => {
  await started("agreed", { topic: "Roofs leak." }, "source");
  await run("executions", "input", "source", "--value", "true");
  const ran = await replay("source", "--from", "agree");
  expect(ran.out).toMatch(
    /^waiting {2}agree:0 {2}Agree\?\n.*\n {2}kitaru executions input \w+ --value true\n$/,
  );
  await started("counted", 1, "number");
  const failed = await replay("number", "--input", "-1");
  expect(failed.code).toBe(1);
  expect(failed.err).toMatch(/error: Execution \w+ failed: RangeError: below zero/);
});

test("several executions at once: what works, what fails and what cannot be replayed", async () => {
  await started("counted", 1, "one");
  await started("counted", 2, "two");
  const ran = await replay("one", "two", "nope", "--override", "strict:7=1");
  expect(ran).toMatchObject({ code: 1, err: "error: Of 3 executions 1 could not be replayed.\n" });
  expect(ran.out).toMatch(/one .* completed {2}No call asked for strict:7\.\n/);
  expect(ran.out).toMatch(/✗ nope {2}There is no execution "nope" on this stack\./);
  const failing = await replay("one", "two", "--input", "-1", "-o", "json");
  expect(failing.code).toBe(1);
  expect(JSON.parse(failing.out)).toMatchObject({ count: 2, items: [{ status: "failed" }, {}] });
  expect(failing.err).toContain("Of 2 executions 2 replays failed.");
  const told = await replay("one", "nope", "--dry-run");
  expect(told.out).toMatch(/^one\nCALL[^]*1 reused\.[^]*✗ nope/);
  expect(JSON.parse((await replay("one", "nope", "--dry-run", "-o", "json")).out)).toMatchObject({
    items: [{ source: "one" }, { source: "nope", error: { code: "not_found" } }],
  });
});

test("what does not fit is said in the words of the command", async () => {
  await started("writing", { topic: "kitaru" }, "source");
  const wrong: readonly (readonly [readonly string[], string])[] = [
    [
      ["--override", "research"],
      "--override research: write TARGET=VALUE, such as --override checkpoint.research='\"edited notes\"'.",
    ],
    [
      ["--args", "checkpoint.research=1"],
      "--args checkpoint.research must be a JSON array of the arguments",
    ],
    [["--args", "research"], "such as --args checkpoint.research='[\"new topic\"]'."],
    [["--model", "outline"], "such as --model llm.outline=openai/gpt-5."],
    [
      ["--override", "checkpoint.research=edited"],
      "--override checkpoint.research is not valid JSON",
    ],
    [
      ["--from", "reserch"],
      'Unknown replay selector "reserch". Execution source has: checkpoint.research (research:0), ',
    ],
    [["--version", "newest"], "It must be a whole number from 1"],
  ];
  for (const [args, message] of wrong) {
    const ran = await replay("source", ...args);
    expect([ran.code, ran.out]).toEqual([1, ""]);
    expect(ran.err).toContain(message);
  }
});
