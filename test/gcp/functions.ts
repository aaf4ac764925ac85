import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type FaultProxy, startFaultProxy } from "../emulators/fault-proxy.ts";
import { freePort, listening } from "../emulators/port.ts";

/** An HTTP function, served by Google's functions framework in a process of its own. */
export interface CloudFunction {
  /** Its URL, which is also the audience of tokens meant for it. */
  readonly url: string;
  /** What stands before it. */
  readonly proxy: FaultProxy;
  /** Kill its process, as an instance that goes away; another takes its place. */
  kill(): void;
  /** How often a process of it has ended. */
  ends(): number;
  close(): Promise<void>;
}

interface FunctionParams {
  /** What the cloud calls it. @default `target` */
  readonly name?: string;
  /** Exported function of the source. */
  readonly target: string;
  /** Folder with the source. */
  readonly source: string;
  readonly environment: (url: string) => NodeJS.ProcessEnv;
}

/** Serve a function; what ends is started anew. */
export async function startFunction(params: FunctionParams): Promise<CloudFunction> {
  const port = await freePort();
  const proxy = await startFaultProxy(`http://127.0.0.1:${port}`, 10_000);
  const state = { ends: 0, isClosed: false, said: "" };
  let child = serve();
  await listening(port, () => (state.ends > 20 ? state.said : undefined));
  return {
    url: proxy.endpoint,
    proxy,
    kill: () => void child.kill("SIGKILL"),
    ends: () => state.ends,
    close: async () => {
      state.isClosed = true;
      await proxy.close();
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    },
  };

  function serve(): ChildProcess {
    const { target, source, environment, name = target } = params;
    const started = spawn(
      process.execPath,
      [frameworkMain(), `--target=${target}`, `--source=${source}`, `--port=${port}`],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, ...environment(proxy.endpoint), HOST: "127.0.0.1", K_SERVICE: name },
      },
    );
    const hear = (chunk: Buffer): void => {
      state.said = (state.said + chunk.toString()).slice(-4000);
      if (process.env["SHOW_FUNCTIONS"] !== undefined)
        process.stderr.write(`${target}: ${chunk.toString()}`);
    };
    started.stdout.on("data", hear);
    started.stderr.on("data", hear);
    started.once("exit", () => {
      state.ends += 1;
      if (!state.isClosed) child = serve();
    });
    return started;
  }
}

function frameworkMain(): string {
  const { resolve } = createRequire(import.meta.url);
  return join(dirname(resolve("@google-cloud/functions-framework")), "main.js");
}
