import { expect, test } from "vitest";
import type { Entry } from "../journal/entry.ts";
import type { HeadFacts } from "../journal/head.ts";
import { emptyInbox, type Inbox } from "../journal/inbox.ts";
import type { LlmRecord } from "../ports/model.ts";
import { artifactsOf } from "./artifact-view.ts";
import { callsOf } from "./call-view.ts";
import { viewExecution } from "./execution-view.ts";
import { logLinesOf } from "./log-view.ts";
import { StoredValue, present, sizeOf } from "./values.ts";
import { ValueStore } from "../journal/values.ts";

const record: LlmRecord = {
  resolvedModel: "offline/extract",
  credentialSource: "none",
  inputTokens: 3,
  outputTokens: 2,
  totalTokens: 5,
  latencyMs: 1,
  cost: 0.5,
};
const call = (id: string, ask: number, kind: "checkpoint" | "wait" | "sleep" | "flow" | "llm") =>
  ({ id, kind, name: id.split(":")[0] ?? "", ask, h: `h${id}` }) as const;
const started: Entry = {
  t: "started",
  format: 1,
  hash: 1,
  segmentBytes: 1000,
  flow: "f",
  version: "local",
  seed: "s",
  input: { v: 1 },
  h: "h",
  at: 10,
};
const error = (message: string) => ({ name: "TypeError", message, stack: "at x" });
const facts: HeadFacts = {
  id: "e1",
  flow: "f",
  version: "local",
  stack: "local",
  input: { v: 1 },
  h: "h",
  seed: "s",
  createdAt: 5,
  generation: 1,
  nonce: "n",
};

function callsIn(entries: readonly Entry[], now = 1000) {
  const artifacts = artifactsOf("e1", entries).map(({ info }) => info);
  return callsOf({
    entries,
    artifacts,
    now,
    typeOf: (name) => (name === "a" ? "llm_call" : undefined),
  });
}

function view(entries: readonly Entry[], inbox: Inbox = emptyInbox) {
  return viewExecution({
    facts,
    entries,
    inbox,
    status: "waiting",
    now: 1000,
    typeOf: () => undefined,
  });
}

test("calls come in the order they were asked, with their attempts, models and artifacts", () => {
  const calls = callsIn([
    started,
    {
      t: "llm",
      id: "a:0",
      no: 1,
      i: 0,
      name: "outline",
      h: "x",
      out: { v: 1 },
      llm: record,
      prompt: { v: "p" },
      response: { v: "r" },
      s: 21,
      at: 25,
    },
    {
      t: "attempt",
      ...call("a:0", 1, "checkpoint"),
      no: 1,
      s: 20,
      err: error("no"),
      retryAt: 40,
      at: 30,
    },
    { t: "completed", ...call("b:0", 0, "checkpoint"), s: 20, out: { v: 1 }, at: 22 },
    { t: "artifact", id: "a:0", name: "notes", type: "output", out: { v: "n" }, vh: "v", at: 45 },
    { t: "completed", ...call("a:0", 1, "checkpoint"), s: 41, tries: 2, out: { v: 1 }, at: 45 },
  ]);
  expect(calls.map(({ id }) => id)).toEqual(["b:0", "a:0"]);
  expect(calls[1]).toMatchObject({
    kind: "checkpoint",
    type: "llm_call",
    status: "completed",
    disposition: "executed",
    startedAt: new Date(20),
    endedAt: new Date(45),
    attempts: [
      { number: 1, startedAt: new Date(20), endedAt: new Date(30), error: { message: "no" } },
      { number: 2, startedAt: new Date(41), endedAt: new Date(45) },
    ],
    llm: [{ name: "outline", attempt: 1, usage: "incurred", totalTokens: 5 }],
  });
  expect(calls[1]?.artifacts.map(({ id, type }) => [id, type])).toEqual([
    ["e1/a:0/outline_prompt", "prompt"],
    ["e1/a:0/outline_response", "response"],
    ["e1/a:0/notes", "output"],
  ]);
});

