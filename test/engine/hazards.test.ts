import { expect, test } from "vitest";
import { advance, parkExecution } from "../../core/engine/advance.ts";
import { type EngineContext, engineContext } from "../../core/engine/context.ts";
import { registry } from "../../core/engine/definitions.ts";
import { signal } from "../../core/engine/signal.ts";
import { startExecution } from "../../core/engine/start.ts";
import { readStatus } from "../../core/engine/status.ts";
import { checkpoint, flow, sleep, wait } from "../../core/index.ts";
import { headKey, readHead } from "../../core/journal/head.ts";
import type { RecordStore } from "../../core/ports/records.ts";
import { memoryBlobs, memoryRecords, memorySecrets } from "../../testing/memory.ts";

/** Names are unique in a program; each test takes its own. */
let names = 0;
const unique = (): string => `h${++names}`;

class Clock {
  ms = 1_000_000;
  now = (): number => this.ms;
  schedule = (ms: number, fn: () => void): (() => void) => {
    const timer = setTimeout(() => {
      this.ms += ms;
      fn();
    }, 0);
    return () => clearTimeout(timer);
  };
}

function world(wrap: (store: RecordStore) => RecordStore = (store) => store) {
  const clock = new Clock();
  const records = wrap(memoryRecords());
  const woken: string[] = [];
  const context = engineContext({
    registry,
    backend: {
      records,
      clock,
      blobs: memoryBlobs(),
      secrets: memorySecrets({}),
      orchestrator: {
        start: async () => undefined,
        stop: async () => undefined,
        wake: async (token) => woken.push(token) > 0,
      },
      capabilities: {
        kind: "memory",
        inlineBytes: 64,
        segmentBytes: 300,
        recordBytes: 100_000,
        dueShards: 1,
        isolated: false,
        heartbeatMs: 86_400_000,
        leaseMs: 30_000,
        graceMs: 5000,
      },
    },
  });
  return { clock, context, records, woken };
}

async function begin(context: EngineContext, name: string, input?: unknown): Promise<string> {
  const definition = registry.flow(name);
  if (definition === undefined) throw new Error(`no flow ${name}`);
  const id = `x-${name}`;
  await startExecution(context, { id, flow: definition, input, stack: "memory" });
  return id;
}

/** Advance and park until the execution ends or stays parked. */
async function drive(context: EngineContext, id: string, owner = "o1"): Promise<string> {
  for (;;) {
    const directive = await advance(context, { executionId: id, owner });
    if (directive.kind === "end") return readStatus(context, id);
    if (directive.kind !== "park") continue;
    const { seen, wakeAt } = directive;
    if (await parkExecution(context, { executionId: id, seen, wakeAt, token: owner }))
      return readStatus(context, id);
  }
}

async function output(context: EngineContext, id: string): Promise<unknown> {
  const record = await context.backend.records.get(headKey(id));
  const out = record === undefined ? undefined : readHead(record).view.out;
  return out === undefined ? undefined : context.values.get(out);
}

test("an answer before the question is kept for it; the same answer again is a repeat, another a conflict", async () => {
  const [name, question] = [unique(), unique()];
  const ask = wait(question, { schema: undefined });
  flow(name, async () => {
    await ask();
    return "on";
  });
  const { context } = world();
  const id = await begin(context, name);
  await signal(context, id, { kind: "answer", target: question, value: undefined });
  expect(await drive(context, id)).toBe("completed");
  expect(await output(context, id)).toBe("on");
  expect(await signal(context, id, { kind: "answer", target: question, value: true })).toEqual({
    callId: `${question}:0`,
    repeated: true,
  });
  await expect(signal(context, id, { kind: "abort", target: question })).rejects.toMatchObject({
    code: "conflict",
  });
});

test("an answer between suspend and park makes the park fail", async () => {
  const [name, question] = [unique(), unique()];
  const ask = wait(question);
  flow(name, async () => ask().then(() => 7));
  const { context } = world();
  const id = await begin(context, name);
  const directive = await advance(context, { executionId: id, owner: "o1" });
  if (directive.kind !== "park") throw new Error(directive.kind);
  await signal(context, id, { kind: "answer", target: question, value: undefined });
  expect(
    await parkExecution(context, { executionId: id, seen: directive.seen, wakeAt: 0, token: "o1" }),
  ).toBe(false);
  expect(await drive(context, id)).toBe("completed");
});

