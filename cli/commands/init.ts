import { access, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { KitaruUsageError } from "../../core/errors.ts";
import type { Console } from "../console.ts";
import { writeTogether } from "../write-whole.ts";

const config = `import { defineConfig } from "kitaru";

export default defineConfig({
  flows: ["./flows/*.ts"],
  // A model is asked for by its alias: llm(prompt, { model: "fast" }). offline/extract needs no key and no network.
  // For a real one: npm install ai @ai-sdk/anthropic, set ANTHROPIC_API_KEY, and write "anthropic/claude-haiku-4-5".
  models: { fast: "offline/extract" },
});
`;

const exampleFlow = `import { checkpoint, flow, llm, wait } from "kitaru";

const summarize = checkpoint("summarize", { retries: 2 }, (text: string) =>
  llm(\`Summarize:\\n\${text}\`, { model: "fast" }),
);

const publish = wait("publish", { question: "Publish this summary?" });

export const hello = flow("hello", async ({ text }: { text: string }) => {
  const summary = await summarize(text);
  await publish({ metadata: { summary } });
  return summary;
});
`;

/** Of a project of its own: flows are ES modules. */
const manifest = `${JSON.stringify({ private: true, type: "module" }, undefined, 2)}\n`;

const ignored = [".kitaru/", ".env"];

/** Add `kitaru init`. */
export function addInit(program: Command, say: () => Console): void {
  program
    .command("init")
    .description("write a config and an example flow")
    .argument("[folder]", "where", ".")
    .option("--force", "overwrite what is there")
    .action((folder: string, options: { readonly force?: boolean }) =>
      init(say(), folder, options.force === true),
    );
}

async function init(say: Console, folder: string, isForced: boolean): Promise<void> {
  const root = resolve(say.io.cwd, folder);
  const files = [
    [join(root, "kitaru.config.ts"), config],
    [join(root, "flows", "hello.ts"), exampleFlow],
  ] as const;
  const there = await existing(files.map(([file]) => file));
  if (there.length > 0 && !isForced)
    throw new KitaruUsageError(
      `${there.join(" and ")} ${there.length === 1 ? "is" : "are"} there already. Overwrite with --force, or name another folder.`,
    );
  const own = await packageOf(root);
  const made =
    own === undefined ? [...files, [join(root, "package.json"), manifest] as const] : files;
  await writeTogether([...made, ...(await ignoring(join(root, ".gitignore")))]);
  const written = made.map(([file]) => file);
  say.item({ root, written }, [
    ...written.map((file) => `${say.style.green("wrote")}  ${relative(say.io.cwd, file)}`),
    "",
    "Next:",
    ...(folder === "." ? [] : [`  cd ${folder}`]),
    ...(own?.isModule === false ? ["  npm pkg set type=module"] : []),
    ...(isInstalled(root) ? [] : ["  npm install kitaru"]),
    `  ${say.io.self} run flows/hello.ts:hello --input '{"text": "A first flow. It waits for you."}'`,
  ]);
}

async function existing(files: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    files.map((file) =>
      access(file).then(
        () => [file],
        () => [],
      ),
    ),
  );
  return found.flat();
}

/** The file with what is missing in it. */
async function ignoring(file: string): Promise<(readonly [file: string, content: string])[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  const lines = new Set(text.split(/\r?\n/));
  const missing = ignored.filter((line) => !lines.has(line) && !lines.has(line.replace("/", "")));
  if (missing.length === 0) return [];
  const start = text === "" || text.endsWith("\n") ? "" : "\n";
  return [[file, `${text}${start}${missing.join("\n")}\n`]];
}

/** The package that a folder belongs to, if any. */
async function packageOf(root: string): Promise<{ readonly isModule: boolean } | undefined> {
  for (let folder = root; ; folder = dirname(folder)) {
    const text = await readFile(join(folder, "package.json"), "utf8").catch(() => undefined);
    if (text !== undefined) return { isModule: typeOf(text) === "module" };
    if (folder === dirname(folder)) return undefined;
  }
}

function typeOf(manifestText: string): unknown {
  try {
    const found: unknown = JSON.parse(manifestText);
    return typeof found === "object" && found !== null && "type" in found ? found.type : undefined;
  } catch {
    return undefined; // whoever reads it next will say so
  }
}

function isInstalled(root: string): boolean {
  try {
    createRequire(join(root, "x.js")).resolve("kitaru/package.json");
    return true;
  } catch {
    return false;
  }
}
