import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Emulator } from "../server.ts";
import { type Definition, parseDefinition } from "./definition.ts";
import { Execution } from "./execution.ts";
import type { Identity } from "./http-call.ts";
import { type Value, type ValueMap, textOf } from "./value.ts";

/** An emulated Google Cloud Workflows: its two REST APIs, and an interpreter of what the emitted workflows consist of. */
export interface WorkflowsEmulator extends Emulator {
  /** Executions of every workflow, oldest first. */
  readonly executions: readonly Execution[];
  /** Ids of the workflows that are deployed. */
  deployed(): readonly string[];
  /** Let the time of everything that is awaited now be over. */
  expire(): void;
}

export interface WorkflowsOptions {
  readonly identity?: Identity;
  /** Seconds of `sys.sleep` and of delays between tries that pass in one second. @default 50 */
  readonly speed?: number;
  /** Address in the URLs of callbacks. @default that of the emulator */
  readonly address?: () => string;
}

interface Deployed {
  readonly workflow: ValueMap;
  readonly definition: Definition;
}

/** Largest argument of an execution, in bytes. */
const argumentBytes = 32 * 1024;

/** Start the emulator on a free port of this machine. */
export async function startWorkflows(options: WorkflowsOptions = {}): Promise<WorkflowsEmulator> {
  const service = new Service(options);
  const server = createServer((incoming, outgoing) => {
    void service.handle(incoming).then(
      ({ status, body }) => {
        outgoing.writeHead(status, { "content-type": "application/json; charset=UTF-8" });
        outgoing.end(JSON.stringify(body));
      },
      () => outgoing.destroy(),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  service.endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint: service.endpoint,
    executions: service.executions,
    deployed: () => service.deployed(),
    expire: () => {
      for (const execution of service.executions) execution.expire();
    },
    close: async () => {
      for (const execution of service.executions) execution.cancel();
      server.closeAllConnections();
      server.close();
    },
  };
}

interface Reply {
  readonly status: number;
  readonly body: object;
}

/** A request, taken apart. */
interface Request {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: Value | undefined;
}

type Handler = (names: Readonly<Record<string, string>>, request: Request) => Reply;

const place = "(?<place>projects/[^/]+/locations/[^/]+)";
const workflow = "(?<workflow>projects/[^/]+/locations/[^/]+/workflows/[^/:]+)";
const execution = "(?<execution>projects/[^/]+/locations/[^/]+/workflows/[^/:]+/executions/[^/:]+)";

class Service {
  endpoint = "";
  readonly executions: Execution[] = [];
  readonly #options: WorkflowsOptions;
  readonly #deployed = new Map<string, Deployed>();

  constructor(options: WorkflowsOptions) {
    this.#options = options;
  }

  deployed(): string[] {
    return [...this.#deployed.keys()].map((name) => name.split("/").at(-1) ?? "");
  }

  readonly #routes: readonly (readonly [pattern: string, handler: Handler])[] = [
    [
      `POST ${place}/workflows`,
      ({ place: at }, { query, body }) =>
        this.#deploy(`${at}/workflows/${query.get("workflowId") ?? ""}`, body, "create"),
    ],
    [
      `PATCH ${workflow}`,
      ({ workflow: name = "" }, { body }) => this.#deploy(name, body, "update"),
    ],
    [`GET ${workflow}`, (names) => this.#ifDeployed(names, (found) => ok(found.workflow))],
    [
      `GET ${place}/operations/(?<id>.+)`,
      ({ place: at, id }) => ok({ name: `${at}/operations/${id}`, done: true }),
    ],
    [
      `POST ${workflow}/executions`,
      (names, { body }) => this.#ifDeployed(names, (found) => this.#execute(found, body)),
    ],
    [
      `GET ${workflow}/executions`,
      ({ workflow: name }) =>
        ok({
          executions: this.executions
            .filter((one) => one.name.startsWith(`${name}/`))
            .map(resource)
            .toReversed(),
        }),
    ],
    [`GET ${execution}`, (names) => this.#ifExecution(names, (found) => ok(resource(found)))],
    [
      `POST ${execution}:cancel`,
      (names) =>
        this.#ifExecution(names, (found) => {
          found.cancel();
          return ok(resource(found));
        }),
    ],
    [
      `\\w+ ${execution}/callbacks/(?<id>[^/]+)`,
      (names, request) => this.#callback(names, request),
    ],
  ];

  async handle(incoming: IncomingMessage): Promise<Reply> {
    const { method = "", url = "", headers } = incoming;
    const text = Buffer.concat(await incoming.toArray()).toString();
    const { pathname, searchParams: query } = new URL(url, this.endpoint);
    const asked = `${method} ${decodeURIComponent(pathname.replace(/^\/v1\//, ""))}`;
    const body = text === "" ? undefined : (JSON.parse(text) as Value);
    for (const [pattern, handler] of this.#routes) {
      const names = new RegExp(`^${pattern}$`).exec(asked)?.groups;
      if (names !== undefined) return handler(names, { method, query, headers, body });
    }
    return failure(404, "NOT_FOUND", asked);
  }

  #deploy(name: string, body: Value | undefined, verb: "create" | "update"): Reply {
    const known = this.#deployed.get(name);
    const [id = ""] = name.split("/").slice(-1);
    if (!/^[A-Za-z](?:[\w-]{0,62}[A-Za-z0-9])?$/.test(id))
      return failure(400, "INVALID_ARGUMENT", `workflow ID ${id}`);
    if (verb === "create" && known !== undefined) return failure(409, "ALREADY_EXISTS", name);
    if (verb === "update" && known === undefined) return failure(404, "NOT_FOUND", name);
    const changed: ValueMap = {
      ...known?.workflow,
      ...((body ?? {}) as ValueMap),
      name,
      state: "ACTIVE",
      revisionId: revisionAfter(textOf(known?.workflow["revisionId"] ?? "000000-")),
      updateTime: new Date().toISOString(),
    };
    try {
      const definition = parseDefinition(textOf(changed["sourceContents"]));
      this.#deployed.set(name, { workflow: changed, definition });
    } catch (error) {
      return failure(400, "INVALID_ARGUMENT", String(error));
    }
    return ok(operation(changed));
  }

  #execute({ workflow: of, definition }: Deployed, body: Value | undefined): Reply {
    const argument = textOf(((body ?? {}) as ValueMap)["argument"]);
    if (Buffer.byteLength(argument) > argumentBytes)
      return failure(400, "INVALID_ARGUMENT", `argument of more than ${argumentBytes} bytes`);
    const { identity = anybody, speed = 50, address = () => this.endpoint } = this.#options;
    const started = new Execution({
      workflow: textOf(of["name"]),
      revision: textOf(of["revisionId"]),
      serviceAccount: textOf(of["serviceAccount"]),
      definition,
      argument,
      identity,
      speed,
      endpoint: address,
    });
    this.executions.push(started);
    return ok(resource(started));
  }

  #callback(
    names: Readonly<Record<string, string>>,
    { method, query, headers, body = null }: Request,
  ): Reply {
    if (headers.authorization === undefined) return failure(401, "UNAUTHENTICATED", "no token");
    return this.#ifExecution(names, (found) => {
      const request = { method, headers: { ...headers } as ValueMap, body, query: String(query) };
      const status = found.receive(names["id"] ?? "", request);
      return status === 200 ? ok({}) : failure(status, statusNames[status], "callback");
    });
  }

  #ifDeployed(
    { workflow: name = "" }: Readonly<Record<string, string>>,
    use: (deployed: Deployed) => Reply,
  ): Reply {
    const deployed = this.#deployed.get(name);
    return deployed === undefined ? failure(404, "NOT_FOUND", name) : use(deployed);
  }

  #ifExecution(
    { execution: name = "" }: Readonly<Record<string, string>>,
    use: (execution: Execution) => Reply,
  ): Reply {
    const found = this.executions.find((one) => one.name === name);
    return found === undefined ? failure(404, "NOT_FOUND", name) : use(found);
  }
}

