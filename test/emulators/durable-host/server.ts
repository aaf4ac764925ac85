import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { HubFaults, TaskHub } from "./hub.ts";
import type { Instance } from "./instance.ts";
import type { FunctionMetadata, TypedData, Workers } from "./workers.ts";

/** Key of the host, which functions that are not anonymous want. */
export const hostKey = "emulated";

interface Parts {
  readonly hub: TaskHub;
  readonly workers: Workers;
}

/** Answers requests for one prefix of the host's address. */
type Handler = (request: Asked, parts: Parts) => Promise<Answer> | Answer;

interface Asked {
  readonly method: string;
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly url: string;
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Listen for what a Functions host serves: the app's routes, the extension's instances, and what tests ask for. */
export async function serve(port: number, parts: Parts): Promise<number> {
  const server = createServer((incoming, outgoing) => {
    void answer(parts, incoming, outgoing);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function answer(
  parts: Parts,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const url = new URL(incoming.url ?? "/", "http://host");
  const [prefix = "", ...path] = url.pathname.split("/").slice(1).map(decodeURIComponent);
  const asked: Asked = {
    method: incoming.method ?? "GET",
    path,
    query: url.searchParams,
    headers: incoming.headers,
    body: Buffer.concat(await incoming.toArray()).toString(),
    url: url.pathname + url.search,
  };
  let reply: Answer;
  try {
    reply = (await handlers[prefix]?.(asked, parts)) ?? { status: 404 };
  } catch (error) {
    reply = { status: error instanceof TypeError ? 400 : 500, body: { Message: String(error) } };
  }
  outgoing.writeHead(reply.status, { "content-type": "application/json", ...reply.headers });
  const { body } = reply;
  outgoing.end(typeof body === "string" ? body : body === undefined ? "" : JSON.stringify(body));
}

const handlers: Readonly<Record<string, Handler>> = {
  durabletask: (asked, { hub }) =>
    asked.path[0] === "orchestrators" ? create(asked, hub) : manage(asked, hub),
  api: route,
  test: control,
};

function create({ path: [, name = "", id = ""], body }: Asked, hub: TaskHub): Answer {
  const input: unknown = body === "" ? null : JSON.parse(body);
  hub.create({ id, name, input, parent: undefined });
  return { status: 202, body: { id } };
}

function manage({ method, path, query, headers, body }: Asked, hub: TaskHub): Answer {
  const [, id = "", operation, event = ""] = path;
  if (method === "DELETE")
    return hub.purge(id) ? { status: 200, body: { instancesDeleted: 1 } } : { status: 404 };
  const instance = hub.instances.get(id);
  if (instance === undefined) return { status: 404 };
  if (method === "GET")
    return { status: instance.status === "Running" ? 202 : 200, body: statusOf(instance) };
  if (instance.status !== "Running") return { status: 410 };
  if (operation === "terminate") {
    hub.terminate(instance, query.get("reason") ?? "");
    return { status: 202 };
  }
  if (operation !== "raiseEvent") return { status: 404 };
  if (headers["content-type"]?.startsWith("application/json") !== true) return { status: 400 };
  JSON.parse(body);
  hub.raise(instance, event, body);
  return { status: 202 };
}

function statusOf(instance: Instance): object {
  const { name, id, status, input, output, customStatus, createdTime, updatedTime } = instance;
  return {
    name,
    instanceId: id,
    runtimeStatus: status,
    input,
    customStatus,
    output,
    createdTime: createdTime.toISOString(),
    lastUpdatedTime: updatedTime.toISOString(),
  };
}

/** Call the function of an HTTP route of the app. */
async function route(asked: Asked, { hub, workers }: Parts): Promise<Answer> {
  const found = [...workers.functions.values()].find(
    (fn) => trigger(fn)?.["route"] === asked.path.join("/"),
  );
  const binding = found === undefined ? undefined : trigger(found);
  if (found === undefined || binding === undefined) return { status: 404 };
  const key = asked.headers["x-functions-key"] ?? asked.query.get("code");
  if (binding["authLevel"] !== "anonymous" && key !== hostKey) return { status: 401 };
  const http = {
    method: asked.method,
    url: `http://127.0.0.1${asked.url}`,
    headers: Object.fromEntries(
      Object.entries(asked.headers).map(([name, value]) => [name, String(value)]),
    ),
    query: Object.fromEntries(asked.query),
    params: {},
    body: { string: asked.body },
  };
  const result = await workers.call(found.name, hub.request(found.name, null, { http }));
  const reply = (result?.http ?? {}) as {
    statusCode?: string;
    headers?: Record<string, string>;
    body?: TypedData;
  };
  return {
    status: Number(reply.statusCode ?? 204),
    headers: reply.headers ?? {},
    body: reply.body?.string ?? reply.body?.json ?? "",
  };
}

function trigger({ bindings }: FunctionMetadata) {
  return Object.values(bindings).find(({ type }) => type === "httpTrigger");
}

/** What tests look at and disturb. */
async function control(
  { method, path, query, body }: Asked,
  { hub, workers }: Parts,
): Promise<Answer> {
  switch (path[0]) {
    case "instances":
      return { status: 200, body: [...hub.instances.values()].map(describe) };
    case "counts":
      return { status: 200, body: hub.counts };
    case "logs":
      return { status: 200, body: workers.logs };
    case "functions":
      return { status: 200, body: [...workers.functions.values()] };
    case "faults": {
      if (method === "PUT") {
        hub.faults = JSON.parse(body) as HubFaults;
        const { skewMs = 0 } = hub.faults;
        workers.setOffsets(() => Math.round(skew() * skewMs));
      }
      return { status: 200, body: hub.faults };
    }
    case "restart":
      hub.restart();
      return { status: 200 };
    case "timers": {
      const timer = { schedule: {}, scheduleStatus: {}, isPastDue: false };
      const name = path[1] ?? "";
      await workers.callAhead(name, hub.request(name, timer), Number(query.get("aheadMs") ?? 0));
      return { status: 200 };
    }
    default:
      return { status: 404 };
  }
}

/** Share of the largest difference that the clock of a process is ahead or behind: at least half. */
function skew(): number {
  return (0.5 + Math.random() / 2) * (Math.random() < 0.5 ? -1 : 1);
}

function describe(instance: Instance): object {
  return { ...statusOf(instance), told: instance.told, history: instance.history.length };
}