test("a double click never approves the next round", async () => {
  const [name, question] = [unique(), unique()];
  const ask = wait(question);
  flow(name, async () => {
    await ask();
    await ask();
  });
  const { context, woken } = world();
  const id = await begin(context, name);
  await drive(context, id);
  const click = { kind: "answer", target: question, value: undefined } as const;
  expect(await signal(context, id, click)).toMatchObject({
    callId: `${question}:0`,
    repeated: false,
  });
  expect(await signal(context, id, click)).toMatchObject({
    callId: `${question}:0`,
    repeated: true,
  });
  expect(woken).toEqual(["o1", "o1"]);
  expect(await drive(context, id)).toBe("waiting");
});

test("an expired wait gives undefined, and a later answer is told so", async () => {
  const [name, question] = [unique(), unique()];
  const ask = wait(question, { timeout: "1h" });
  flow(name, async () => (await ask()) === undefined);
  const { context, clock } = world();
  const id = await begin(context, name);
  expect(await drive(context, id)).toBe("waiting");
  clock.ms += 3_600_001;
  expect(await drive(context, id)).toBe("completed");
  await expect(
    signal(context, id, { kind: "answer", target: question, value: undefined }),
  ).rejects.toMatchObject({ code: "conflict" });
});

test("days of sleep end when they are due", async () => {
  const name = unique();
  flow(name, async () => {
    await sleep("3 days");
    return "up";
  });
  const { context, clock } = world();
  const id = await begin(context, name);
  expect(await drive(context, id)).toBe("waiting");
  clock.ms += 3 * 86_400_000;
  await drive(context, id);
  expect(await output(context, id)).toBe("up");
});

test("killed before or after any write: the same result, and no recorded call runs again", async () => {
  const [name, one, two] = [unique(), unique(), unique()];
  const runs: string[] = [];
  const first = checkpoint(one, (x: number) => {
    runs.push("first");
    return x + 1;
  });
  const second = checkpoint(two, async (x: number) => {
    runs.push("second");
    return { x: x * 2, filler: "y".repeat(200) };
  });
  flow(name, async (x: number) => {
    const seen = await first(x);
    await sleep(10_000);
    return (await second(seen)).x;
  });
  for (const applied of [false, true])
    for (let cut = 3; cut < 12; cut++) {
      runs.length = 0;
      const deaths: string[] = [];
      let writes = 0;
      const { context, clock } = world((store) => ({
        get: (key) => store.get(key),
        list: (params) => store.list(params),
        listIndex: (index, params) => store.listIndex(index, params),
        delete: (key, expect_) => store.delete(key, expect_),
        put: async (record, expectation) => {
          if (++writes !== cut) return store.put(record, expectation);
          if (applied) await store.put(record, expectation);
          throw new Error("killed");
        },
      }));
      const id = await begin(context, name, 1).catch(() => `x-${name}`);
      for (let owner = 1; owner < 8; owner++) {
        await drive(context, id, `o${owner}`).catch((error: unknown) => deaths.push(String(error)));
        clock.ms += 40_000;
      }
      expect(deaths.filter((death) => death !== "Error: killed")).toEqual([]);
      expect([applied, cut, await output(context, id)]).toEqual([applied, cut, 4]);
      expect(runs.filter((run) => run === "first").length).toBeLessThanOrEqual(2);
      expect(runs.length).toBeLessThanOrEqual(3);
    }
});

test("a lost reply to a write that was applied is not a lost race", async () => {
  const [name, step] = [unique(), unique()];
  let runs = 0;
  const work = checkpoint(step, () => ++runs);
  flow(name, async () => (await work()) + (await work()));
  const { context } = world((store) => ({
    get: (key) => store.get(key),
    list: (params) => store.list(params),
    listIndex: (index, params) => store.listIndex(index, params),
    delete: (key, expectation) => store.delete(key, expectation),
    put: async (record, expectation) => {
      await store.put(record, expectation);
      return store.put(record, expectation); // the client's own retry sees a conflict
    },
  }));
  const id = await begin(context, name);
  expect(await drive(context, id)).toBe("completed");
  expect([runs, await output(context, id)]).toEqual([2, 3]);
});

test("another owner takes over only after the claim has run out", async () => {
  const [name, question] = [unique(), unique()];
  const ask = wait(question);
  flow(name, async () => ask());
  const { context, clock } = world();
  const id = await begin(context, name);
  await drive(context, id, "o1");
  expect((await advance(context, { executionId: id, owner: "o2" })).kind).toBe("end");
  clock.ms += 60_000;
  expect((await advance(context, { executionId: id, owner: "o2" })).kind).toBe("park");
});

