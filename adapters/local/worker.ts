import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { TaskRef } from "../../core/ports/orchestrator.ts";

/** What a child process needs to open the same stack. */
export interface WorkerOptions {
  /** Directory the stack's paths are relative to. */
  readonly root: string;
  /** Options of `local()`. */
  readonly options: object;
}

interface RunInChildParams {
  readonly tasks: readonly TaskRef[];
  readonly worker: WorkerOptions;
  readonly signal: AbortSignal;
  readonly crashed: (ref: TaskRef, why: string) => Promise<void>;
}

/** Run isolated attempts, each in a child process, as many at a time as there are processors. */
export async function runInChild({
  tasks,
  worker,
  signal,
  crashed,
}: RunInChildParams): Promise<void> {
  const queue = [...tasks];
  const lane = async (): Promise<void> => {
    for (let ref = queue.shift(); ref !== undefined && !signal.aborted; ref = queue.shift()) {
      const why = await runOne(ref, worker, signal);
      if (why !== undefined) await crashed(ref, why);
    }
  };
  await Promise.all(Array.from({ length: Math.min(tasks.length, availableParallelism()) }, lane));
}

/** Beside the sources; built, this module is one of the chunks. */
const handler = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "./handler.ts" : "../adapters/local/handler.js",
    import.meta.url,
  ),
);

/** What an attempt has printed is read to its end after its process, unless others hold its output open: what it has started may go on. */
const longestDrainMs = 500;

/** Why the child left no outcome, or undefined when it did its work. */
function runOne(
  ref: TaskRef,
  worker: WorkerOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [handler, JSON.stringify({ ref, worker })], {
      stdio: ["ignore", "pipe", "pipe", "ipc"], // the channel tells the child when this process is gone
    });
    child.stdout?.on("data", (bytes: Uint8Array) => void process.stdout.write(bytes)); // wherever that goes here
    let errors = "";
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (text: string) => {
      errors = (errors + text).slice(-2000);
      process.stderr.write(text);
    });
    const kill = (): void => void child.kill();
    signal.addEventListener("abort", kill, { once: true });
    child.once("error", (error) => resolve(`its process could not be started (${error.message})`));
    const ended = (code: number | null, killedBy: NodeJS.Signals | null): void => {
      signal.removeEventListener("abort", kill);
      for (const output of [child.stdout, child.stderr]) (output as Socket | null)?.unref();
      if (code === 0 || signal.aborted) resolve(undefined);
      else
        resolve(
          killedBy === null
            ? `its process exited with code ${code}${lastLine(errors)}`
            : `its process was killed by ${killedBy}`,
        );
    };
    child.once("exit", (code, killedBy) => {
      const late = setTimeout(ended, longestDrainMs, code, killedBy);
      child.once("close", () => {
        clearTimeout(late);
        ended(code, killedBy);
      });
    });
  });
}

function lastLine(text: string): string {
  const line = text.trim().split("\n").at(-1) ?? "";
  return line === "" ? "" : ` (${line.slice(0, 200)})`;
}
