#!/usr/bin/env node
import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { KitaruClient } from "../core/client/client.ts";
import { isKitaruError } from "../core/errors.ts";
import { closeStacks } from "../core/stacks.ts";

const client = new KitaruClient();
let asJson = false;

const program = new Command("kitaru")
  .description("Durable agent flows on this machine")
  .option("-o, --output <format>", "text or json", "text")
  .hook("preAction", (root) => {
    asJson = root.opts<{ output: string }>().output === "json";
  })
  .configureOutput({ outputError: () => undefined })
  .exitOverride();

const packageFile = new URL(
  import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json",
  import.meta.url,
);
program.version((JSON.parse(await readFile(packageFile, "utf8")) as { version: string }).version);

const executions = program.command("executions").description("look at and speak to executions");
executions
  .command("list")
  .option("--flow <name>")
  .option("--limit <count>", "most rows", "20")
  .action(async (options: { flow?: string; limit: string }) => {
    const flow = options.flow === undefined ? {} : { flow: options.flow };
    const items = await client.executions.list({ limit: Number(options.limit), ...flow });
    show(
      "executions.list",
      { items, count: items.length },
      items.map((e) => `${e.id}  ${e.status.padEnd(9)}  ${e.flow}`).join("\n"),
    );
  });
executions.command("get <id>").action(async (id: string) => {
  const item = await client.executions.get(id);
  const calls = item.calls.map((call) => `  ${call.id.padEnd(24)} ${call.status}`);
  show(
    "executions.get",
    { item },
    [`${item.id}  ${item.status}  ${item.flow}`, ...calls].join("\n"),
  );
});
executions.command("logs <id>").action(async (id: string) => {
  const items = await client.executions.logs(id);
  show(
    "executions.logs",
    { items, count: items.length },
    items
      .map((line) => `${line.at.toISOString()}  ${line.callId ?? ""}  ${line.message}`)
      .join("\n"),
  );
});
executions
  .command("input <id>")
  .option("--value <json>")
  .option("--wait <name>", "name or call id, when several wait")
  .option("--abort", "abort the wait instead")
  .action(async (id: string, options: { value?: string; wait?: string; abort?: boolean }) => {
    if (options.abort === true && options.value !== undefined)
      throw new Error("--abort and --value exclude each other.");
    const target = options.wait === undefined ? {} : { wait: options.wait };
    const item =
      options.abort === true
        ? await client.executions.abortWait(id, target)
        : await client.executions.input(id, { ...target, value: parse(options.value) });
    show(
      "executions.input",
      { item },
      `${item.repeated ? "Said before" : "Answered"}: ${item.callId ?? ""}`,
    );
    await settle(id);
  });
executions.command("cancel <id>").action(async (id: string) => {
  await client.executions.cancel(id);
  await settle(id);
});
for (const verb of ["retry", "resume"] as const)
  executions.command(`${verb} <id>`).action(async (id: string) => {
    await client.executions[verb](id);
    await settle(id);
  });

const artifacts = program.command("artifacts").description("look at stored values");
artifacts.command("list <execution>").action(async (id: string) => {
  const items = await client.artifacts.list(id);
  show(
    "artifacts.list",
    { items, count: items.length },
    items.map((a) => `${a.id}  ${a.type}`).join("\n"),
  );
});
artifacts.command("get <id>").action(async (id: string) => {
  const item = await client.artifacts.get(id);
  show("artifacts.get", { item }, typeof item === "string" ? item : JSON.stringify(item, null, 2));
});

/** Wait until the execution has ended or waits for somebody again. */
async function settle(id: string): Promise<void> {
  const handle = await client.executions.handle(id);
  for (let tries = 0; ; tries++) {
    const status = await handle.status();
    const isResting = status === "waiting" && tries > 5;
    if (isResting || status === "completed" || status === "failed" || status === "cancelled") {
      const item = await client.executions.get(id);
      const result =
        status === "completed"
          ? `\n${typeof item.output === "string" ? item.output : JSON.stringify(item.output)}`
          : "";
      show(
        "executions.get",
        { item },
        `${id}  ${status}${item.error === undefined ? "" : `: ${item.error.message}`}${result}`,
      );
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(
      `--value is not JSON: ${error instanceof Error ? error.message : ""}. Quote a text twice: --value '"text"'.`,
      { cause: error },
    );
  }
}

function show(command: string, data: object, text: string): void {
  process.stdout.write(asJson ? `${JSON.stringify({ command, ...data })}\n` : `${text}\n`);
}

function isHarmless(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  return (
    code === "commander.helpDisplayed" || code === "commander.version" || code === "commander.help"
  );
}

try {
  await program.parseAsync();
} catch (error) {
  if (!isHarmless(error)) {
    const message = error instanceof Error ? error.message : String(error);
    const code = isKitaruError(error) ? error.code : "usage";
    const json = asJson || process.argv.includes("json");
    process.stderr.write(
      json
        ? `${JSON.stringify({ command: process.argv.slice(2).join(" "), error: { code, message } })}\n`
        : `${message}\n`,
    );
    process.exitCode = 1;
  }
} finally {
  await closeStacks();
}
