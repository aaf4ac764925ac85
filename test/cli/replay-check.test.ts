import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { configure } from "../../core/stacks.ts";
import { project, put } from "../deployments/project.ts";
import { type Ran, kitaru } from "./command-line.ts";

let root = "";
let store = "";

const writing = (body: string): string => `import { checkpoint, flow } from "kitaru";

const research = checkpoint("research", (topic: string) => \`notes about \${topic}\`);
const draft = checkpoint("draft", (notes: string) => \`Draft from \${notes}\`);
const classify = checkpoint("classify", (notes: string) => notes.length);

export const writingFlow = flow("writing", async ({ topic }: { topic: string }) => {
  const notes = await research(topic);
${body}
});
`;

const same = "  return draft(notes);";
const shouting = "  return draft(notes.toUpperCase());";
const classifying = "  await classify(notes);\n  return draft(notes);";

beforeEach(async () => {
  root = await project({ "flows/writing.ts": writing(same) });
  store = await mkdtemp(join(tmpdir(), "kitaru-store-"));
  configure({ root, config: { stacks: { local: local({ folder: store }) }, flows: [] } });
});

afterEach(async () => {
  await Promise.all([root, store].map((folder) => rm(folder, { recursive: true })));
});

const run = (...args: readonly string[]): Promise<Ran> => kitaru({ cwd: root }, ...args);

async function deployed(body: string, ...args: readonly string[]): Promise<void> {
  await put(root, "flows/writing.ts", writing(body));
  const ran = await run("deploy", "flows/writing.ts:writingFlow", ...args);
  expect(ran.err).toBe("");
}

async function invoked(topic: string): Promise<string> {
  const ran = await run(
    "invoke",
    "writing",
    "--input",
    JSON.stringify({ topic }),
    "--wait",
    "-o",
    "json",
  );
  return (JSON.parse(ran.out) as { item: { id: string } }).item.id;
}

const check = (...args: readonly string[]): Promise<Ran> =>
  run("replay-check", "--flow", "writing", ...args);

test("a version that does the same is green, one that does not is red, with line and column of the source", async () => {
  await deployed(same);
  const ids = [await invoked("roofs"), await invoked("walls")];
  await deployed(same);
  await deployed(shouting);
  await deployed(classifying);
  expect(await check("--tag", "default", "--against", "2")).toEqual({
    code: 0,
    out: "2 executions of writing of version 1: version 2 does what they have recorded.\n",
    err: "",
  });
  const red = await check("--against", "3", "--values");
  expect(red.code).toBe(1);
  expect(red.err).toBe("error: 2 of 2 executions of writing diverge with version 3.\n");
  const plain = await check("--against", "3");
  expect(plain.out).toContain("    draft:0 has another input at argument 1\n");
  expect(red.out).toMatch(
    new RegExp(
      [
        `^✗ ${ids[1]}  version 1, completed, \\S.*`,
        `    draft:0 has another input at argument 1 \\(recorded "notes about walls", now "NOTES ABOUT WALLS"\\)`,
        `      flows/writing.ts:9:10`,
        "",
        `✗ ${ids[0]}  .*`,
        `    draft:0 has another input at argument 1 .*`,
        `      flows/writing.ts:9:10\\n`,
      ].join("\\n"),
    ),
  );
  expect((await check("--against", "4", "--last", "1")).out).toMatch(
    /\n {4}classify:0 is not recorded; what is recorded there is draft:0\n {6}flows\/writing\.ts:9:9\n/,
  );
});

test("as JSON, with the exit code", async () => {
  await deployed(same);
  const id = await invoked("roofs");
  await deployed(classifying);
  const green = await check("--against", "1", "-o", "json");
  expect(green.code).toBe(0);
  expect(JSON.parse(green.out)).toMatchObject({
    command: "replay-check",
    item: {
      flow: "writing",
      against: "1",
      ok: true,
      summary: { checked: 1, diverged: 0, skipped: 0 },
    },
  });
  const red = await check("--against", "2", "-o", "json");
  expect(red.code).toBe(1);
  expect(JSON.parse(red.out)).toMatchObject({
    item: {
      ok: false,
      executions: [
        {
          id,
          version: "1",
          result: "diverged",
          divergences: [{ kind: "new", call: "classify:0", place: { line: 9, column: 9 } }],
        },
      ],
    },
  });
  expect(JSON.parse(red.err)).toMatchObject({ error: { code: "divergence" } });
});

test("the source as it is on disk can be checked before it is deployed", async () => {
  await deployed(same);
  await invoked("roofs");
  await put(root, "flows/changed.ts", writing(shouting));
  const red = await run("replay-check", "--flow", "flows/changed.ts:writingFlow");
  expect(red.err).toBe("error: 1 of 1 execution of writing diverges with the local code.\n");
  expect(red.out).toContain("      flows/changed.ts:9:10\n");
  expect(await check("--tag", "default", "--version", "1")).toMatchObject({ code: 1, out: "" });
  expect((await check("--against", "next")).err).toMatch(
    /must be the number of a version, or local/,
  );
  expect((await check("--against", "9")).err).toMatch(/has no version 9/);
});

test("what was not checked is said, also when that is everything", async () => {
  await deployed(same);
  expect((await check("--against", "1")).out).toBe(
    "Flow writing has no execution that can be checked against version 1.\n",
  );
});

test("a tag is moved through the gate, and stays where it is when that is red", async () => {
  await deployed(same, "--tag", "stable");
  await invoked("roofs");
  await deployed(same);
  await deployed(shouting);
  const tag = (version: string, ...args: readonly string[]): Promise<Ran> =>
    run("flow", "tag", "writing", "stable", "--version", version, ...args);
  const red = await tag("3", "--gate", "--last", "5");
  expect(red.code).toBe(1);
  expect(red.out).toContain("draft:0 has another input at argument 1");
  expect(red.err).toBe(
    'error: The tag "stable" of flow "writing" was not moved to version 3: 1 of 1 executions of version 1 would go otherwise with it. `kitaru replay-check --flow writing --version 1 --against 3` shows where.\n',
  );
  expect(JSON.parse((await tag("3", "--gate", "-o", "json")).err)).toMatchObject({
    error: { code: "divergence" },
  });
  const stable = async (): Promise<string> =>
    (await run("flow", "show", "writing", "--tag", "stable")).out;
  expect(await stable()).toMatch(/version +1\n/);
  expect(await tag("2", "--gate")).toEqual({
    code: 0,
    out: "writing  stable is version 2 (before: 1)\n",
    err: "1 execution of writing of version 1: version 2 does what it has recorded.\n",
  });
  expect(await tag("2", "--gate")).toMatchObject({
    code: 0,
    err: "Nothing to check the version against.\n",
  });
  expect((await tag("9", "--gate")).err).toMatch(/has no version 9/);
  expect((await tag("3", "--last", "5")).err).toMatch(/give --gate too/);
  expect(await tag("3")).toMatchObject({
    code: 0,
    out: "writing  stable is version 3 (before: 2)\n",
  });
});
