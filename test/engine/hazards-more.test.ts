import { expect, test } from "vitest";
import { advance, parkExecution } from "../../core/engine/advance.ts";
import { type EngineContext, engineContext } from "../../core/engine/context.ts";
import { registry } from "../../core/engine/definitions.ts";
import { signal } from "../../core/engine/signal.ts";
import { startExecution } from "../../core/engine/start.ts";
import { readStatus } from "../../core/engine/status.ts";
import { checkpoint, flow, wait } from "../../core/index.ts";
import { headKey, readHead } from "../../core/journal/head.ts";
import {
  type MemoryBlobsOptions,
  type MemoryRecordsOptions,
  memoryBlobs,
  memoryRecords,
  memorySecrets,
} from "../../testing/memory.ts";

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

interface Faults {
  readonly records?: MemoryRecordsOptions;
  readonly blobs?: MemoryBlobsOptions;
  /** Whether this process drives what it starts, so that a first advance reads nothing. */
  readonly isFresh?: boolean;
}

function world({ records = {}, blobs = {}, isFresh = false }: Faults = {}) {
  const clock = new Clock();
  const context = engineContext({
    registry,
    backend: {
      records: memoryRecords(records),
      clock,
      blobs: memoryBlobs(blobs),
      secrets: memorySecrets({}),
      orchestrator: {
        start: async () => undefined,
        stop: async () => undefined,
        wake: async () => true,
        ...(isFresh ? { canDrive: () => true } : {}),
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
  return { clock, context };
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
  for (let turns = 0; turns < 100; turns++) {
    const directive = await advance(context, { executionId: id, owner });
    if (directive.kind === "end") return readStatus(context, id);
    if (directive.kind !== "park") continue;
    const { seen, wakeAt } = directive;
    if (await parkExecution(context, { executionId: id, seen, wakeAt, token: owner }))
      return readStatus(context, id);
  }
  throw new Error("it never comes to rest");
}

async function endOf(context: EngineContext, id: string) {
  const record = await context.backend.records.get(headKey(id));
  if (record === undefined) throw new Error(`no head of ${id}`);
  const { status, out, err } = readHead(record).view;
  const value = out === undefined ? undefined : await context.values.get(out);
  return { status, value, code: err?.code, message: err?.message ?? "" };
}

/** A schema that takes any number. */
const anyNumber = {
  "~standard": {
    version: 1 as const,
    vendor: "test",
    validate: (value: unknown) =>
      typeof value === "number" ? { value } : { issues: [{ message: "not a number" }] },
  },
};

test("of two different answers the first stands, parked or not", async () => {
  const ask = wait("two_answers", { schema: anyNumber });
  flow("two_answers_flow", async () => ask());
  const { context } = world();
  const id = await begin(context, "two_answers_flow");
  await drive(context, id);
  const answer = (value: number) =>
    signal(context, id, { kind: "answer", target: "two_answers:0", value });
  const [one, two] = await Promise.allSettled([answer(1), answer(2)]);
  expect([one.status, two.status].toSorted()).toEqual(["fulfilled", "rejected"]);
  const stands = one.status === "fulfilled" ? 1 : 2;
  await drive(context, id);
  expect((await endOf(context, id)).value).toBe(stands);
  expect(await answer(stands)).toMatchObject({ repeated: true });
  await expect(answer(3)).rejects.toMatchObject({ code: "conflict" });
});

test("an answer that does not fit leaves the wait pending", async () => {
  const ask = wait("picky", { schema: anyNumber });
  flow("picky_flow", async () => ask());
  const { context } = world();
  const id = await begin(context, "picky_flow");
  await drive(context, id);
  await expect(signal(context, id, { kind: "answer", value: "x" })).rejects.toMatchObject({
    code: "wait_validation",
  });
  expect(await drive(context, id)).toBe("waiting");
  await signal(context, id, { kind: "answer", value: 4 });
  await drive(context, id);
  expect((await endOf(context, id)).value).toBe(4);
});

test("an answer that is durable before the expiry is looked at wins, however late it is adopted", async () => {
  const ask = wait("in_time", { schema: anyNumber, timeout: "1h" });
  flow("in_time_flow", async () => (await ask()) ?? "expired");
  const { context, clock } = world();
  const id = await begin(context, "in_time_flow");
  await drive(context, id);
  await signal(context, id, { kind: "answer", value: 8 });
  clock.ms += 7_200_000;
  await drive(context, id);
  expect((await endOf(context, id)).value).toBe(8);
});

test("an aborted wait throws, and its repeat is a repeat", async () => {
  const ask = wait("abortable");
  flow("abortable_flow", async () => ask().catch((error: { code: string }) => error.code));
  const { context } = world();
  const id = await begin(context, "abortable_flow");
  await drive(context, id);
  const abort = { kind: "abort", target: "abortable" } as const;
  expect(await signal(context, id, abort)).toMatchObject({ repeated: false });
  expect(await signal(context, id, abort)).toMatchObject({ repeated: true });
  await drive(context, id);
  expect((await endOf(context, id)).value).toBe("wait_aborted");
});

// A write that never comes back is a killed process: nothing after it runs in that advance.
const hangRuns: string[] = [];
const hangFirst = checkpoint("hang_first", () => {
  hangRuns.push("first");
  return { filler: "z".repeat(200) };
});
const hangOnce = checkpoint("hang_once", { semantics: "at-most-once" }, () => {
  hangRuns.push("once");
  return 1;
});
const hangLast = checkpoint("hang_last", () => {
  hangRuns.push("last");
  return 2;
});
flow("hanging", async () => {
  await hangFirst();
  const once = await hangOnce().catch((error: { code: string }) => error.code);
  return [once, await hangLast()];
});

const kills = [false, true].flatMap((isFresh) =>
  [false, true].map((isApplied) => ({ isFresh, isApplied })),
);
test.each(kills)(
  "killed at any write, applied $isApplied, fresh $isFresh: one result, at most once holds",
  async ({ isFresh, isApplied }) => {
    for (let cut = 1; cut < 14; cut++) {
      hangRuns.length = 0;
      let writes = 0;
      const hang = async ({ verb }: { readonly verb: string }): Promise<void> => {
        if (verb === "put" && ++writes === cut) await new Promise(() => undefined);
      };
      const { context, clock } = world({
        isFresh,
        records: isApplied ? { after: hang } : { before: hang },
      });
      const orKilled = (work: Promise<unknown>): Promise<unknown> =>
        Promise.race([
          work,
          new Promise((resolve) => {
            setTimeout(() => resolve("killed"), 25);
          }),
        ]);
      if ((await orKilled(begin(context, "hanging"))) === "killed") await begin(context, "hanging");
      for (let owner = 0; owner < 4; owner++) {
        await orKilled(drive(context, "x-hanging", `o${owner}`));
        context.fresh.clear(); // another process has not created it
        clock.ms += 60_000;
      }
      const { status, value } = await endOf(context, "x-hanging");
      const times = (run: string): number => hangRuns.filter((one) => one === run).length;
      expect([cut, status]).toEqual([cut, "completed"]);
      expect([
        [1, 2],
        ["interrupted", 2],
      ]).toContainEqual(value);
      expect(times("once")).toBeLessThanOrEqual(1);
      expect(hangRuns.length).toBeLessThanOrEqual(4); // one call at most is repeated
    }
  },
);

test("a superseded advance discards what it ran", async () => {
  let runs = 0;
  let release: (() => void) | undefined;
  const slow = checkpoint("superseded_step", async () => {
    const number = ++runs;
    if (number === 1)
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    return number;
  });
  flow("superseded_flow", async () => slow());
  const { context, clock } = world();
  const id = await begin(context, "superseded_flow");
  // with a deadline far away it renews nothing
  const deadline = clock.ms + 10_000_000;
  const first = advance(context, { executionId: id, owner: "o1", deadline });
  await expect.poll(() => release).toBeDefined();
  clock.ms += 20_000_000;
  expect(await drive(context, id, "o2")).toBe("completed");
  release?.();
  expect((await first).kind).not.toBe("park");
  expect([runs, (await endOf(context, id)).value]).toEqual([2, 2]);
});

test("cancel before the first advance runs nothing; a second cancel ends at once", async () => {
  let runs = 0;
  const step = checkpoint("cancel_step", () => ++runs);
  const ask = wait("cancel_ask");
  flow("cancel_queued", async () => {
    await step();
    await ask();
  });
  const { context } = world();
  const id = await begin(context, "cancel_queued");
  await expect(signal(context, id, { kind: "retry" })).rejects.toMatchObject({ code: "state" });
  await signal(context, id, { kind: "cancel" });
  await signal(context, id, { kind: "cancel" });
  expect(await drive(context, id)).toBe("cancelled");
  expect(runs).toBe(0);
  for (const kind of ["cancel", "retry"] as const)
    await expect(signal(context, id, { kind })).rejects.toMatchObject({ code: "state" });
});

test("a retry forgets the failed call and what was asked after it, and nothing before", async () => {
  const runs: string[] = [];
  let isBroken = true;
  const work = checkpoint("void_work", (name: string) => {
    runs.push(name);
    if (name === "bad" && isBroken) throw new Error("down");
    return name;
  });
  flow("voiding", async () => {
    await work("before");
    try {
      return await work("bad");
    } catch (error) {
      await work("after");
      throw error;
    }
  });
  const { context } = world();
  const id = await begin(context, "voiding");
  expect(await drive(context, id)).toBe("failed");
  isBroken = false;
  await signal(context, id, { kind: "retry" });
  expect(await signal(context, id, { kind: "retry" })).toMatchObject({ repeated: true });
  expect(await drive(context, id)).toBe("completed");
  expect(runs).toEqual(["before", "bad", "after", "bad"]);
});

test("the flow's own error cannot be retried; a failed child is retried with its parent", async () => {
  let isBroken = true;
  const step = checkpoint("child_step", () => {
    if (isBroken) throw new Error("down");
    return 5;
  });
  const child = flow("retried_child", async () => step());
  flow("retried_parent", async () => child.call());
  flow("own_error", async () => {
    throw new Error("mine");
  });
  const { context } = world();
  const own = await begin(context, "own_error");
  expect(await drive(context, own)).toBe("failed");
  await expect(signal(context, own, { kind: "retry" })).rejects.toThrow("error of its own (mine)");
  const id = await begin(context, "retried_parent");
  const childId = `${id}/retried_child:0`;
  await drive(context, id);
  expect(await drive(context, childId, "o2")).toBe("failed");
  expect(await drive(context, id)).toBe("failed");
  isBroken = false;
  await signal(context, id, { kind: "retry" });
  expect(await drive(context, id)).toBe("waiting");
  expect(await drive(context, childId, "o2")).toBe("completed");
  expect(await drive(context, id)).toBe("completed");
  expect((await endOf(context, id)).value).toBe(5);
});

test("cancelling a parent cancels its child", async () => {
  const ask = wait("grand_ask");
  const child = flow("cancelled_child", async () => ask());
  flow("cancelled_parent", async () => child.call());
  const { context } = world();
  const id = await begin(context, "cancelled_parent");
  const childId = `${id}/cancelled_child:0`;
  await drive(context, id);
  await drive(context, childId, "o2");
  await signal(context, id, { kind: "cancel" });
  expect(await drive(context, id)).toBe("cancelled");
  expect(await drive(context, childId, "o2")).toBe("cancelled");
});

test("renamed and inserted calls are found before anything new runs", async () => {
  let mode = "original";
  let runs = 0;
  const one = checkpoint("div_one", () => ++runs);
  const other = checkpoint("div_other", () => ++runs);
  const ask = wait("div_ask");
  flow("diverging", async () => {
    if (mode === "inserted") await other();
    await (mode === "renamed" ? other() : one());
    await ask();
  });
  for (const [next, part] of [
    ["renamed", `it recorded "div_one:0", "div_ask:0", but the code does not ask for those`],
    ["inserted", `and asks for "div_other:0" instead`],
  ] as const) {
    mode = "original";
    const { context } = world();
    const id = await begin(context, "diverging");
    await drive(context, id);
    const before = runs;
    mode = next;
    expect(await drive(context, id)).toBe("failed");
    expect(runs).toBe(before);
    const { code, message } = await endOf(context, id);
    expect(code).toBe("divergence");
    expect(message).toContain(part);
  }
});

test("a corrupted line, a missing and a wrong blob are told, and change nothing", async () => {
  const big = checkpoint("corrupt_step", () => ({ big: "y".repeat(500) }));
  const ask = wait("corrupt_ask");
  flow("corrupt_flow", async () => {
    const { big: text } = await big();
    await ask();
    return text.length;
  });
  let isMissing = false;
  const inner = memoryBlobs();
  const { context } = world();
  let isWrong = false;
  const spy = context.backend.blobs;
  const get = spy.get.bind(spy);
  spy.get = async (key) => {
    if (isMissing) return inner.get(key);
    const bytes = await get(key);
    return isWrong ? bytes?.map((byte) => byte ^ 1) : bytes;
  };
  const id = await begin(context, "corrupt_flow");
  await drive(context, id);
  isMissing = true;
  await expect(drive(context, id)).rejects.toThrow("it is missing from the blob store");
  isMissing = false;
  isWrong = true;
  await expect(drive(context, id)).rejects.toThrow("does not match its hash");
  isWrong = false;

  const { records } = context.backend;
  const segment = await records.get({ partition: `exec/${id}`, sort: "j/000000" });
  if (segment === undefined) throw new Error("no journal");
  const broken = { ...segment, body: segment.body.replace('"t":', '"t') };
  const written = await records.put(broken, segment.version);
  await expect(drive(context, id)).rejects.toMatchObject({
    code: "corrupt",
    message: expect.stringContaining("line 1 of j/000000") as string,
  });
  await records.put(segment, written.ok ? written.version : "absent");
  await signal(context, id, { kind: "answer", value: undefined });
  expect(await drive(context, id)).toBe("completed");
  expect((await endOf(context, id)).value).toBe(500);
});