test("the status of a call follows from what the journal has of it", () => {
  const waiting: Entry = { t: "waiting", ...call("w:0", 2, "wait"), at: 20 };
  const open: Entry[] = [
    started,
    waiting,
    { t: "sleeping", ...call("s:0", 3, "sleep"), due: 99, at: 20 },
    { t: "scheduled", ...call("i:0", 4, "checkpoint"), no: 1, in: [], at: 20 },
    { t: "scheduled", ...call("c:0", 5, "flow"), no: 1, in: [], child: "e1/c:0", at: 20 },
    {
      t: "attempt",
      ...call("r:0", 6, "checkpoint"),
      no: 1,
      s: 1,
      err: error("x"),
      retryAt: 900,
      at: 2,
    },
    { t: "attempt", ...call("o:0", 7, "checkpoint"), no: 1, s: 1, open: true, at: 2 },
    {
      t: "llm",
      id: "m:0",
      no: 1,
      i: 0,
      name: "llm",
      h: "x",
      out: { v: 1 },
      llm: record,
      s: 3,
      at: 4,
    },
    { t: "failed", ...call("x:0", 0, "checkpoint"), s: 1, err: error("bad"), at: 2 },
  ];
  const statuses = (entries: readonly Entry[], now?: number) =>
    Object.fromEntries(callsIn(entries, now).map(({ id, status }) => [id, status]));
  const resting = {
    "w:0": "waiting",
    "s:0": "waiting",
    "c:0": "waiting",
    "i:0": "running",
    "o:0": "running",
    "m:0": "running",
    "x:0": "failed",
  };
  expect(statuses(open, 800)).toEqual({ ...resting, "r:0": "waiting" });
  expect(statuses(open)).toEqual({ ...resting, "r:0": "running" });
  const ended = statuses([...open, { t: "ended", status: "cancelled", at: 50 }]);
  expect(ended).toMatchObject({ "w:0": "cancelled", "x:0": "failed" });
  const calls = new Map(callsIn(open).map((one) => [one.id, one]));
  expect(calls.get("m:0")).toMatchObject({ name: "m", kind: "checkpoint", startedAt: new Date(3) });
  expect(calls.get("o:0")?.attempts).toEqual([{ number: 1, startedAt: new Date(1) }]);
  expect(calls.get("x:0")).toMatchObject({ error: { name: "TypeError", message: "bad" } });
});

test("the first outcome stands, and what was taken over had no attempt here", () => {
  const calls = callsIn([
    started,
    {
      t: "completed",
      ...call("a:0", 0, "checkpoint"),
      s: 1,
      out: { v: 1 },
      disp: "reused",
      llm: record,
      at: 2,
    },
    { t: "failed", ...call("a:0", 0, "checkpoint"), s: 1, err: error("late"), at: 3 },
    { t: "completed", id: "early:0", kind: "wait", name: "early", out: { v: 1 }, at: 4 },
    {
      t: "completed",
      ...call("l:0", 1, "llm"),
      s: 5,
      out: { v: 1 },
      llm: record,
      prompt: { v: 1 },
      at: 6,
    },
    { t: "completed", ...call("q:0", 2, "llm"), out: { v: 1 }, llm: record, at: 8 },
  ]);
  expect(calls.map(({ id }) => id)).toEqual(["a:0", "l:0", "q:0", "early:0"]);
  expect(calls[0]).toMatchObject({
    status: "completed",
    disposition: "reused",
    attempts: [],
    llm: [{ usage: "reused" }],
  });
  expect(calls[1]).toMatchObject({ llm: [{ attempt: 1, startedAt: new Date(5) }] });
  expect(calls[2]).toMatchObject({ llm: [{ startedAt: new Date(8) }], attempts: [] });
});

