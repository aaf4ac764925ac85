import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import type { ArtifactListOptions } from "../../core/client/artifacts.ts";
import { KitaruUsageError, messageOf } from "../../core/errors.ts";
import { type Console, openStack } from "../console.ts";
import { once, stackOption } from "../options.ts";
import { toPlain, toText } from "../plain.ts";
import { bytes, relative, table } from "../text.ts";

interface ListOptions extends ArtifactListOptions {
  readonly stack?: string;
}

interface GetOptions {
  readonly file?: string;
  readonly stack?: string;
}

/** Add `kitaru artifacts …`. */
export function addArtifacts(program: Command, say: () => Console): void {
  const group = program.command("artifacts").description("look at the values executions have kept");
  group
    .command("list")
    .description("artifacts of an execution")
    .argument("<execution>", "execution id")
    .option("--call <id>", "only of this call", once("--call"))
    .option("--name <name>", "only of this name", once("--name"))
    .option("--type <type>", "only of this type", once("--type"))
    .addOption(stackOption())
    .action((id: string, options: ListOptions) => list(say(), id, options));
  group
    .command("get")
    .description("the value of an artifact, or of a call by EXECUTION/CALL")
    .argument("<id>", "artifact id, as `artifacts list` shows it")
    .option("--file <path>", "write the value to a file", once("--file"))
    .addOption(stackOption())
    .action((id: string, options: GetOptions) => get(say(), id, options));
}

async function list(say: Console, execution: string, options: ListOptions): Promise<void> {
  const { stack, ...wanted } = options;
  const { artifacts } = await openStack(stack);
  const items = await artifacts.list(execution, wanted);
  const now = say.io.now();
  const rows = items.map(({ id, type, size, createdAt }) => [
    id,
    type,
    bytes(size),
    relative(createdAt, now),
  ]);
  say.items(
    items,
    rows.length === 0
      ? ["No artifacts."]
      : table(["ID", "TYPE", "SIZE", "KEPT"].map(say.style.dim), rows),
  );
}

async function get(say: Console, id: string, { file, stack }: GetOptions): Promise<void> {
  const { artifacts } = await openStack(stack);
  const value = await artifacts.get(id);
  if (file !== undefined) return save(say, id, value, resolve(say.io.cwd, file));
  const isRaw = value instanceof Uint8Array && !say.isJson;
  if (isRaw && say.io.isTerminal)
    throw new KitaruUsageError(
      `${id} is ${bytes(value.byteLength)} of binary data. Write it to a file: --file PATH.`,
    );
  if (isRaw) say.io.out(value);
  else say.item({ id, value: toPlain(value) }, [toText(value)]);
}

async function save(say: Console, id: string, value: unknown, file: string): Promise<void> {
  const content = value instanceof Uint8Array ? value : toText(value);
  try {
    await writeFile(file, content);
  } catch (error) {
    throw new KitaruUsageError(`--file: ${file} cannot be written: ${messageOf(error)}.`, {
      cause: error,
    });
  }
  const size = typeof content === "string" ? Buffer.byteLength(content) : content.byteLength;
  say.item({ id, file, size }, [`${file}  ${bytes(size)}`]);
}
