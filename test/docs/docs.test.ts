import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import * as kitaruExports from "../../core/index.ts";
import { kitaru } from "../cli/command-line.ts";
import { type Block, anchorsOf, blocksOf, codeOf, stepsOf } from "./markdown.ts";
import { type Ids, difference, withRealIds, withShownIds } from "./output.ts";
import { Project } from "./project.ts";

// `docs/`'s own test: what the pages claim is compiled and run. UPDATE_DOCS=1 writes what the commands print into them.

const repository = fileURLToPath(new URL("../../", import.meta.url));
const pages = [
  "README.md",
  ...(await readdir(join(repository, "docs"), { recursive: true }))
    .filter((name) => name.endsWith(".md"))
    .toSorted()
    .map((name) => `docs/${name}`),
];
const texts = new Map<string, string>();
for (const page of pages) texts.set(page, await readFile(join(repository, page), "utf8"));
const isUpdating = process.env["UPDATE_DOCS"] === "1";

test("every ts block type-checks against the sources", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kitaru-docs-types-"));
  try {
    await symlink(join(repository, "node_modules"), join(folder, "node_modules"));
    await write(join(folder, "package.json"), '{ "type": "module" }');
    for (const [page, text] of texts)
      for (const [path, code] of modulesOf(blocksOf(text)))
        await write(join(folder, page, path), code);
    const entries = {
      kitaru: "core",
      "kitaru/testing": "testing",
      "kitaru/infra/*": "infra/*",
      "kitaru/*": "adapters/*",
    };
    const paths = Object.fromEntries(
      Object.entries(entries).map(([name, at]) => [name, [join(repository, at, "index.ts")]]),
    );
    const config = {
      extends: join(repository, "tsconfig.json"),
      compilerOptions: { paths },
      include: ["**/*.ts"],
    };
    await write(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(repository, "node_modules/.bin/tsc");
    const problems = await promisify(execFile)(tsc, ["-p", folder]).then(
      () => "",
      ({ stdout, message }: Error & { stdout?: string }) => stdout ?? message,
    );
    const told = problems
      .split("\n")
      .map((line) => line.replace(/^.*kitaru-docs-types-[^/]*\//, ""))
      .filter((line) => line !== "" && !mayBeLeftOut(line));
    expect(told).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("every kitaru command and option in code exists", async () => {
  const problems: string[] = [];
  const helps = new Map<string, Promise<string>>();
  const helpOf = (words: readonly string[]): Promise<string> => {
    const key = words.join(" ");
    const help =
      helps.get(key) ?? kitaru({ cwd: repository }, ...words, "--help").then((r) => r.out);
    helps.set(key, help);
    return help;
  };
  for (const [page, text] of texts)
    for (const code of codeOf(text))
      for (const [line] of code.matchAll(/(?<=^|npx |\$ )kitaru [a-z-][^\n]*/gm)) {
        const problem = await commandProblem(line, helpOf);
        if (problem !== undefined) problems.push(`${page}: ${line}: ${problem}`);
      }
  expect(problems).toEqual([]);
});

test("every link to a file of the repository, or to a heading in it, leads somewhere", async () => {
  const dead: string[] = [];
  for (const [page, text] of texts)
    for (const [link, path = "", anchor] of text.matchAll(
      /\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g,
    )) {
      const file = join(repository, path === "" ? page : join(dirname(page), path));
      const isThere =
        existsSync(file) &&
        (anchor === undefined || anchorsOf(await readFile(file, "utf8")).includes(anchor));
      if (!isThere) dead.push(`${page}: ${link}`);
    }
  expect(dead).toEqual([]);
});

/** A page that is not run may show a fragment that uses names of the text around it. */
function mayBeLeftOut(problem: string): boolean {
  const page = /^.*?\.md/.exec(problem)?.[0] ?? "";
  return problem.includes("error TS2304") && !sessions.includes(page);
}

/** Pages that ask for it: their files are written and their commands run, from top to bottom. */
const sessions = pages.filter((page) => texts.get(page)?.includes("<!-- run by test/docs -->"));

// What differs throws.
test.concurrent.each(sessions)(
  "the commands of %s print what it shows",
  { timeout: 180_000 },
  async (page) => {
    const project = await Project.create();
    try {
      await play(project, page);
    } finally {
      await project.remove();
    }
  },
);

test("the example of the README runs", async () => {
  const project = await Project.create();
  try {
    const [example] = blocksOf(texts.get("README.md") ?? "");
    await project.write("start.ts", example?.text ?? "");
    await project.write("kitaru.config.ts", config);
    expect(await project.run("node start.ts")).toBe("Research: Durable agents. Return a brief.\n");
  } finally {
    await project.remove();
  }
});

const config = `import { defineConfig } from "kitaru";
export default defineConfig({ models: { fast: "offline/extract" } });
`;

async function play(project: Project, page: string): Promise<void> {
  let text = texts.get(page) ?? "";
  let at = 0;
  const ids: Ids = new Map();
  for (const block of blocksOf(text)) {
    const path = block.language === "ts" ? pathOf(block.text) : undefined;
    if (path !== undefined) await project.write(path, block.text);
    if (block.language !== "console") continue;
    for (const { command, output } of stepsOf(block)) {
      const printed = await project.run(withRealIds(command, ids));
      const problem = difference(output, printed, ids);
      if (problem !== undefined && !isUpdating)
        throw new Error(`${page}: $ ${command}\n${problem}\n\nIt printed:\n${printed}`);
      const before = `$ ${command}\n`;
      const shown = withShownIds(printed, ids).trimEnd();
      at = text.indexOf(before, at) + before.length;
      if (problem !== undefined)
        text = `${text.slice(0, at)}${shown === "" ? "" : `${shown}\n`}${text.slice(at + output.length)}`;
    }
  }
  if (isUpdating) await writeFile(join(repository, page), text);
}

/** Code by the path it has: a block marked `continues` goes on with the one before it. */
function modulesOf(blocks: readonly Block[]): Map<string, string> {
  const modules = new Map<string, string>();
  let path = "";
  for (const { language, words, text, line } of blocks) {
    if (language !== "ts") continue;
    if (words.includes("continues")) {
      modules.set(path, `${modules.get(path) ?? ""}${text}`);
      continue;
    }
    path = pathOf(text) ?? `line-${line}.ts`;
    const prelude = /^import /m.test(text) ? "" : everything;
    modules.set(path, `${prelude}${text}\nexport {};\n`);
  }
  return modules;
}

/** What a block without imports may use. */
const everything = `import { ${Object.keys(kitaruExports).join(", ")} } from "kitaru";
import { z } from "zod";
const client = new KitaruClient();
`;

/** A file names its path in its first line. */
function pathOf(code: string): string | undefined {
  return /^\/\/ (\S+\.ts)\n/.exec(code)?.[1];
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

async function commandProblem(
  line: string,
  helpOf: (words: readonly string[]) => Promise<string>,
): Promise<string | undefined> {
  const command = line.split(/[|;&>]|\s#|\\$/)[0] ?? "";
  const words = command.split(" ").slice(1);
  const names = words.slice(0, words.findIndex((word) => !/^[a-z][a-z-]*$/.test(word)) >>> 0);
  let path: string[] = [];
  for (const name of names) {
    const usage = (await helpOf(path)).split("\n")[0] ?? "";
    if (!usage.includes("[command]")) break; // what follows are its arguments
    const help = await helpOf([...path, name]);
    if (!help.startsWith(`Usage: kitaru ${[...path, name].join(" ")} `)) return `no such command`;
    path = [...path, name];
  }
  const help = await helpOf(path);
  const unknown = words
    .filter((word) => /^--?[a-z]/.test(word))
    .map((word) => word.split("=")[0] ?? "")
    .find((option) => !help.includes(option) && option !== "--version");
  return unknown === undefined ? undefined : `no option ${unknown}`;
}
