import { execFile } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const preload = fileURLToPath(new URL("../from-source.ts", import.meta.url));
const folder = fileURLToPath(new URL("fixtures/switch", import.meta.url));

/** Copy the program into `root`, a package with zod, where {@link runOn} runs it: not a byte of it differs from stack to stack. */
export function copyProgram(root: string): void {
  cpSync(folder, root, { recursive: true });
}

/** Run the program in a process of its own, under a config that differs in its `stack` alone; resolves to its result. */
export async function runOn(root: string, stack: string, stacks: string): Promise<unknown> {
  const config = `${imports}\nexport default defineConfig({ stack: "${stack}", stacks: ${stacks} });\n`;
  writeFileSync(`${root}/kitaru.config.ts`, config);
  // in the environment, so that processes of isolated checkpoints have it too
  const env = { ...process.env, NODE_OPTIONS: `--import=${preload}` };
  const program = [`${root}/program.ts`];
  const { stdout } = await promisify(execFile)(process.execPath, program, { cwd: root, env });
  return JSON.parse(stdout);
}

const imports = `import { defineConfig } from "kitaru";
import { aws } from "kitaru/aws";
import { azure } from "kitaru/azure";
import { gcp } from "kitaru/gcp";
import { local } from "kitaru/local";`;
