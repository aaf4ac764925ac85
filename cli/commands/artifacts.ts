import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { ArtifactChoice, Artifacts } from "../../core/client/artifacts.ts";
import type { ArtifactView } from "../../core/client/execution.ts";
import { toPlain } from "../../core/client/plain.ts";
import { KitaruUsageError, messageOf } from "../../core/errors.ts";
import { artifactTypes } from "../../core/primitives/artifact.ts";
import { type Console, openStack } from "../console.ts";
import { flowName, stackOption, wholeNumber } from "../options.ts";
import { toText } from "../plain.ts";
import { bytes, relative, table } from "../text.ts";

interface ListOptions {
  readonly call?: string;
  readonly cursor?: string;
  readonly flow?: string;
  readonly limit?: number;
  readonly name?: string;
  readonly stack?: string;
  readonly type?: string;
}

interface GetOptions {
  readonly file?: string;
  readonly flow?: string;
  readonly name?: string;
  readonly stack?: string;
  readonly version?: string;
}

/** Add `kitaru artifacts …`. */
export function addArtifacts(program: Command, say: () => Console): void {
  const group = program.command("artifacts").description("look at the values executions have kept");
  group
    .command("list")
    .description("artifacts of an execution, or of all executions of a flow")
    .argument("[execution]", "execution id")
    .option("--flow <name>", "of all executions of this flow, newest first", flowName)
    .option("--call <id>", "only of this call of the execution")
    .option("--name <name>", "only of this name")
    .addOption(new Option("--type <type>", "only of this type").choices(artifactTypes))
    .option("--limit <count>", "with --flow: most artifacts shown (20)", wholeNumber(1, 1000))
    .option("--cursor <cursor>", "with --flow: continue after this one")
    .addOption(stackOption())
    .action((id: string | undefined, options: ListOptions) => list(say(), id, options));
  group
    .command("get")
    .description("the value of an artifact, or of a call by EXECUTION/CALL")
    .argument("[id]", "artifact id, as `artifacts list` shows it; with --name an execution id")
    .option("--name <name>", "name of the artifact")
    .option("--flow <name>", "of the newest execution of this flow that has it", flowName)
    .option("--version <hash>", "with --flow: this version of it")
    .option("--file <path>", "write the value to a file")
    .addOption(stackOption())
    .action((id: string | undefined, options: GetOptions) => get(say(), id, options));
}

// ---- list

async function list(
  say: Console,
  execution: string | undefined,
  options: ListOptions,
): Promise<void> {
  const { call, flow, name, type, limit, cursor } = options;
  const { artifacts } = await openStack(options.stack);
  if (execution !== undefined) {
    refuseOptions("the id of an execution", { flow, limit, cursor });
    const wanted = defined({ call, name, type });
    return listed(say, await artifacts.list(execution, wanted));
  }
  if (flow === undefined)
    throw new KitaruUsageError(
      "Name the execution, `kitaru artifacts list EXECUTION`, or a flow: --flow NAME.",
    );
  refuseOptions("--flow", { call });
  const items = await artifacts.list({ flow, ...defined({ name, type, limit, cursor }) });
  listed(say, items);
  const last = items.at(-1);
  if (items.length === (limit ?? 20) && last !== undefined)
    say.note(say.style.dim(`There may be more: --cursor ${last.cursor}`));
}

function listed(say: Console, items: readonly ArtifactView[]): void {
  const now = say.io.now();
  const rows = items.map(({ id, type, size, version, createdAt }) => [
    id,
    type,
    bytes(size),
    version.slice(0, shownVersion),
    relative(createdAt, now),
  ]);
  say.items(
    items,
    rows.length === 0
      ? ["No artifacts."]
      : table(["ID", "TYPE", "SIZE", "VERSION", "KEPT"].map(say.style.dim), rows),
  );
}

const shownVersion = 12;

function refuseOptions(what: string, options: Readonly<Record<string, unknown>>): void {
  const given = Object.keys(options).find((name) => options[name] !== undefined);
  if (given !== undefined)
    throw new KitaruUsageError(`--${given} does not go with ${what}; leave one of them out.`);
}

/** Without what is undefined. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as ReturnType<typeof defined<T>>;
}

// ---- get

async function get(say: Console, id: string | undefined, options: GetOptions): Promise<void> {
  const { artifacts } = await openStack(options.stack);
  const choice = choiceOf(id, options);
  const found =
    typeof choice === "string"
      ? { id: choice, value: await artifacts.get(choice) }
      : await findChosen(artifacts, choice);
  const { value } = found;
  if (options.file !== undefined)
    return save(say, found.id, value, resolve(say.io.cwd, options.file));
  const isRaw = value instanceof Uint8Array && !say.isJson;
  if (isRaw && say.io.isTerminal)
    throw new KitaruUsageError(
      `${found.id} is ${bytes(value.byteLength)} of binary data. Write it to a file: --file PATH.`,
    );
  if (isRaw) say.io.out(value);
  else say.item({ ...found, value: toPlain(value) }, [toText(value)]);
}

function choiceOf(
  id: string | undefined,
  { flow, name, version }: GetOptions,
): string | ArtifactChoice {
  if (flow === undefined && version !== undefined)
    throw new KitaruUsageError("--version needs --flow: a version is one of those of a flow.");
  if (id !== undefined) {
    refuseOptions("an id", { flow });
    return name === undefined ? id : { execution: id, name };
  }
  if (flow === undefined || name === undefined)
    throw new KitaruUsageError(
      "Name the artifact: by its id, by EXECUTION --name NAME, or by --flow FLOW --name NAME.",
    );
  return { flow, name, ...(version === undefined ? {} : { version }) };
}

async function findChosen(
  artifacts: Artifacts,
  choice: ArtifactChoice,
): Promise<{ readonly id: string; readonly version: string; readonly value: unknown }> {
  const { info, value } = await artifacts.find(choice);
  return { id: info.id, version: info.version, value };
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
