import type { Command } from "commander";
import { KitaruUsageError } from "../../core/errors.ts";
import { type Console, openStack } from "../console.ts";
import { diffLines } from "../diff-text.ts";
import { valueLines } from "../diff-values-text.ts";
import { stackOption } from "../options.ts";

interface DiffOptions {
  readonly stack?: string;
  readonly values?: boolean;
}

/** Add `kitaru executions diff`. */
export function addExecutionsDiff(group: Command, say: () => Console): void {
  group
    .command("diff")
    .description("compare executions of one flow, call by call; figures are other - original")
    .argument("<original>", "execution id")
    .argument("[others...]", "ids of the executions to compare with it; else its replays")
    .option("--values", "show the values that differ, line by line")
    .addOption(stackOption())
    .action((original: string, others: readonly string[], options: DiffOptions) =>
      diff(say(), original, others, options),
    );
}

async function diff(
  say: Console,
  original: string,
  others: readonly string[],
  { stack, values = false }: DiffOptions,
): Promise<void> {
  const twice = others.find((id, index) => id === original || others.indexOf(id) !== index);
  if (twice !== undefined)
    throw new KitaruUsageError(`Execution ${twice} is named twice; name each one once.`);
  const { executions } = await openStack(stack);
  const found = await executions.diff(original, others.length === 0 ? undefined : others, {
    values,
  });
  const shown = values && !say.isJson ? await valueLines(say, found) : [];
  say.item(found, [...diffLines(say, found), ...shown]);
}
