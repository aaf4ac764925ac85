import { type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { freePort, listening } from "./port.ts";

/** A running emulator. */
export interface Emulator {
  readonly endpoint: string;
  close(): Promise<void>;
}

interface ServerCommand {
  readonly program: string;
  readonly args: (port: number) => readonly string[];
  readonly options?: SpawnOptions;
}

/** Start an emulator on a free port of this machine and wait until it listens. */
export async function startServer({ program, args, options }: ServerCommand): Promise<Emulator> {
  const port = await freePort();
  const child = spawn(program, args(port), { stdio: ["ignore", "pipe", "pipe"], ...options });
  let said = "";
  const hear = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-4000);
  };
  child.stdout?.on("data", hear);
  child.stderr?.on("data", hear);
  let ended: string | undefined;
  child.once("error", (error) => (ended = `${program} cannot be started: ${error.message}`));
  child.once("exit", (code) => (ended ??= `${program} ended with ${code}: ${said}`));
  await listening(port, () => ended);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), 3000).unref();
      await exit;
    },
  };
}
