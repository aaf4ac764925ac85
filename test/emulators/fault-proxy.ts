import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer, request } from "node:http";
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

/**
 * Listen on a port of its own for what is meant for `target`. A request waits up to `patienceMs` for somebody to listen
 * there, as one to a function waits for an instance.
 */
export async function startFaultProxy(target: string, patienceMs = 0): Promise<FaultProxy> {
  const server = createServer((incoming, outgoing) => {
    void handle(proxy, { url: target, patienceMs }, incoming, outgoing).catch(() =>
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
  readonly patienceMs: number;
}

async function forward(
  { url, patienceMs }: Target,
  incoming: IncomingMessage,
  body: Buffer,
): Promise<IncomingMessage> {
  for (const deadline = Date.now() + patienceMs; ; await pause(50))
    try {
      return await send(url, incoming, body);
    } catch (error) {
      const isRefused = error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
      if (!isRefused || Date.now() > deadline) throw error;
    }
}

function send(target: string, incoming: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
  const { method, url } = incoming;
  const { "transfer-encoding": _chunked, ...headers } = incoming.headers;
  return new Promise((resolve, reject) => {
    const sent = { ...headers, "content-length": String(body.length) };
    const outgoing = request(new URL(url ?? "/", target), { method, headers: sent }, resolve);
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}