test("cancel throws at the wait, runs finally, and ends cancelled", async () => {
  const [name, question, step] = [unique(), unique(), unique()];
  let cleaned = 0;
  const clean = checkpoint(step, () => ++cleaned);
  const ask = wait(question);
  flow(name, async () => {
    try {
      await ask();
    } finally {
      await clean();
    }
  });
  const { context } = world();
  const id = await begin(context, name);
  await drive(context, id);
  await signal(context, id, { kind: "cancel" });
  expect(await drive(context, id)).toBe("cancelled");
  expect(cleaned).toBe(1);
  await expect(signal(context, id, { kind: "cancel" })).rejects.toMatchObject({ code: "state" });
});

test("retry repeats the call that failed and nothing else", async () => {
  const [name, good, bad] = [unique(), unique(), unique()];
  const runs: string[] = [];
  const fine = checkpoint(good, () => runs.push("good"));
  const flaky = checkpoint(bad, () => {
    runs.push("bad");
    if (runs.length < 3) throw new Error("not yet");
    return "done";
  });
  flow(name, async () => {
    await fine();
    return flaky();
  });
  const { context } = world();
  const id = await begin(context, name);
  expect(await drive(context, id)).toBe("failed");
  await signal(context, id, { kind: "retry" });
  expect(await drive(context, id)).toBe("completed");
  expect(runs).toEqual(["good", "bad", "bad"]);
  await expect(signal(context, id, { kind: "retry" })).rejects.toThrow(
    "Only failed executions can be retried",
  );
});

test("changed input, changed order and removed calls are found before anything new runs", async () => {
  const [name, a, b, question] = [unique(), unique(), unique(), unique()];
  let mode = "original";
  const runs: string[] = [];
  const first = checkpoint(a, (input: { topic: string }) => runs.push(input.topic));
  const second = checkpoint(b, () => runs.push("b"));
  const ask = wait(question);
  flow(name, async () => {
    if (mode === "reordered") await second();
    if (mode !== "removed") await first({ topic: mode === "changed" ? "new" : "old" });
    if (mode !== "reordered") await second();
    await ask();
  });
  for (const [next, message] of [
    ["changed", `its input changed at argument 1.topic (recorded "old", now "new")`],
    ["reordered", "the calls were reordered"],
    ["removed", "number 2 of the flow and is now number 1"],
  ] as const) {
    mode = "original";
    const { context } = world();
    const id = await begin(context, name);
    await drive(context, id);
    const before = runs.length;
    mode = next;
    expect(await drive(context, id)).toBe("failed");
    const record = await context.backend.records.get(headKey(id));
    const error = record === undefined ? undefined : readHead(record).view.err;
    expect(error).toMatchObject({
      code: "divergence",
      message: expect.stringContaining(message) as string,
    });
    expect(runs.length).toBe(before);
    mode = "original";
    await signal(context, id, { kind: "retry" });
    expect(await drive(context, id)).toBe("waiting");
  }
});

test("five advances that die without progress are given up", async () => {
  const [name, question] = [unique(), unique()];
  const ask = wait(question);
  flow(name, async () => ask());
  let isDying = false;
  const { context, clock } = world((store) => ({
    get: (key) => store.get(key),
    list: (params) => store.list(params),
    listIndex: (index, params) => store.listIndex(index, params),
    delete: (key, expectation) => store.delete(key, expectation),
    put: async (record, expectation) => {
      if (isDying && record.sort === "head") throw new Error("killed");
      return store.put(record, expectation);
    },
  }));
  const id = await begin(context, name);
  for (let spurious = 0; spurious < 8; spurious++) expect(await drive(context, id)).toBe("waiting");
  isDying = true;
  for (let crash = 0; crash < 5; crash++) {
    clock.ms += 60_000;
    await expect(drive(context, id)).rejects.toThrow("killed");
  }
  isDying = false;
  expect(await drive(context, id)).toBe("failed");
});

test("one write for each sequential checkpoint, at most four more for a start and an end", async () => {
  const [name, step] = [unique(), unique()];
  const work = checkpoint(step, (x: number) => x + 1);
  flow(name, async (count: number) => {
    let x = 0;
    for (let i = 0; i < count; i++) x = await work(x);
    return x;
  });
  let puts = 0;
  const { context } = world((store) => ({
    get: (key) => store.get(key),
    list: (params) => store.list(params),
    listIndex: (index, params) => store.listIndex(index, params),
    delete: (key, expectation) => store.delete(key, expectation),
    put: (record, expectation) => {
      if (record.partition.startsWith("exec/")) puts++;
      return store.put(record, expectation);
    },
  }));
  const id = await begin(context, name, 50);
  expect(await drive(context, id)).toBe("completed");
  expect(puts).toBeLessThanOrEqual(54);
});
