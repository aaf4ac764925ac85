import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { KitaruClient } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { isolating, open } from "./fixtures/flows.ts";
import { Program } from "./program.ts";

let root: string;
let file: string;
const client = new KitaruClient();
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-isolated-"));
  file = join(root, "notes");
  open(root);
});
afterEach(async () => {
  await closeStacks();
  await rm(root, { recursive: true, force: true });
});

const notes = async (): Promise<string[]> =>
  (await readFile(file, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
const run = (what: string): Promise<unknown> => isolating.run(`${what} ${file}`).result();

test("each call has a process of its own", async () => {
  const results = (await run("pids")) as { pid: number; n: number; attempt: number }[];
  expect(results).toMatchObject([
    { n: 2, attempt: 1 },
    { n: 4, attempt: 1 },
  ]);
  expect(new Set([process.pid, ...results.map(({ pid }) => pid)])).toHaveLength(3);
});

test("a failure comes back as it was thrown", async () => {
  expect(await run("broken")).toEqual(["RangeError", "in the child", 7]);
});

test("a timeout ends the call, and its process", async () => {
  expect(await run("slow")).toEqual([
    "timeout",
    "slow:0 did not finish within its timeout of 300 ms.",
  ]);
});

test.each(["exit", "kill", "leave"])(
  "a process that ends by %s is a failed attempt",
  async (how) => {
    expect(await run(how)).toBe(`${how}, then well`);
    expect(await notes()).toEqual([how, how]);
  },
);

test("a process that ends well before its work is done has failed, and says what happened", async () => {
  expect(await run("left")).toEqual([
    "crashed",
    expect.stringContaining("its process exited with code 1 (process.exit() was called in it)"),
  ]);
  expect(await notes()).toEqual(["leaver"]);
});

test("what an attempt has started and left running is not waited for", async () => {
  expect(await run("serve")).toBe("served");
  const [pid] = await notes();
  process.kill(Number(pid));
});

test("an at-most-once call whose process ended is interrupted, and told why", async () => {
  expect(await run("fragile")).toEqual([
    "interrupted",
    expect.stringContaining("its process exited with code 4"),
  ]);
  expect(await notes()).toEqual(["fragile"]);
});

/** Kill the process that drives an execution while its isolated call runs in a child. */
async function orphan(flow: string): Promise<number> {
  const driver = new Program(root, "run", flow, "e", JSON.stringify(file));
  await driver.says("started");
  while ((await notes()).length === 0) await pause(5);
  await driver.kill();
  return Number((await notes())[0]?.split(" ")[1]);
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a child whose driver was killed ends too, and the attempt is made again elsewhere", async () => {
  const child = await orphan("orphaning");
  while (isAlive(child)) await pause(5);
  const { status, output } = await client.executions.resume("e");
  expect([status, output]).toEqual(["completed", "second"]);
  expect(await notes()).toHaveLength(2);
});

test("an at-most-once one is not: it was interrupted", async () => {
  await orphan("orphaningOnce");
  const { output } = await client.executions.resume("e");
  expect(output).toEqual(["interrupted", expect.stringContaining("it had been started before")]);
  expect(await notes()).toHaveLength(1);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
