import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { local } from "../../adapters/local/index.ts";
import { KitaruClient } from "../../core/index.ts";
import { readEntries } from "../../core/engine/artifacts.ts";
import { activeRuntime, closeStacks, configure } from "../../core/stacks.ts";
import { Peer, together } from "../processes/peer.ts";
import type { Reply } from "../processes/serve.ts";

/** Races of each kind: `ROUNDS=1000` for more. */
const rounds = Number(process.env["ROUNDS"] ?? 50);
vi.setConfig({ testTimeout: 60_000 + rounds * 100 });

const program = fileURLToPath(new URL("fixtures/racer.ts", import.meta.url));
const patienceMs = 15_000;

let root: string;
let driver: Peer;
let left: Peer;
let right: Peer;
const client = new KitaruClient(); // of this process, which knows no flow and drives nothing
const racers: Peer[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-race-"));
  const flows = JSON.stringify(new URL("fixtures/flows.ts", import.meta.url).href);
  await writeFile(join(root, "flows.ts"), `export * from ${flows};`);
  configure({ root, config: { stacks: { local: local() } } });
  [driver, left, right] = [await racer(), await racer(), await racer()];
});
afterAll(async () => {
  await Promise.all(racers.map((each) => each.kill()));
  await closeStacks();
  await rm(root, { recursive: true, force: true });
});

async function racer(): Promise<Peer> {
  const made = new Peer({ file: program, args: [root] });
  racers.push(made);
  await made.ready;
  return made;
}

/** Run `round` for each of many execution ids, one after the other. */
async function race(name: string, round: (id: string) => Promise<void>): Promise<void> {
  for (let no = 0; no < rounds; no += 1) await round(`${name}-${no}`);
}

/** Start an execution that comes to rest on a wait. */
async function parked(flow: string, id: string): Promise<void> {
  await driver.do("start", [flow, id]);
  while ((await client.executions.get(id)).pendingWaits.length === 0) await pause(1);
}

/** How an execution ended. Throws what is known of it when it does not. */
async function resultOf(id: string): Promise<Reply> {
  const late = new AbortController();
  const found = await Promise.race([
    driver.do("result", [id]),
    pause(patienceMs, undefined, { signal: late.signal }),
  ]);
  late.abort();
  if (found !== undefined) return found;
  const { backend } = await activeRuntime();
  const { items } = await backend.records.list({ partition: `exec/${id}` });
  throw new Error(
    `${id} does not end:\n${items.map(({ sort, body }) => `${sort} ${body}`).join("\n")}`,
  );
}
const valueOf = (reply: Reply): unknown => (reply.ok ? reply.value : reply.code);

/** Ids of the calls of an execution that have an outcome, in the order they were recorded. */
async function outcomesOf(id: string): Promise<string[]> {
  const { context } = await activeRuntime();
  return (await readEntries(context, id)).flatMap((entry) =>
    entry.t === "completed" || entry.t === "failed" ? [entry.id] : [],
  );
}

async function notesIn(file: string): Promise<string[]> {
  return (await readFile(file, "utf8")).trim().split("\n");
}

test(`${rounds} times two answers from two processes: one wins, the other is told`, async () => {
  await race("answers", async (id) => {
    await parked("asking", id);
    const told = await together([
      [left, "answer", id, "pick", 1],
      [right, "answer", id, "pick", 2],
    ]);
    const winner = told.findIndex(({ ok }) => ok);
    expect(told.filter(({ ok }) => ok)).toHaveLength(1);
    expect(told[1 - winner]).toMatchObject({ code: "conflict" });
    expect(valueOf(await resultOf(id))).toBe(winner + 1);
  });
});

test(`${rounds} times the same answer from two processes: both are told it stands, once`, async () => {
  await race("repeats", async (id) => {
    await parked("asking", id);
    const told = await together([
      [left, "answer", id, "pick", 5],
      [right, "answer", id, "pick", 5],
    ]);
    const repeats = told.map(
      (reply) => reply.ok && (reply.value as { repeated: boolean }).repeated,
    );
    expect(told.map(({ ok }) => ok)).toEqual([true, true]);
    expect(repeats.filter(Boolean)).toHaveLength(1);
    expect(valueOf(await resultOf(id))).toBe(5);
  });
});

test(`${rounds} times an answer and an abort: one wins, the other is told`, async () => {
  await race("aborts", async (id) => {
    await parked("asking", id);
    const told = await together([
      [left, "answer", id, "pick", 5],
      [right, "abort", id, "pick"],
    ]);
    expect(told.filter(({ ok }) => ok)).toHaveLength(1);
    expect(valueOf(await resultOf(id))).toBe(told[0]?.ok === true ? 5 : "wait_aborted");
  });
});

