import { type Command, Option } from "commander";
import { type Console, openStack } from "../console.ts";
import { executionLines } from "../execution-text.ts";
import { graphMermaid } from "../graph-mermaid.ts";
import { graphLines } from "../graph-text.ts";
import { stackOption } from "../options.ts";
import { waitLines } from "../waits.ts";

interface GetOptions {
  readonly graph?: boolean;
  readonly readers?: boolean;
  readonly output?: "text" | "json" | "mermaid";
  readonly stack?: string;
}

/** Add `kitaru executions get`. */
export function addExecutionsGet(group: Command, say: () => Console): void {
  group
    .command("get")
    .description("one execution with its calls, waits, artifacts and usage")
    .argument("<id>", "execution id")
    .option("--graph", "show which call was given what, and by whom")
    .option("--readers", "in the graph, also who has loaded from it; looks at every execution")
    .addOption(
      new Option("-o, --output <format>", "text, json, or mermaid for the graph").choices([
        "text",
        "json",
        "mermaid",
      ]),
    )
    .addOption(stackOption())
    .action((id: string, options: GetOptions) =>
      options.graph === true || options.readers === true || options.output === "mermaid"
        ? graph(say(), id, options)
        : get(say(), id, options),
    );
}

async function get(say: Console, id: string, { stack }: GetOptions): Promise<void> {
  const { executions } = await openStack(stack);
  const execution = await executions.get(id);
  const waits = waitLines(say, id, execution.pendingWaits, stack);
  say.item(execution, executionLines(say, execution, waits));
}

async function graph(say: Console, id: string, options: GetOptions): Promise<void> {
  const { output, readers, stack } = options;
  const { executions } = await openStack(stack);
  const found = await executions.graph(id, { readers: readers === true });
  say.item(found, output === "mermaid" ? graphMermaid(found) : graphLines(say, found));
}