const statusNames = {
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  429: "RESOURCE_EXHAUSTED",
} as const;

const anybody: Identity = {
  idToken: async () => "emulated",
  accessToken: async () => "emulated",
};

function resource(of: Execution): object {
  const { name, state, argument, startTime, endTime, result, error, steps } = of;
  const [step] = steps.slice(-1);
  return {
    name,
    state,
    argument,
    startTime: startTime.toISOString(),
    ...(endTime === undefined ? {} : { endTime: endTime.toISOString() }),
    ...(result === undefined ? {} : { result: JSON.stringify(result) }),
    ...(error === undefined ? {} : { error }),
    ...(step === undefined ? {} : { status: { currentSteps: [{ routine: "main", step }] } }),
  };
}

function operation(response: ValueMap): object {
  const [, project, , location] = textOf(response["name"]).split("/");
  const name = `projects/${project}/locations/${location}/operations/${randomUUID()}`;
  const type = "type.googleapis.com/google.cloud.workflows.v1.Workflow";
  return { name, done: true, response: { "@type": type, ...response } };
}

function revisionAfter(revision: string): string {
  const next = Number(revision.split("-")[0]) + 1;
  return `${String(next).padStart(6, "0")}-${randomUUID().slice(0, 3)}`;
}

function failure(code: number, status: string, message: string): Reply {
  return { status: code, body: { error: { code, status, message } } };
}

function ok(body: object): Reply {
  return { status: 200, body };
}
