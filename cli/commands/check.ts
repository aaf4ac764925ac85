import { readFileSync, statSync } from "node:fs";
import { glob } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { KitaruUsageError } from "../../core/errors.ts";
import type { Checked } from "../check/check.ts";
import { configFlowFiles } from "../config-flows.ts";
import type { Console } from "../console.ts";
import { CommandError } from "../failure.ts";
import { plural } from "../text.ts";

interface CheckOptions {
  readonly strict?: boolean;
}

/** Whether a path is that of a file which can be checked. */
type IsSource = (path: string) => boolean;

/** Add `kitaru check`. */
export function addCheck(program: Command, say: () => Console): void {
  program
    .command("check")
    .description("look in flows for what would break on a re-run; nothing is run")
    .argument("[files...]", "files, folders or globs; the `flows` of the config when left out")
    .option("--strict", "fail on warnings too")
    .action((files: readonly string[], options: CheckOptions) => check(say(), files, options));
}

async function check(
  say: Console,
  patterns: readonly string[],
  { strict = false }: CheckOptions,
): Promise<void> {
  // Only this command needs the parser.
  const [{ checkFiles }, { findingLines }, { isSourcePath }] = await Promise.all([
    import("../check/check.ts"),
    import("../check/report.ts"),
    import("../check/source.ts"),
  ]);
  const { cwd } = say.io;
  const isProject = patterns.length === 0;
  const paths = isProject ? await projectFiles() : await matchedFiles(patterns, cwd, isSourcePath);
  const display = (path: string): string => relative(cwd, path).replaceAll("\\", "/");
  const checked = checkFiles({
    paths: paths.filter(isSourcePath),
    read,
    display,
    isOneProgram: isProject,
  });
  const { findings } = checked;
  const items = findings.map(({ path, line, column, rule, severity, message }) => {
    const file = display(path);
    return { file, line, column, rule, severity, message };
  });
  const lines = findings.flatMap((one) => [...findingLines(one, display(one.path), say.style), ""]);
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const isBad = errors > 0 || (strict && findings.length > 0);
  const summary = summaryOf(checked, errors);
  say.items(items, isBad ? lines.slice(0, -1) : [...lines, summary]);
  if (isBad) throw new CommandError("check", summary);
}

function summaryOf(
  { findings, files, flows, checkpoints, waits }: Checked,
  errors: number,
): string {
  const warnings = findings.length - errors;
  const found = [
    ...(errors > 0 ? [plural(errors, "error")] : []),
    ...(warnings > 0 ? [plural(warnings, "warning")] : []),
  ];
  const what = [plural(flows, "flow"), plural(checkpoints, "checkpoint"), plural(waits, "wait")];
  return `${found.length === 0 ? "Nothing found" : found.join(" and ")} in ${plural(files, "file")} (${what.join(", ")}).`;
}

async function projectFiles(): Promise<readonly string[]> {
  const files = await configFlowFiles();
  if (files.length > 0) return files;
  throw new KitaruUsageError(
    'There is nothing to check: kitaru.config.ts names no `flows`. Name files, such as kitaru check "flows/*.ts", or add flows: ["./flows/*.ts"] to the config.',
  );
}

async function matchedFiles(
  patterns: readonly string[],
  cwd: string,
  isSource: IsSource,
): Promise<string[]> {
  const files = new Set<string>();
  for (const pattern of patterns) {
    const found = await filesOf(pattern, cwd, isSource);
    if (found.length === 0)
      throw new KitaruUsageError(
        `"${pattern}" matches no TypeScript or JavaScript file below ${cwd}.`,
      );
    for (const file of found) files.add(file);
  }
  return [...files];
}

async function filesOf(pattern: string, cwd: string, isSource: IsSource): Promise<string[]> {
  const stats = statSync(resolve(cwd, pattern), { throwIfNoEntry: false });
  if (stats?.isFile() === true) return [resolve(cwd, pattern)].filter(isSource);
  const search = stats?.isDirectory() === true ? join(pattern, "**/*") : pattern;
  const found: string[] = [];
  const exclude = (name: string): boolean =>
    /(?:^|[\\/])(?:node_modules|\.[^\\/.][^\\/]*)$/.test(name);
  for await (const one of glob(search, { cwd, exclude })) found.push(resolve(cwd, one));
  const isFile = (path: string): boolean =>
    statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  return found.filter((path) => isSource(path) && isFile(path)).toSorted();
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "EISDIR" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
