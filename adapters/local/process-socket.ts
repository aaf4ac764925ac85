import { type Server, type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeFolder } from "../../core/make-folder.ts";

const fs = process.getBuiltinModule("node:fs"); // an import would load fs.promises too

/** Longest path a Unix domain socket may have on every platform (macOS: 104 bytes with the terminator). */
const longestSocketPath = 100;
/** A process that does not answer in this time is taken for alive. */
const answerMs = 500;

/**
 * A process' doorbell: others ring it with an execution id. Nobody there means the process is gone, which the
 * operating system knows at once, so a crash need not be waited out.
 */
export class ProcessSocket {
  readonly #folder: string;
  readonly #ring: (executionId: string) => boolean;
  #server: Server | undefined;
  #token: string | undefined;

  constructor(folder: string, ring: (executionId: string) => boolean) {
    this.#folder = folder;
    this.#ring = ring;
  }

  /** Name of this process towards others; its socket listens once this has resolved. */
  get token(): string | undefined {
    return this.#token;
  }

  async listen(): Promise<string> {
    const { server, path } = await listenFirst(pathsIn(this.#folder), (socket) =>
      this.#serve(socket),
    );
    server.unref();
    this.#server = server;
    removeAtExit(path);
    this.#token = `${process.pid}@${path}`;
    return this.#token;
  }

  close(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  #serve(socket: Socket): void {
    socket.unref();
    socket.setEncoding("utf8");
    socket.on("error", () => socket.destroy()); // the other side went away
    let text = "";
    socket.on("data", (part: string) => {
      text += part;
      const end = text.indexOf("\n");
      if (end !== -1) socket.end(this.#ring(text.slice(0, end)) ? "1" : "0");
    });
  }
}

/** What ringing another process' doorbell told. */
export type Answer = "heard" | "unknown execution" | "gone" | "no answer";

/** Ring the process named by `token`; an empty id only asks whether it is there. */
export function ringProcess(token: string, executionId: string): Promise<Answer> {
  const path = token.slice(token.indexOf("@") + 1);
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (answer: Answer): void => {
      resolve(answer);
      socket.destroy();
    };
    socket.setEncoding("utf8");
    socket.setTimeout(answerMs, () => done("no answer"));
    socket.on("connect", () => socket.write(`${executionId}\n`));
    socket.on("data", (reply: string) =>
      done(reply.startsWith("1") ? "heard" : "unknown execution"),
    );
    socket.on("end", () => done("no answer"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const isGone = error.code === "ENOENT" || error.code === "ECONNREFUSED";
      if (error.code === "ECONNREFUSED") fs.rmSync(path, { force: true });
      done(isGone ? "gone" : "no answer");
    });
  });
}

/** Whether `token` was made by a {@link ProcessSocket}. */
export function isProcessToken(token: string): boolean {
  return /^\d+@/.test(token);
}

/** Where a socket may be, best first: beside the data, unless the path is too long or that file system has no sockets. */
function pathsIn(folder: string): readonly string[] {
  const name = `${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  if (process.platform === "win32") return [`\\\\.\\pipe\\kitaru-${name}`];
  const inside = join(folder, "run", `${name}.sock`);
  const outside = join(tmpdir(), `kitaru-${name}.sock`);
  return Buffer.byteLength(inside) > longestSocketPath ? [outside] : [inside, outside];
}

async function listenFirst(
  [path = "", ...others]: readonly string[],
  serve: (socket: Socket) => void,
): Promise<{ readonly server: Server; readonly path: string }> {
  const server = createServer(serve);
  try {
    if (process.platform !== "win32") makeFolder(dirname(path));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
  } catch (error) {
    if (others.length === 0) throw error;
    return listenFirst(others, serve);
  }
  server.on("error", () => undefined); // a ring that could not be taken is a lost wake, which heals
  return { server, path };
}

const left = new Set<string>();

/** A process that ends by itself closes no server, and its socket would stay behind. */
function removeAtExit(path: string): void {
  if (left.size === 0)
    process.once("exit", () => {
      for (const each of left) fs.rmSync(each, { force: true });
    });
  left.add(path);
}