test("an at-most-once attempt that was interrupted keeps the time it started", () => {
  const [interrupted] = callsIn([
    started,
    { t: "attempt", ...call("a:0", 0, "checkpoint"), no: 1, s: 7, open: true, at: 7 },
    {
      t: "failed",
      ...call("a:0", 0, "checkpoint"),
      s: 90,
      err: { ...error("gone"), code: "interrupted", cause: error("kill") },
      at: 95,
    },
  ]);
  expect(interrupted?.attempts).toEqual([
    {
      number: 1,
      startedAt: new Date(7),
      endedAt: new Date(95),
      error: {
        name: "TypeError",
        message: "gone",
        code: "interrupted",
        stack: "at x",
        cause: { name: "TypeError", message: "kill", stack: "at x" },
      },
    },
  ]);
});

test("a retry forgets calls and their artifacts, but not what they cost", () => {
  const llm: Entry = {
    t: "llm",
    id: "a:0",
    no: 1,
    i: 0,
    name: "llm",
    h: "x",
    out: { v: 1 },
    llm: record,
    prompt: { v: 1 },
    s: 1,
    at: 2,
  };
  const { facts: seen, output } = view([
    started,
    llm,
    { t: "failed", ...call("a:0", 0, "checkpoint"), s: 1, err: error("bad"), at: 3 },
    { t: "ended", status: "failed", err: error("bad"), cause: "a:0", at: 4 },
    { t: "retried", voids: ["a:0"], at: 5 },
    { t: "log", fields: { v: {} }, at: 6 },
    { ...llm, at: 7 },
    { t: "completed", ...call("a:0", 0, "checkpoint"), s: 6, out: { v: 1 }, at: 8 },
    { t: "ended", status: "completed", out: { v: "done" }, at: 9 },
  ]);
  expect(seen.calls.map(({ id, status }) => [id, status])).toEqual([["a:0", "completed"]]);
  expect(seen.artifacts.map(({ id }) => id)).toEqual(["e1/a:0/llm_prompt"]);
  expect(seen.usage).toMatchObject({ totalTokens: 10, cost: 1, incurred: { totalTokens: 10 } });
  expect(seen.error).toBeUndefined();
  expect(seen.endedAt).toEqual(new Date(9));
  expect(output).toEqual({ v: "done" });
});

test("an artifact saved again under its name in one call gets an id of its own", () => {
  const artifact: Entry = {
    t: "artifact",
    id: "a:0",
    name: "n",
    type: "blob",
    out: { v: 1 },
    vh: "v",
    at: 1,
  };
  expect(artifactsOf("e1", [artifact, artifact]).map(({ info }) => info.id)).toEqual([
    "e1/a:0/n",
    "e1/a:0/n~2",
  ]);
});

test("a wait is pending until somebody has said something to it", () => {
  const wait: Entry = {
    t: "waiting",
    ...call("w:0", 0, "wait"),
    question: "ok?",
    schema: {},
    meta: { v: 1 },
    due: 90,
    at: 20,
  };
  const gate: Entry = { t: "waiting", ...call("g:0", 1, "wait"), gate: true, at: 20 };
  const entries = [started, wait, gate];
  expect(view(entries).waits).toEqual([
    {
      wait: {
        id: "w:0",
        name: "w",
        question: "ok?",
        schema: {},
        gate: false,
        createdAt: new Date(20),
        expiresAt: new Date(90),
      },
      metadata: { v: 1 },
    },
    { wait: { id: "g:0", name: "g", gate: true, createdAt: new Date(20) } },
  ]);
  const abort = { kind: "abort", i: "i1", at: 1, call: "g:0", name: "g" } as const;
  const ids = (inbox: Inbox, more: readonly Entry[] = []) =>
    view([...entries, ...more], inbox).waits.map(({ wait: { id } }) => id);
  expect(ids({ items: [abort, { kind: "cancel", i: "i2", at: 1 }] })).toEqual(["w:0"]);
  const rejected: Entry = { t: "rejected", item: "i1", id: "g:0", reason: "no", at: 2 };
  expect(ids({ items: [abort] }, [rejected])).toEqual(["w:0", "g:0"]);
  expect(ids(emptyInbox, [{ t: "cancelling", reason: "cancel", at: 3 }])).toEqual([]);
  expect(ids(emptyInbox, [{ t: "ended", status: "failed", err: error("x"), at: 3 }])).toEqual([]);
});

