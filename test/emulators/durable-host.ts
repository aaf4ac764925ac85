import { fileURLToPath } from "node:url";
import { startServer } from "./server.ts";
import { hostKey } from "./durable-host/server.ts";
import type { HubCounts, HubFaults } from "./durable-host/hub.ts";

/** An instance, as the host knows it. */
export interface HostedInstance {
  readonly name: string;
  readonly instanceId: string;
  readonly runtimeStatus: string;
  readonly customStatus: unknown;
  readonly output: unknown;
  readonly input: unknown;
  /** What its function has asked for, in words; what it is at in its present run is not among it. */
  readonly told: readonly string[];
  /** Events in its history. */
  readonly history: number;
}

/** A Functions host with the Durable extension, in a process of its own, that runs an app as it is. */
export interface DurableHost {
  readonly endpoint: string;
  /** Call an HTTP function of the app with the host's key. */
  call(route: string, body: object): Promise<Response>;
  instances(): Promise<readonly HostedInstance[]>;
  instance(id: string): Promise<HostedInstance | undefined>;
  /** Resolve once an instance has ended. */
  ended(id: string): Promise<HostedInstance>;
  raise(id: string, event: string): Promise<number>;
  terminate(id: string): Promise<number>;
  purge(id: string): Promise<number>;
  /** Let a timer's function run as it would so much later. */
  tick(name: string, aheadMs?: number): Promise<void>;
  /** Stop the host and start it again: what was under way is delivered once more. */
  restart(): Promise<void>;
  setFaults(faults: HubFaults): Promise<void>;
  counts(): Promise<HubCounts>;
  /** Lines that functions have written into the log. */
  logs(): Promise<readonly string[]>;
  close(): Promise<void>;
}

interface HostOptions {
  /** The app's main module. */
  readonly app: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Processes that run the app. @default 2 */
  readonly workers?: number;
}

const main = fileURLToPath(new URL("durable-host/main.ts", import.meta.url));

/** Start a host and wait until the app is loaded. */
export async function startDurableHost({
  app,
  env = {},
  workers = 2,
}: HostOptions): Promise<DurableHost> {
  const { endpoint, close } = await startServer({
    program: process.execPath,
    args: (port) => [main, String(port), app, String(workers)],
    options: { env: { ...process.env, ...env } },
  });
  const ask = async (method: string, path: string, body?: object): Promise<Response> => {
    const headers = { "content-type": "application/json", "x-functions-key": hostKey };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return fetch(endpoint + path, { method, headers, ...sent });
  };
  const read = async <T>(path: string): Promise<T> => (await ask("GET", path)).json() as Promise<T>;
  const instances = () => read<HostedInstance[]>("/test/instances");
  const instance = async (id: string) =>
    (await instances()).find(({ instanceId }) => instanceId === id);
  const at = (id: string): string => `/durabletask/instances/${id}`;
  return {
    endpoint,
    instances,
    instance,
    call: (route, body) => ask("POST", `/api/${route}`, body),
    ended: async (id) => {
      for (;;) {
        const found = await instance(id);
        if (found !== undefined && found.runtimeStatus !== "Running") return found;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    raise: async (id, event) => (await ask("POST", `${at(id)}/raiseEvent/${event}`, {})).status,
    terminate: async (id) => (await ask("POST", `${at(id)}/terminate?reason=test`)).status,
    purge: async (id) => (await ask("DELETE", at(id))).status,
    tick: async (name, aheadMs = 0) => {
      const reply = await ask("POST", `/test/timers/${name}?aheadMs=${aheadMs}`);
      if (!reply.ok) throw new Error(await reply.text());
    },
    restart: async () => {
      await ask("POST", "/test/restart");
    },
    setFaults: async (faults) => {
      await ask("PUT", "/test/faults", faults);
    },
    counts: () => read("/test/counts"),
    logs: () => read("/test/logs"),
    close,
  };
}
