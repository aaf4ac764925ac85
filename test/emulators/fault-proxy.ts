import { once } from "node:events";
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
  createServer,
  request,
} from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Emulator } from "./server.ts";

/** One request on its way to an emulator. */
export interface Passing {
  readonly method: string;
  readonly path: string;
  /** Action of a JSON protocol, such as `PutItem`; empty for S3. */
  readonly action: string;
  readonly body: Buffer;
  /** Access key that has signed it, and the service it is signed for; empty for what is not signed. */
  readonly caller: string;
  readonly service: string;
}

/** What becomes of a request. */
export type Fate =
  | { readonly kind: "pass" }
  /** Arrives later. */
  | { readonly kind: "hold"; readonly until: Promise<void> }
  /** Never arrives; this is answered instead. */
  | { readonly kind: "answer"; readonly status: number; readonly body: string }
  /** Arrives and is carried out, but the connection breaks before the reply. */
  | { readonly kind: "lose" };

/** Stands before an emulator and decides about every request. */
export interface FaultProxy extends Emulator {
  /** Refuses before anything else is decided; undefined for what is allowed. */
  authorize: (request: Passing) => Extract<Fate, { kind: "answer" }> | undefined;
  /** Decides; nothing is disturbed until it is set. */
  fate: (request: Passing) => Fate;
  /** What arrives in place of a request's body. */
  rewrite: (request: Passing) => Buffer;
  /** Everything that has passed, with the bytes of the reply. */
  readonly onReply: Set<(request: Passing, reply: Buffer, status: number) => void>;
}

/** Instances of a function, one after the other, on one port. */
export interface Instances {
  /** Resolves once one listens: until then a request waits. */
  available(): Promise<void>;
  /** Told the headers of each reply before anybody else sees it. */
  replied(headers: IncomingHttpHeaders): void;
}

/** How long a request waits for an instance that is said to listen, in milliseconds. */
const patienceMs = 60_000;

/** Listen on a port of its own for what is meant for `target`, which is always there unless it is said to come and go. */
export async function startFaultProxy(target: string, instances?: Instances): Promise<FaultProxy> {
  const server = createServer((incoming, outgoing) => {
    void handle(proxy, { url: target, instances }, incoming, outgoing).catch(() =>
      outgoing.destroy(),
    );
  }).listen(0, "127.0.0.1");
  const proxy: FaultProxy = {
    endpoint: "",
    authorize: () => undefined,
    fate: () => ({ kind: "pass" }),
    rewrite: ({ body }) => body,
    onReply: new Set(),
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return Object.assign(proxy, { endpoint: `http://127.0.0.1:${port}` });
}

async function handle(
  proxy: FaultProxy,
  target: Target,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const body = Buffer.concat(await incoming.toArray());
  const [caller = "", , , service = ""] =
    /Credential=([^,]+)/.exec(incoming.headers.authorization ?? "")?.[1]?.split("/") ?? [];
  const passing: Passing = {
    caller,
    service,
    method: incoming.method ?? "",
    path: incoming.url ?? "",
    action: String(incoming.headers["x-amz-target"] ?? "").replace(/^.*\./, ""),
    body,
  };
  const fate = proxy.authorize(passing) ?? proxy.fate(passing);
  if (fate.kind === "hold") await fate.until;
  if (fate.kind === "answer") {
    outgoing.writeHead(fate.status, { "content-type": "application/x-amz-json-1.0" });
    outgoing.end(fate.body);
    return;
  }
  const reply = await forward(target, incoming, proxy.rewrite(passing));
  const chunks = Buffer.concat(await reply.toArray());
  target.instances?.replied(reply.headers);
  if (fate.kind === "lose") {
    outgoing.destroy();
    return;
  }
  for (const tell of proxy.onReply) tell(passing, chunks, reply.statusCode ?? 500);
  const { "transfer-encoding": _chunked, ...headers } = reply.headers;
  outgoing.writeHead(reply.statusCode ?? 500, headers);
  outgoing.end(chunks);
}

interface Target {
  readonly url: string;
  readonly instances: Instances | undefined;
}

/** What no instance has taken is sent to the next; what one has taken fails with it. */
async function forward(
  { url, instances }: Target,
  incoming: IncomingMessage,
  body: Buffer,
): Promise<IncomingMessage> {
  for (const deadline = Date.now() + patienceMs; ; await pause(50)) {
    await instances?.available();
    try {
      return await send(url, { incoming, body, isKept: instances === undefined });
    } catch (error) {
      const isRefused = error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
      if (instances === undefined || !isRefused || Date.now() > deadline) throw error;
    }
  }
}

interface Sent {
  readonly incoming: IncomingMessage;
  readonly body: Buffer;
  /** Whether the connection may be one of an earlier request: that could be to an instance that is gone. */
  readonly isKept: boolean;
}

function send(target: string, { incoming, body, isKept }: Sent): Promise<IncomingMessage> {
  const { method, url } = incoming;
  const { "transfer-encoding": _chunked, ...others } = incoming.headers;
  return new Promise((resolve, reject) => {
    const headers = { ...others, "content-length": String(body.length) };
    const options = { method, headers, ...(isKept ? {} : { agent: false }) };
    const outgoing = request(new URL(url ?? "/", target), options, resolve);
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}
