import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { local } from "../../adapters/local/index.ts";
import { KitaruClient } from "../../core/index.ts";
import { digest } from "../../core/hash.ts";
import { closeStacks, configure } from "../../core/stacks.ts";
import { Peer } from "../processes/peer.ts";
import type { Reply } from "../processes/serve.ts";
import { table } from "./fixtures/table.ts";

const program = fileURLToPath(new URL("fixtures/program.ts", import.meta.url));
const largeBytes = 50 * 1024 * 1024;
const client = new KitaruClient();
let root: string;
let second: Peer;

/** Another process, on a machine with other habits. */
async function elsewhere(): Promise<Peer> {
  const env = { TZ: "Asia/Kathmandu", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" };
  const peer = new Peer({ file: program, args: [root], env });
  await peer.ready;
  return peer;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-values-"));
  configure({ root, config: { stacks: { local: local() } } });
  const first = new Peer({ file: program, args: [root], env: { TZ: "America/Caracas" } });
  await first.ready;
  for (const name of Object.keys(table)) expectDone(await first.do("start", [name]));
  for (const name of Object.keys(table)) await parked(idOf(name));
  await first.kill();
  second = await elsewhere();
});
afterAll(async () => {
  await second.kill();
  await closeStacks();
  await rm(root, { recursive: true, force: true });
});

const idOf = (name: string): string => name.replaceAll(" ", "-");
const resultOf = async (id: string): Promise<unknown> =>
  (await client.executions.handle(id)).result();

async function parked(id: string): Promise<void> {
  while ((await client.executions.get(id)).pendingWaits.length === 0) await pause(2);
}

function expectDone(reply: Reply): void {
  expect(reply).toMatchObject({ ok: true });
}

describe("begun in one process, answered and ended in another, read in a third", () => {
  test.each(Object.keys(table))("%s", async (name) => {
    const value = table[name];
    expectDone(await second.do("answer", [name]));
    const result = (await resultOf(idOf(name))) as Record<string, unknown>;
    const ways = ["input", "echoed", "answer", "again", "thrown", "kept", "child"];
    expect(result).toStrictEqual(Object.fromEntries(ways.map((way) => [way, value])));
    for (const way of ways) expect([way, digest(result[way])]).toEqual([way, digest(value)]);
    const execution = await client.executions.get(idOf(name));
    expect(await client.executions.value(execution.input)).toStrictEqual(value);
    const [artifact] = await client.artifacts.list(idOf(name), { name: "kept" });
    expect(await client.artifacts.get(artifact?.id ?? "")).toStrictEqual(value);
  });
});

test("50 MB of bytes and 5 MB of text", async () => {
  const first = await elsewhere();
  expectDone(await first.do("startLarge", [largeBytes]));
  await parked("large");
  await first.kill();
  expect(await second.do("answerLarge", [largeBytes])).toMatchObject({ value: largeBytes });
  const result = (await resultOf("large")) as Uint8Array;
  expect(Buffer.compare(result, new Uint8Array(largeBytes).fill(7))).toBe(0);
});

test("the digest of each is the same on every machine", async () => {
  const reply = await second.do("digests", []);
  const here = Object.entries(table).map(([name, value]) => [name, digest(value)]);
  expect(reply).toMatchObject({ ok: true, value: here });
  expect(new Set(here.map(([, text]) => text)).size).toBe(here.length);
});
