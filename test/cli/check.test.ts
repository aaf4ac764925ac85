import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { KitaruConfig } from "../../core/config.ts";
import { configure } from "../../core/stacks.ts";
import { type Ran, kitaru } from "./command-line.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
let root = "";

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-check-"));
  setConfig({});
});

afterEach(() => rm(root, { recursive: true }));

function setConfig(config: KitaruConfig): void {
  configure({ root, config });
}

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
}

const run = (...args: readonly string[]): Promise<Ran> => kitaru({ cwd: root }, "check", ...args);

const right = `import { checkpoint, flow, now } from "kitaru";
const fetchPage = checkpoint("fetch_page", (url: string) => fetch(url).then((page) => page.text()));
export const crawl = flow("crawl", async (url: string) => ({ page: await fetchPage(url), at: now() }));
`;
const wrong = `import { flow } from "kitaru";
export const stamp = flow("stamp", async () => Date.now());
`;
const uncertain = `import { wait } from "kitaru";
export const ask = (name: string) => wait(name);
`;

test("the flows of the config are checked when no file is named", async () => {
  expect(await run()).toMatchObject({
    code: 1,
    out: "",
    err: 'error: There is nothing to check: kitaru.config.ts names no `flows`. Name files, such as kitaru check "flows/*.ts", or add flows: ["./flows/*.ts"] to the config.\n',
  });
  await write({ "flows/crawl.ts": right, "flows/notes.md": "Date.now()" });
  setConfig({ flows: ["./flows/*"] });
  expect(await run()).toEqual({
    code: 0,
    out: "Nothing found in 1 file (1 flow, 1 checkpoint, 0 waits).\n",
    err: "",
  });
  setConfig({ flows: ["./none/*.ts"] });
  expect((await run()).err).toMatch(/^error: `flows` of the config names ".\/none\/\*\.ts"/);
});

test("findings are told with place, rule, remedy and source, and fail the command", async () => {
  await write({ "flows/stamp.ts": wrong });
  expect(await run("flows")).toEqual({
    code: 1,
    out: `flows/stamp.ts:2:48  clock  Date.now() in flow "stamp" gives another time on every re-run. Use now() from "kitaru", or call it in a checkpoint.
  2 │ export const stamp = flow("stamp", async () => Date.now());
    │                                                ^^^^^^^^
`,
    err: "error: 1 error in 1 file (1 flow, 0 checkpoints, 0 waits).\n",
  });
  const json = await run("flows/stamp.ts", "-o", "json");
  expect(json.code).toBe(1);
  expect(JSON.parse(json.out)).toEqual({
    command: "check",
    items: [
      {
        file: "flows/stamp.ts",
        line: 2,
        column: 48,
        rule: "clock",
        severity: "error",
        message: expect.stringContaining("Date.now() in flow"),
      },
    ],
    count: 1,
  });
  expect(JSON.parse(json.err)).toEqual({
    command: "check",
    error: { code: "check", message: "1 error in 1 file (1 flow, 0 checkpoints, 0 waits)." },
  });
});

test("warnings fail only with --strict", async () => {
  await write({ "ask.ts": uncertain });
  const ran = await run("ask.ts");
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(ran.out).toMatch(
    /^ask\.ts:2:43 {2}dynamic-name \(warning\) [\s\S]*\n\n1 warning in 1 file \(0 flows, 0 checkpoints, 1 wait\)\.\n$/,
  );
  expect(await run("ask.ts", "--strict")).toMatchObject({
    code: 1,
    err: "error: 1 warning in 1 file (0 flows, 0 checkpoints, 1 wait).\n",
  });
  const json = await run("ask.ts", "-o", "json");
  expect([json.code, json.err]).toEqual([0, ""]);
  expect(JSON.parse(json.out)).toMatchObject({ items: [{ severity: "warning" }], count: 1 });
});

test("a file that does not parse is told by file, line and column", async () => {
  await write({ "broken.ts": "const a = 1;\nconst b = ;\n", "stamp.ts": wrong });
  const ran = await run("broken.ts", "stamp.ts");
  expect(ran.out).toMatch(
    /^broken\.ts:2:11 {2}syntax {2}Unexpected token\.\n {2}2 │ const b = ;\n {4}│ {11}\^\n\nstamp\.ts:2:48 {2}clock/,
  );
  expect(ran.err).toMatch(/^error: 2 errors in 2 files/);
});

test("files, folders and globs name what is checked", async () => {
  await write({
    "a/one.ts": wrong,
    "a/deep/two.mts": wrong.replaceAll("stamp", "second"),
    "a/types.d.ts": wrong,
    "a/node_modules/x/index.ts": wrong,
    "a/.hidden/x.ts": wrong,
    "b.js": wrong.replaceAll("stamp", "third"),
    "notes.md": "#",
  });
  const files = async (...args: readonly string[]): Promise<unknown> => {
    const { items } = JSON.parse((await run(...args, "-o", "json")).out) as { items: unknown[] };
    return [...new Set(items.map((item) => (item as { file: string }).file))];
  };
  expect(await files("a")).toEqual(["a/deep/two.mts", "a/one.ts"]);
  expect(await files(".")).toEqual(["a/deep/two.mts", "a/one.ts", "b.js"]);
  expect(await files("a/**/*.ts", "b.js", join(root, "a/one.ts"))).toEqual(["a/one.ts", "b.js"]);
  for (const none of ["none.ts", "none/**", "notes.md"])
    expect(await run("b.js", none)).toMatchObject({
      code: 1,
      err: `error: "${none}" matches no TypeScript or JavaScript file below ${root}.\n`,
    });
});

test("the parser is loaded by this command alone", async () => {
  const loaded = async (code: string): Promise<string> => {
    const watch = `import { registerHooks } from "node:module";
      const seen = new Set();
      registerHooks({ resolve(name, context, next) { seen.add(name); return next(name, context); } });
      ${code}
      console.log(["oxc-parser", "commander"].filter((name) => seen.has(name)).join());`;
    const args = ["--input-type=module", "--eval", watch];
    return (await promisify(execFile)(process.execPath, args, { cwd: root })).stdout.trim();
  };
  const url = (file: string): string => JSON.stringify(pathToFileURL(join(repository, file)).href);
  const command = (...args: readonly string[]): string =>
    `const { runProgram } = await import(${url("cli/program.ts")});
     await runProgram(${JSON.stringify(args)}, { env: {}, cwd: process.cwd(), self: "kitaru", isTerminal: false,
       out: () => undefined, err: () => undefined, now: () => 0, onInterrupt: () => () => undefined });`;
  await write({ "a.ts": right });
  expect(await loaded(`await import(${url("core/index.ts")});`)).toBe("");
  expect(await loaded(command("--version"))).toBe("commander");
  expect(await loaded(command("check", "a.ts"))).toBe("oxc-parser,commander");
});

const examples = readdirSync(join(repository, "examples"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

test.each(examples)("nothing is found in the example %s", async (name) => {
  const ran = await kitaru({ cwd: join(repository, "examples") }, "check", name);
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(ran.out).toMatch(/^Nothing found in \d+ files? \([1-9]/);
});
