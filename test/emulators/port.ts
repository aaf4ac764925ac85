import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Resolve once somebody listens on `port`; throw with what `failed` says when that can no longer happen. */
export async function listening(port: number, failed: () => string | undefined): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const why = failed();
    if (why !== undefined) throw new Error(why);
    if (await accepts(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Nobody listens on port ${port} after 30 s.`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
