import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CloudFunction, startFunction } from "./functions.ts";

/** Tells its process, or ends it; it takes a second to be gone, which is answered before. */
const source = `
export async function target({ body }, response) {
  if (body.op === "hang") return;
  if (body.op !== "end") return void response.json({ pid: process.pid });
  process.on("exit", () => {
    for (const until = Date.now() + 1000; Date.now() < until; );
  });
  process.exit(3);
}
`;

describe("a function here, as one in the cloud", () => {
  const folder = mkdtempSync(join(tmpdir(), "kitaru-function-"));
  let served: CloudFunction;
  beforeAll(async () => {
    writeFileSync(join(folder, "index.mjs"), source);
    writeFileSync(join(folder, "package.json"), '{ "type": "module", "main": "index.mjs" }');
    served = await startFunction({ target: "target", source: folder, environment: () => ({}) });
  }, 60_000);
  afterAll(async () => {
    await served?.close();
    rmSync(folder, { recursive: true });
  });

  const ask = (op: string): Promise<Response> => {
    const headers = { "content-type": "application/json" };
    return fetch(served.url, { method: "POST", headers, body: JSON.stringify({ op }) });
  };
  const pid = async (): Promise<number> => {
    const { pid: said } = (await (await ask("tell")).json()) as { readonly pid: number };
    return said;
  };

  test("takes a request that comes while its process ends with the next one", async () => {
    const first = await pid();
    const { status } = await ask("end");
    expect(status).toBe(500);
    expect(await Promise.all([pid(), pid()])).not.toContain(first);
    expect(served.ends()).toBe(1);
  }, 60_000);

  test("fails what its process had taken, and nothing else", async () => {
    const [first, before] = [await pid(), served.ends()];
    const passed = Promise.withResolvers<void>();
    served.proxy.fate = ({ body }) => {
      if (body.includes("hang")) passed.resolve();
      return { kind: "pass" };
    };
    const taken = ask("hang").catch((error: unknown) => error);
    await passed.promise;
    expect(await pid()).toBe(first); // what was sent before it has arrived too
    served.kill();
    expect(served.runningMs()).toBe(0);
    const next = pid();
    expect(await taken).toBeInstanceOf(TypeError);
    expect(await next).not.toBe(first);
    expect(served.ends()).toBe(before + 1);
  }, 60_000);
});
