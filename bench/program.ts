import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Place } from "./stacks.ts";

/** A program of `programs/` that runs in a process of its own. */
export interface Program<Out> {
  readonly process: ChildProcess;
  /** The next message it sends. Rejects when it ends without one. */
  next(): Promise<Out>;
  /** Kill it, as `kill -9` does, and wait until it is gone. */
  kill(): Promise<void>;
}

/** Start a program. */
export function startProgram<Out>(
  name: string,
  { folder, durability }: Place,
  ...args: readonly (string | number)[]
): Program<Out> {
  const file = fileURLToPath(new URL(`programs/${name}`, import.meta.url));
  const child = fork(file, [folder, durability, ...args.map(String)], {
    execArgv: [],
    serialization: "advanced",
  });
  const ended = once(child, "exit");
  return {
    process: child,
    next: () => nextMessage<Out>(child, name),
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** What a program answers in its only message. */
export async function askProgram<Out>(
  name: string,
  place: Place,
  ...args: readonly (string | number)[]
): Promise<Out> {
  const program = startProgram<Out>(name, place, ...args);
  try {
    return await program.next();
  } finally {
    await program.kill();
  }
}

/** Where this program keeps its executions, and what else it was started with. */
export function programArguments(): { readonly place: Place; readonly args: readonly string[] } {
  const [, , folder = "", durability, ...args] = process.argv;
  return { place: { folder, durability: durability === "full" ? "full" : "normal" }, args };
}

/** Send a message to whoever started this program. */
export function report(message: unknown): void {
  process.send?.(message);
}

function nextMessage<Out>(child: ChildProcess, name: string): Promise<Out> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      child.off("message", heard);
      child.off("exit", ended);
      child.off("error", reject);
    };
    const heard = (message: unknown): void => {
      stop();
      resolve(message as Out);
    };
    const ended = (code: number | null): void => {
      stop();
      reject(new Error(`${name} ended (${code ?? "killed"}) without an answer.`));
    };
    child.on("message", heard);
    child.on("exit", ended);
    child.on("error", reject);
  });
}
