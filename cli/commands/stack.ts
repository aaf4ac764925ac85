import { join } from "node:path";
import type { Command } from "commander";
import type { StackDefinition } from "../../core/config.ts";
import { KitaruUsageError } from "../../core/errors.ts";
import { configuredStacks, currentConfig, defaultStack } from "../../core/stacks.ts";
import type { Console } from "../console.ts";
import { fields, table } from "../text.ts";
import { writeWhole } from "../write-whole.ts";

/** Add `kitaru stack …`. */
export function addStack(program: Command, say: () => Console): void {
  const group = program.command("stack").description("where flows run");
  group
    .command("list")
    .description("configured stacks")
    .action(() => list(say()));
  group
    .command("use")
    .description("choose the stack for this project")
    .argument("<name>", "name of a configured stack")
    .action((name: string) => use(say(), name));
  group
    .command("show")
    .description("one stack, and why it is the active one")
    .argument("[name]", "name of a configured stack; the active one when left out")
    .action((name: string | undefined) => show(say(), name));
}

async function list(say: Console): Promise<void> {
  const stacks = await configuredStacks();
  const active = await defaultStack();
  const items = Object.entries(stacks).map(([name, { kind, describe = {} }]) => ({
    name,
    kind,
    isActive: name === active,
    settings: describe,
  }));
  const rows = items.map(({ name, kind, isActive, settings }) => [
    isActive ? say.style.green("*") : "",
    name,
    kind,
    settingsText(settings),
  ]);
  say.items(items, table(["", "NAME", "KIND", "SETTINGS"].map(say.style.dim), rows));
}

async function use(say: Console, name: string): Promise<void> {
  await stackNamed(name);
  const { root } = await currentConfig();
  await writeWhole(join(root, ".kitaru", "stack"), `${name}\n`);
  const fromEnv = say.io.env["KITARU_STACK"]?.trim() ?? "";
  if (fromEnv !== "" && fromEnv !== name)
    say.note(`KITARU_STACK is set to "${fromEnv}" and goes first; unset it.`);
  say.item({ name, root }, [`Flows of ${root} run on stack "${name}" from now on.`]);
}

async function show(say: Console, wanted: string | undefined): Promise<void> {
  const active = await defaultStack();
  const name = wanted ?? active;
  const { kind, describe = {} } = await stackNamed(name);
  const { root, file } = await currentConfig();
  const isActive = name === active;
  const item = {
    name,
    kind,
    isActive,
    ...(isActive ? { chosenBy: await chosenBy(say) } : {}),
    settings: describe,
    root,
    ...(file === undefined ? {} : { config: file }),
  };
  say.item(item, [
    ...fields([
      ["stack", say.style.bold(name)],
      ["kind", kind],
      ["active", item.chosenBy === undefined ? "no" : `yes, by ${item.chosenBy}`],
      ...Object.entries(describe),
      ["root", root],
      ["config", file ?? "none; the local stack is used without one"],
    ]),
  ]);
}

async function stackNamed(name: string): Promise<StackDefinition> {
  const stacks = await configuredStacks();
  const found = Object.hasOwn(stacks, name) ? stacks[name] : undefined;
  if (found !== undefined) return found;
  throw new KitaruUsageError(
    `There is no stack named "${name}". Configured are: ${Object.keys(stacks).join(", ")}. Add it to \`stacks\` in kitaru.config.ts.`,
  );
}

async function chosenBy(say: Console): Promise<string> {
  const { config, saved } = await currentConfig();
  if ((say.io.env["KITARU_STACK"] ?? "").trim() !== "") return "KITARU_STACK";
  if (saved !== undefined) return "kitaru stack use";
  return config.stack === undefined ? "default" : "the config's `stack`";
}

function settingsText(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");
}
