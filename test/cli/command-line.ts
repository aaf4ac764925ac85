import { fileURLToPath } from "node:url";
import type { Ask, Io } from "../../cli/io.ts";
import { runProgram } from "../../cli/program.ts";

/** What one command line left. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface CommandLine {
  readonly cwd: string;
  readonly env?: Io["env"];
  readonly ask?: Ask;
  readonly isTerminal?: boolean;
  readonly onInterrupt?: Io["onInterrupt"];
}

export const flowsFile: string = fixture("flows");

export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));
}

/** Run a command line in this process. */
export async function kitaru(line: CommandLine, ...args: readonly string[]): Promise<Ran> {
  const { cwd, env = {}, ask, isTerminal = false, onInterrupt = () => () => undefined } = line;
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram(args, {
    env,
    cwd,
    self: "kitaru",
    isTerminal,
    out: (text) => void out.push(typeof text === "string" ? text : `<${text.byteLength} bytes>`),
    err: (text) => void err.push(text),
    now: () => Date.now(),
    onInterrupt,
    ...(ask === undefined ? {} : { ask }),
  });
  return { code, out: out.join(""), err: err.join("") };
}