test("facts of the head are passed on", () => {
  const parent = { id: "p", call: "c:0" };
  const { facts: seen } = viewExecution({
    facts: { ...facts, parent },
    entries: [],
    inbox: emptyInbox,
    status: "queued",
    now: 1,
    typeOf: () => undefined,
  });
  expect(seen).toMatchObject({ id: "e1", status: "queued", createdAt: new Date(5), parent });
  expect(seen.startedAt).toBeUndefined();
  expect(
    view([started, { t: "ended", status: "failed", err: error("bad"), at: 4 }]).facts.error,
  ).toMatchObject({ message: "bad" });
});

test("log lines say what happened, by time", () => {
  const advance: Entry = { t: "advance", epoch: 1, owner: "1@s", until: 9, at: 11 };
  const entries: Entry[] = [
    started,
    advance,
    { ...advance, epoch: 2, at: 50 },
    { ...advance, epoch: 2, renew: true, at: 51 },
    { t: "attempt", ...call("a:0", 0, "checkpoint"), no: 1, s: 1, open: true, at: 12 },
    { t: "attempt", ...call("a:0", 0, "checkpoint"), no: 1, s: 1, err: error("x"), at: 13 },
    { t: "attempt", ...call("a:0", 0, "checkpoint"), no: 2, s: 1, at: 14 },
    {
      t: "llm",
      id: "a:0",
      no: 1,
      i: 0,
      name: "llm",
      h: "x",
      out: { v: 1 },
      llm: record,
      s: 14,
      at: 15,
    },
    { t: "log", id: "a:0", fields: { v: { k: 1 } }, at: 16 },
    { t: "artifact", id: "a:0", name: "n", type: "blob", out: { v: 1 }, vh: "v", at: 17 },
    { t: "completed", ...call("a:0", 0, "checkpoint"), s: 10, out: { v: 1 }, at: 18 },
    {
      t: "completed",
      ...call("b:0", 1, "llm"),
      s: 10,
      out: { v: 1 },
      llm: { ...record, totalTokens: 4 },
      at: 19,
    },
    { t: "completed", ...call("c:0", 2, "checkpoint"), out: { v: 1 }, disp: "cached", at: 20 },
    { t: "completed", ...call("c:1", 2, "flow"), out: { v: 1 }, at: 20 },
    { t: "failed", ...call("d:0", 3, "checkpoint"), err: error("bad"), at: 21 },
    { t: "waiting", ...call("w:0", 4, "wait"), question: "ok?", at: 22 },
    { t: "waiting", ...call("w:1", 4, "wait"), at: 22 },
    { t: "completed", ...call("w:0", 4, "wait"), out: { v: 1 }, at: 23 },
    { t: "completed", ...call("w:1", 4, "wait"), out: { v: 1 }, expired: true, at: 24 },
    { t: "rejected", id: "w:2", item: "i", reason: "not a number", at: 25 },
    { t: "sleeping", ...call("s:0", 5, "sleep"), due: 0, at: 26 },
    { t: "scheduled", ...call("i:0", 6, "checkpoint"), no: 2, in: [], at: 27 },
    { t: "scheduled", ...call("f:0", 7, "flow"), no: 1, in: [], child: "e1/f:0", at: 28 },
    { t: "cancelling", reason: "cancel", at: 29 },
    { t: "cancelling", reason: "timeout", at: 30 },
    { t: "retried", voids: [], at: 31 },
    { t: "retried", voids: ["a:0", "b:0"], at: 32 },
    { t: "log", fields: { v: {} }, at: 33 },
    { t: "ended", status: "failed", err: error("bad"), at: 60 },
    { t: "ended", status: "completed", at: 61 },
  ];
  const lines = logLinesOf(entries).map(({ line, fields }) =>
    [line.callId, line.message, fields === undefined ? undefined : "fields"]
      .filter(Boolean)
      .join(" | "),
  );
  expect(lines).toEqual([
    "started flow f, version local",
    "a:0 | attempt 1 started",
    "a:0 | attempt 1 failed: TypeError: x",
    "a:0 | attempt 2 failed",
    "a:0 | llm: offline/extract, 5 tokens in 1 ms",
    "a:0 | log | fields",
    "a:0 | saved artifact n (blob)",
    "a:0 | completed in 8 ms",
    "b:0 | completed in 9 ms, offline/extract, 4 tokens",
    "c:0 | completed (cached)",
    "c:1 | completed",
    "d:0 | failed: TypeError: bad",
    "w:0 | waiting for an answer: ok?",
    "w:1 | waiting for an answer",
    "w:0 | answered",
    "w:1 | expired without an answer",
    "w:2 | answer rejected: not a number",
    "s:0 | sleeping until 1970-01-01T00:00:00.000Z",
    "i:0 | attempt 2 scheduled",
    "f:0 | child execution e1/f:0 started",
    "cancelling",
    "cancelling: the flow's timeout has passed",
    "retried",
    "retried: a:0, b:0 will run again",
    "log | fields",
    "resumed by process 1",
    "failed: TypeError: bad",
    "completed",
  ]);
});

