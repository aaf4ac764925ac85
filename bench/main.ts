import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { askProgram } from "./program.ts";
import { type Durability, type Row, durabilities } from "./row.ts";
import { renderTable, summary } from "./table.ts";
import { workloads } from "./workloads/index.ts";

const usage = "npm run bench -- [--json] [--quick] [--only W1,W3,import]";
const root = fileURLToPath(new URL("..", import.meta.url));

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const options = readOptions();
  if (!existsSync(join(root, "dist/core/index.js")))
    throw new Error("What is measured is the built package: run `npm run build` first.");
  const rows: Row[] = [];
  for (const name of options.names)
    for (const durability of durabilitiesOf(name, options.isQuick)) {
      if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${name} ${durability} …`);
      rows.push(...(await measure(name, durability, options.isQuick)));
    }
  if (process.stderr.isTTY) process.stderr.write("\r\u001B[K");
  if (options.isJson) console.log(JSON.stringify({ ...machine(), rows }, null, 2));
  else console.log(`${describe()}\n\n${renderTable(rows)}\n\n${summary(rows)}`);
}

interface Options {
  readonly isJson: boolean;
  readonly isQuick: boolean;
  readonly names: readonly string[];
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      only: { type: "string" },
    },
  });
  const names = values.only?.split(",") ?? Object.keys(workloads);
  const unknown = names.find((name) => !(name in workloads));
  if (unknown !== undefined)
    throw new Error(
      `There is no workload "${unknown}". Choose from ${Object.keys(workloads).join(", ")}: ${usage}`,
    );
  return { isJson: values.json, isQuick: values.quick, names };
}

function durabilitiesOf(name: string, isQuick: boolean): readonly Durability[] {
  const all = workloads[name]?.durabilities ?? durabilities;
  return isQuick && workloads[name]?.isSlow === true ? all.slice(0, 1) : all;
}

/** In a process of its own and in a folder beside the package: a temporary folder may lie in memory. */
async function measure(
  name: string,
  durability: Durability,
  isQuick: boolean,
): Promise<readonly Row[]> {
  const parent = join(root, "node_modules", ".cache", "kitaru-bench");
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, `${name}-`));
  try {
    return await askProgram("measure.ts", { folder, durability }, name, isQuick ? "quick" : "full");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function machine(): Readonly<Record<string, string | number>> {
  const { version, platform, arch } = process;
  return { node: version, platform, arch, cpu: cpus()[0]?.model ?? "", cpus: cpus().length };
}

function describe(): string {
  const { node, platform, arch, cpu, cpus: count } = machine();
  return `Node ${node} on ${platform} ${arch}, ${count} × ${cpu}. Medians; raw is bare node:sqlite in the same run.`;
}
