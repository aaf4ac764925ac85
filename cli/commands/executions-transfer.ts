import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Command } from "commander";
import type { ImportedFacts } from "../../core/client/importing.ts";
import { KitaruUsageError } from "../../core/errors.ts";
import { type Console, openStack } from "../console.ts";
import { statusText } from "../execution-text.ts";
import { standingLines } from "../follow.ts";
import { stackOption } from "../options.ts";
import { bytes, plural } from "../text.ts";

interface ExportOptions {
  readonly stack?: string;
  readonly file?: string;
  readonly move?: boolean;
  readonly force?: boolean;
}

interface ImportOptions {
  readonly stack?: string;
  readonly copy?: boolean;
}

/** Add `kitaru executions export` and `kitaru executions import`. */
export function addExecutionsTransfer(group: Command, say: () => Console): void {
  group
    .command("export")
    .description("write an execution, and all it consists of, into one file")
    .argument("<id>", "execution id")
    .option("--file <file>", "where to; else ID.kitaru")
    .option("--move", "retire the original: it goes on where the file is imported")
    .option("--force", "replace the file when there is one")
    .addOption(stackOption())
    .action((id: string, options: ExportOptions) => exportOne(say(), id, options));
  group
    .command("import")
    .description("take in an exported execution; it goes on here")
    .argument("<file>", "file that an export has written")
    .option("--copy", "take in one whose original may go on as well")
    .addOption(stackOption())
    .action((file: string, options: ImportOptions) => importOne(say(), file, options));
}

async function exportOne(say: Console, id: string, options: ExportOptions): Promise<void> {
  const { stack, move = false, force = false } = options;
  const file = resolve(say.io.cwd, options.file ?? `${id.replaceAll(/[^\w.-]/g, "_")}.kitaru`);
  if (!force && existsSync(file))
    throw new KitaruUsageError(
      `${file} is there already. Replace it with --force, or name another with --file.`,
    );
  const { executions } = await openStack(stack);
  const found = await executions.export(id, { file, move });
  const shown = relative(say.io.cwd, file);
  const parts = `${plural(found.executions, "execution")}, ${plural(found.blobs, "blob")}, ${bytes(found.bytes)}`;
  const isCopy = !found.moved && found.status === "waiting";
  say.item(found, [
    `${say.style.green("wrote")}  ${shown} (${parts})`,
    ...(found.moved
      ? [
          `It is retired here, and goes on where the file is imported: ${say.io.self} executions import ${shown} --stack NAME`,
        ]
      : []),
    ...(isCopy
      ? ["It is a copy: the original goes on here. With --move it goes on elsewhere."]
      : []),
  ]);
}

async function importOne(
  say: Console,
  given: string,
  { stack, copy = false }: ImportOptions,
): Promise<void> {
  const opened = await openStack(stack);
  const found = await opened.executions.import(resolve(say.io.cwd, given), { copy });
  say.note(
    `Imported ${plural(found.executions, "execution")} from stack ${found.from}, version ${found.version}`,
  );
  if (found.copy) say.note(copyNote(say, found));
  const execution = await opened.executions.get(found.id);
  say.item({ ...found, execution }, [
    ...(execution.pendingWaits.length > 0
      ? await standingLines(say, opened, execution, stack)
      : [`${statusText(say, execution.status)}  ${found.id}`]),
  ]);
}

/** There are two of it now, and people should know how to have one again. */
function copyNote(say: Console, { id, from }: ImportedFacts): string {
  return `${say.style.yellow("warning")}: it is a copy, and its original may go on on stack ${from}. Cancel one of them: ${say.io.self} executions cancel ${id} --stack ${from}`;
}