test("large and damaged values are stood in for", async () => {
  const { totalTokens: _left, ...untold } = record;
  expect(
    logLinesOf([
      {
        t: "llm",
        id: "a:0",
        no: 1,
        i: 0,
        name: "llm",
        h: "x",
        out: { v: 1 },
        llm: untold,
        s: 1,
        at: 2,
      },
    ])[0]?.line.message,
  ).toBe("llm: offline/extract in 1 ms");
  expect([sizeOf({ v: "é" }), sizeOf({ r: "[1]" }), sizeOf({ x: "AAA=" })]).toEqual([4, 3, 2]);
  const blobs = {
    put: async () => undefined,
    get: async () => undefined,
    list: async () => ({ keys: [] }),
  };
  const values = new ValueStore(blobs, 10);
  expect(await present(values, { v: 1 })).toBe(1);
  for (const n of [5, 2_000_000]) {
    const stored = (await present(values, { b: "0".repeat(64), k: "json", n })) as StoredValue;
    expect(stored).toBeInstanceOf(StoredValue);
    expect(JSON.stringify(stored)).toBe(`{"stored":true,"size":${n}}`);
    await expect(stored.load()).rejects.toMatchObject({ code: "corrupt" });
  }
  const broken = new ValueStore({ ...blobs, get: () => Promise.reject(new Error("offline")) }, 10);
  await expect(present(broken, { b: "0", k: "json", n: 1 })).rejects.toThrow("offline");
});

test("prompts and responses have versions of their content, in whatever form it is stored", () => {
  const done = (id: string, prompt: object, response: object): Entry =>
    ({
      t: "completed",
      id,
      kind: "llm",
      name: "ask",
      out: { v: 1 },
      prompt,
      response,
      at: 1,
    }) as Entry;
  const versions = artifactsOf("e1", [
    done("a:0", { v: "text" }, { r: "[1]" }),
    done("b:0", { x: "AQI=" }, { b: "f".repeat(64), k: "json", n: 9 }),
    done("c:0", { v: "text" }, { r: "[1]" }),
  ]).map(({ info }) => info.version);
  expect(versions.every((version) => /^[0-9a-f]{64}$/.test(version))).toBe(true);
  expect(new Set(versions).size).toBe(4);
  expect(versions.slice(4)).toEqual(versions.slice(0, 2));
});
