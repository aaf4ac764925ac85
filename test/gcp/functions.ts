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
  /** Folder with its source, and its variables. */
  readonly source: string;
  readonly env: NodeJS.ProcessEnv;
  /** Kill its process, as an instance that goes away; another takes its place. Nothing happens while there is none. */
  kill(): void;
  /** How often a process of it has ended. */
  ends(): number;
  /** For how long there has been an instance, in milliseconds; 0 while there is none. */
  runningMs(): number;
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

/**
 * Serve a function by one instance at a time; what ends is followed by another. As in the cloud a request that finds no
 * instance waits for the next, and one that an instance had taken fails with it.
 */
export async function startFunction(params: FunctionParams): Promise<CloudFunction> {
  const port = await freePort();
  const state = { ends: 0, isClosed: false, said: "", runningSince: Infinity };
  let next = Promise.withResolvers<void>();
  const proxy = await startFaultProxy(`http://127.0.0.1:${port}`, {
    available: () => next.promise,
    // by this the framework tells the cloud that its process is about to end
    replied: (headers) => void (headers["x-google-status"] === "crash" && leave()),
  });
  let child = serve();
  await next.promise;
  return {
    url: proxy.endpoint,
    proxy,
    source: params.source,
    env: params.environment(proxy.endpoint),
    kill: () => {
      if (leave()) child.kill("SIGKILL");
    },
    ends: () => state.ends,
    runningMs: () => Math.max(0, Date.now() - state.runningSince),
    close: async () => {
      state.isClosed = true;
      await proxy.close();
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    },
  };

  /** Send nothing more to the instance there is; false when there is none. */
  function leave(): boolean {
    if (state.runningSince === Infinity) return false;
    state.runningSince = Infinity;
    next = Promise.withResolvers();
    return true;
  }

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
      leave();
      if (!state.isClosed) child = serve();
    });
    void admit(started);
    return started;
  }

  /** Let requests to an instance once it listens. */
  async function admit(instance: ChildProcess): Promise<void> {
    const waiting = next;
    waiting.promise.catch(() => undefined); // whoever waits is told
    const isGone = (): boolean => instance.exitCode !== null || instance.signalCode !== null;
    try {
      await listening(port, () => (isGone() ? state.said : undefined));
    } catch (error) {
      // one that ends before it listens is followed by another, but not for ever
      if (state.ends > 20 || !isGone()) waiting.reject(error);
      return;
    }
    state.runningSince = Date.now();
    waiting.resolve();
  }
}

function frameworkMain(): string {
  const { resolve } = createRequire(import.meta.url);
  return join(dirname(resolve("@google-cloud/functions-framework")), "main.js");
}
