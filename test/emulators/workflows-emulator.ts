import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pythonEnvironment } from "./python.ts";

const { bin, missing } = pythonEnvironment(
  "kitaru-workflows-emulator",
  "workflows-emulator-requirements.txt",
);

/** Why the package workflows-emulator cannot run here; undefined when it can. */
export const noWorkflowsEmulator: string | undefined = missing;

/** What became of a workflow. */
export interface Outcome {
  /** What its schema of a source finds fault with. */
  readonly schema: string | null;
  readonly result?: unknown;
  /** An error as a workflow sees it. */
  readonly error?: {
    readonly message?: string;
    readonly tags?: readonly string[];
    readonly code?: number;
  };
  /** An error that is its own. */
  readonly crash?: string;
}

/** An interpreter of Google's Workflows that others have written. */
export interface IndependentEmulator {
  run(source: string, argument: object): Promise<Outcome>;
  close(): Promise<void>;
}

/** Start it. */
export function startIndependent(env: Readonly<Record<string, string>>): IndependentEmulator {
  const runner = fileURLToPath(new URL("workflows_emulator_runner.py", import.meta.url));
  const child = spawn(`${bin}/python`, [runner], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const waiting: ((outcome: Outcome) => void)[] = [];
  createInterface(child.stdout).on("line", (line) =>
    waiting.shift()?.(JSON.parse(line) as Outcome),
  );
  return {
    run: (source, argument) => {
      child.stdin.write(`${JSON.stringify({ source, argument })}\n`);
      return new Promise((resolve) => waiting.push(resolve));
    },
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    },
  };
}
