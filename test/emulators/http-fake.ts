import { once } from "node:events";
import { type IncomingHttpHeaders, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Emulator } from "./server.ts";

/** A request to a fake of a service. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What a fake answers: a JSON value or bytes. */
export interface FakeReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Serve a fake on a port of its own of this machine. */
export async function startFake(
  answer: (request: FakeRequest) => FakeReply | Promise<FakeReply>,
): Promise<Emulator> {
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const body = Buffer.concat(await incoming.toArray());
      const { pathname: path, searchParams: query } = new URL(incoming.url ?? "/", "http://fake");
      const { method = "", headers } = incoming;
      const reply = await answer({ method, path, query, headers, body });
      const bytes =
        reply.body instanceof Uint8Array
          ? reply.body
          : Buffer.from(JSON.stringify(reply.body) ?? "");
      outgoing.writeHead(reply.status ?? 200, {
        "content-type": "application/json",
        "content-length": String(bytes.byteLength),
        ...reply.headers,
      });
      outgoing.end(bytes);
    })().catch(() => outgoing.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A refusal in the form of Google's services. */
export function refusal(code: number, status: string, message = status): FakeReply {
  return { status: code, body: { error: { code, message, status } } };
}
