import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A request of a workflow to one of its functions. */
export type Asked = Readonly<Record<string, unknown>> & { readonly op: string };

/** Plays the functions of a runtime for workflows that run on an emulator. */
export interface ScriptedFunctions {
  readonly url: string;
  /** Requests in the order they arrived. */
  readonly asked: readonly Asked[];
  /** Token each request came with. */
  readonly tokens: readonly (string | undefined)[];
  close(): Promise<void>;
}

/** What a request is answered: JSON, or another HTTP status; undefined breaks the connection. */
export type Answer = (
  asked: Asked,
) => object | number | undefined | Promise<object | number | undefined>;

/** Serve `answer` on a free port of this machine. */
export async function startScripted(answer: Answer): Promise<ScriptedFunctions> {
  const asked: Asked[] = [];
  const tokens: (string | undefined)[] = [];
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const text = Buffer.concat(await incoming.toArray()).toString();
      const request = (text === "" ? { op: "" } : JSON.parse(text)) as Asked;
      asked.push(request);
      tokens.push(incoming.headers.authorization);
      const reply = await answer(request);
      if (reply === undefined) return outgoing.destroy();
      outgoing.writeHead(typeof reply === "number" ? reply : 200, {
        "content-type": "application/json",
      });
      return outgoing.end(JSON.stringify(typeof reply === "number" ? {} : reply));
    })();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    tokens,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