test(`${rounds} times an answer as the wait runs out: what its giver is told is what happens`, async () => {
  const seen = new Set<unknown>();
  await race("expiries", async (id) => {
    await driver.do("start", ["hurried", id]);
    const delayMs = 15 + Math.random() * 20;
    const told = await left.do("answer", [id, "brief", 7], Date.now() + delayMs);
    const result = valueOf(await resultOf(id));
    expect(result).toBe(told.ok ? 7 : "expired");
    expect(["conflict", "state", true]).toContain(told.ok || told.code);
    seen.add(result);
  });
  expect(seen).toEqual(new Set([7, "expired"]));
});

test(`${rounds} times an answer and a cancel: the execution ends as one of them says`, async () => {
  await race("cancels", async (id) => {
    await parked("cancellable", id);
    const [answered, cancelled] = await together([
      [left, "answer", id, "pick", 9],
      [right, "cancel", id],
    ]);
    const result = valueOf(await resultOf(id));
    expect([9, "cancelled"]).toContain(result);
    const { status } = await client.executions.get(id);
    expect(status).toBe(result === 9 ? "completed" : "cancelled");
    expect(result === 9 ? answered : cancelled).toMatchObject({ ok: true });
  });
});

test(`${rounds} times an answer while the question is being asked: it is never lost`, async () => {
  const file = join(root, "late");
  await race("early", async (id) => {
    const start = driver.do("start", ["late", id, file]);
    await pause(Math.random() * 8);
    let told: Reply;
    do told = await left.do("answer", [id, "pick", 3]);
    while (!told.ok && told.code === "not_found");
    await start;
    expect(told).toMatchObject({ ok: true });
    expect(valueOf(await resultOf(id))).toBe(3);
  });
});

test(`${rounds} times two processes start one execution: they share it, and pay once`, async () => {
  const file = join(root, "shared");
  await race("starts", async (id) => {
    const input = { file, n: 1 };
    const told = await together([
      [left, "run", "working", id, input],
      [right, "run", "working", id, input],
    ]);
    const [one, two] = told.map(valueOf) as { seen: number[]; paid: string }[];
    expect(one).toEqual(two);
    expect(one?.seen).toEqual([1, 3, 2, 4]);
    expect(["paid", "interrupted"]).toContain(one?.paid);
    const outcomes = await outcomesOf(id);
    expect(outcomes.toSorted()).toEqual([
      "once:0",
      "sleep:0",
      ...[0, 1, 2, 3].map((no) => `step:${no}`),
    ]);
    const charges = (await notesIn(file)).filter((key) => key === `${id}/once:0`);
    expect(charges.length).toBeLessThanOrEqual(1);
  });
});

test(`${rounds} times two processes start one id with different inputs: one gets it`, async () => {
  const file = join(root, "rivals");
  await race("rivals", async (id) => {
    const told = await together([
      [left, "run", "working", id, { file, n: 1 }],
      [right, "run", "working", id, { file, n: 2 }],
    ]);
    const winner = told.findIndex(({ ok }) => ok);
    expect(told[winner]).toMatchObject({ value: { n: winner + 1, paid: "paid" } });
    expect(told[1 - winner]).toMatchObject({ ok: false, code: "conflict" });
  });
});

/** Have a process start many executions and kill it in the midst of them; the ids that were started. */
async function killedWhileWorking(name: string, file: string): Promise<string[]> {
  const doomed = await racer();
  for (let no = 0; no < rounds; no += 1)
    void doomed.do("start", ["working", `${name}-${no}`, { file, n: 0 }]);
  while ((await notesIn(file).catch(() => [])).length < 20) await pause(2);
  await doomed.kill();
  const list = await client.executions.list({ flow: "working", limit: 1000 });
  return list.map(({ id }) => id).filter((id) => id.startsWith(`${name}-`));
}

async function checkWhole(ids: readonly string[], file: string): Promise<void> {
  expect(ids).not.toEqual([]);
  for (const id of ids) {
    expect(valueOf(await resultOf(id))).toMatchObject({ seen: [1, 3, 2, 4] });
    const outcomes = await outcomesOf(id);
    expect(outcomes).toHaveLength(new Set(outcomes).size);
  }
  const charges = (await notesIn(file)).filter((key) => key.endsWith("once:0"));
  expect(charges).toHaveLength(new Set(charges).size);
}

test("two processes resume what a killed one left: one outcome per call, nothing paid twice", async () => {
  const file = join(root, "resumed");
  const ids = await killedWhileWorking("resumed", file);
  for (const [no, id] of ids.entries()) {
    const told = await together(
      [left, right].map((each) =>
        no % 2 === 0
          ? ([each, "resume", id] as const)
          : ([each, "run", "working", id, { file, n: 0 }] as const),
      ),
    );
    for (const reply of told) expect(reply.ok ? "has ended" : reply.message).toContain("has ended");
  }
  await checkWhole(ids, file);
});

test("`kitaru dev` in two processes shares what a killed one left", async () => {
  const file = join(root, "kept");
  const ids = await killedWhileWorking("kept", file);
  const devs = [await racer(), await racer()];
  for (const dev of devs) await dev.do("dev", []);
  await checkWhole(ids, file);
});
