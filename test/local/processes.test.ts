import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { afterEach, beforeEach, expect, test } from "vitest";

import { KitaruClient } from "../../core/index.ts";
import { activeRuntime, closeStacks } from "../../core/stacks.ts";
import { readEntries } from "../../core/engine/artifacts.ts";
import { chaos, gate, open, pick } from "./fixtures/flows.ts";
import { Program } from "./program.ts";

let root: string;
const programs: Program[] = [];
const client = new KitaruClient();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-local-"));
  open(root);
});
afterEach(async () => {
  await Promise.all(programs.splice(0).map((each) => each.kill()));
  await closeStacks();
  await rm(root, { recursive: true, force: true });
});

function start(...args: readonly string[]): Program {
  const started = new Program(root, ...args);
  programs.push(started);
  return started;
}
const run = (flow: string, id: string, input?: unknown): Program =>
  start("run", flow, id, ...(input === undefined ? [] : [JSON.stringify(input)]));
async function parked(id: string): Promise<void> {
  for (;;) {
    const found = await client.executions.get(id).catch(() => undefined);
    if (found !== undefined && found.pendingWaits.length > 0 && found.status === "waiting") return;
    await pause(5);
  }
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("an answer given in one process wakes the execution in another, at once", async () => {
  const driver = run("waiting", "e");
  await driver.says("started");
  await parked("e");
  const since = performance.now();
  await gate.answer("e");
  expect(await driver.says("result")).toBe(driver.pid); // it ran there, not here
  expect(performance.now() - since).toBeLessThan(2500); // nobody polls that often
});

test("of two answers from two processes exactly one wins, and the other is told", async () => {
  const driver = run("asking", "e");
  await driver.says("started");
  await parked("e");
  const answers = [start("answer", "e", "1"), start("answer", "e", "2")];
  await Promise.all(answers.map((each) => each.says("ready")));
  for (const each of answers) each.go();
  const told = await Promise.all(
    answers.map((each) => each.says("answered").then(() => "answered", String)),
  );
  const result = await driver.says("result");
  expect(told.filter((each) => each === "answered")).toHaveLength(1);
  expect(told.find((each) => each !== "answered")).toMatch(/refused.*conflict/);
  expect(told.indexOf("answered")).toBe(Number(result) - 1);
});

test("an execution whose process was killed is taken over at once, and finishes here", async () => {
  const driver = run("waiting", "e");
  await driver.says("started");
  await parked("e");
  await driver.kill();
  const since = performance.now();
  await gate.answer("e");
  expect(await (await client.executions.handle("e")).result()).toBe(process.pid);
  expect(performance.now() - since).toBeLessThan(10_000); // a lease lasts 30 seconds
});

test("one that was killed while it ran goes on where it was", async () => {
  const file = join(root, "notes");
  const driver = run("counting", "e", file);
  while ((await readFile(file, "utf8").catch(() => "")).split("\n").length < 4) await pause(2);
  await driver.kill();
  const { status, output } = await client.executions.resume("e");
  expect([status, output]).toEqual(["completed", [7, 7, 7, 7, 7]]);
  const counts = (await readFile(file, "utf8")).trim().split("\n");
  expect(new Set(counts)).toHaveLength(5);
  expect(counts.length).toBeLessThanOrEqual(6); // only what was in flight ran again
});

test.each(["counting", "delegating"])(
  "the same program, started again, takes up what its killed run of %s left",
  async (flow) => {
    const file = join(root, "notes");
    const first = run(flow, "e", file);
    await first.says("started");
    while ((await readFile(file, "utf8").catch(() => "")) === "") await pause(2);
    await first.kill();
    const second = run(flow, "e", file);
    expect(await second.says("started")).toBe(second.pid);
    expect(await second.says("result")).toEqual([7, 7, 7, 7, 7]);
    const counts = (await readFile(file, "utf8")).trim().split("\n");
    expect(counts.length).toBeLessThanOrEqual(6);
  },
);

test.each(["holding", "orphaning"])(
  "a sweep takes up at once what a killed run of %s had at work, and leaves others' alone",
  async (flow) => {
    const file = join(root, "notes");
    const driver = run(flow, "e", file);
    await driver.says("started");
    while ((await readFile(file, "utf8").catch(() => "")) === "") await pause(2);
    while ((await client.executions.get("e")).status !== "running") await pause(2); // its claim is written
    const { host } = await activeRuntime();
    expect(await host.sweep()).toBe(0);
    expect(await host.sweep()).toBe(0);
    await driver.kill();
    expect(await host.sweep()).toBe(1);
    const { status } = await client.executions.untilRest("e");
    expect(status).toBe("completed");
    expect((await readFile(file, "utf8")).trim().split("\n")).toHaveLength(2);
    expect(await host.sweep()).toBe(0);
  },
);

test("whoever waits for a result takes over when the process that drove is killed meanwhile", async () => {
  const file = join(root, "notes");
  const first = run("holding", "e", file);
  await first.says("started");
  while ((await readFile(file, "utf8").catch(() => "")) === "") await pause(2);
  const second = run("holding", "e", file);
  await second.says("started");
  const here = client.executions.untilRest("e");
  await first.kill();
  const { status, output } = await here;
  expect(status).toBe("completed");
  expect([second.pid, process.pid]).toContain(output);
  expect(await second.says("result")).toBe(output);
  expect(await readFile(file, "utf8")).toBe("held\nheld\n");
});

test("a child that a killed process left goes on with its parent", async () => {
  const file = join(root, "notes");
  const driver = run("delegating", "e", file);
  await driver.says("started");
  while ((await readFile(file, "utf8").catch(() => "")) === "") await pause(2);
  await driver.kill();
  const { status, output } = await client.executions.resume("e");
  expect([status, output]).toEqual(["completed", [7, 7, 7, 7, 7]]);
});

test("an answer by a process that does not know the flow is kept for one that does", async () => {
  const driver = run("asking", "e");
  await driver.says("started");
  await parked("e");
  await driver.kill();
  const answering = start("answer", "e", "5");
  await answering.says("ready");
  answering.go();
  await answering.says("answered");
  await answering.exit();
  const taking = start("drive", "asking", "e");
  await taking.says("started");
  expect(await taking.says("result")).toBe(5);
});

test("two processes that resume one execution yield one outcome per call", async () => {
  const file = join(root, "notes");
  const first = run("counting", "e", file);
  await first.says("started");
  await first.kill();
  const both = [
    start("drive", "counting", "e", JSON.stringify(file)),
    start("drive", "counting", "e", JSON.stringify(file)),
  ];
  const results = await Promise.all(
    both.map(async (each) => {
      await each.says("started");
      return each.says("result");
    }),
  );
  expect(results).toEqual([
    [7, 7, 7, 7, 7],
    [7, 7, 7, 7, 7],
  ]);
  const { context } = await activeRuntime();
  const outcomes = (await readEntries(context, "e")).filter((entry) => entry.t === "completed");
  expect(outcomes.map((entry) => entry.id)).toEqual(
    [0, 1, 2, 3, 4].map((index) => `step:${index}`),
  );
});

test("two processes that start one execution under one id share it", async () => {
  const both = [run("asking", "e"), run("asking", "e")];
  await Promise.all(both.map((each) => each.says("started")));
  await pick.answer("e", 9);
  expect(await Promise.all(both.map((each) => each.says("result")))).toEqual([9, 9]);
});

test("a process ends while an execution is parked, and leaves no socket behind", async () => {
  const since = performance.now();
  const starter = start("start", "waiting", "e");
  await starter.says("started");
  expect(await starter.exit()).toBe(0);
  expect(performance.now() - since).toBeLessThan(15_000);
  await parked("e");
  expect(await readdir(join(root, ".kitaru", "run"))).toEqual([]);
});

test("so does one that sleeps", async () => {
  const starter = start("start", "sleeping", "e", "3600000");
  await starter.says("started");
  expect(await starter.exit()).toBe(0);
  expect((await client.executions.get("e")).status).toBe("waiting");
});

test("a process ends when what it asked for could not be started", async () => {
  const first = run("failing", "e");
  await first.says("started");
  expect(await first.says("failure")).toMatchObject({ message: "as told" });
  expect(await first.exit()).toBe(0);
  const second = start("refused", "sleeping", "e", "5");
  expect(await second.says("refused")).toMatchObject({ code: "conflict" });
  expect(await second.exit()).toBe(0);
  const third = start("refused", "sleeping", "-", "5");
  expect(await third.says("refused")).toMatchObject({ code: "usage" });
  expect(await third.exit()).toBe(0);
});

test("the socket a killed process left is removed by who finds nobody there", async () => {
  const driver = run("waiting", "e");
  await driver.says("started");
  await parked("e");
  const sockets = join(root, ".kitaru", "run");
  const left = await readdir(sockets);
  expect(left).toHaveLength(1);
  await driver.kill();
  expect(await readdir(sockets)).toEqual(left);
  await gate.answer("e");
  await (await client.executions.handle("e")).result();
  expect(await readdir(sockets)).not.toContain(left[0]);
});

test("a folder too deep for a socket has it elsewhere, and wakes all the same", async () => {
  root = join(root, "deep".repeat(30));
  open(root);
  const driver = run("waiting", "e");
  await driver.says("started");
  await parked("e");
  const since = performance.now();
  await gate.answer("e");
  expect(await driver.says("result")).toBe(driver.pid);
  expect(performance.now() - since).toBeLessThan(2500); // nobody polls that often
});

test("every write may be durable against a power cut too", async () => {
  open(root, { durability: "full" });
  const file = join(root, "notes");
  const handle = chaos.run(file);
  await pick.answer(await handle.started.then(() => handle.id), 3);
  expect(await handle.result()).toMatchObject({ answer: 3, paid: 100 });
});
