import { expect, test } from "vitest";
import type { CompletedEntry, Entry, OpeningEntry } from "./entry.ts";
import { JournalState } from "./state.ts";

function fold(...entries: readonly Entry[]): JournalState {
  const state = new JournalState();
  for (const entry of entries) state.add(entry);
  return state;
}

function call(id: string, ask: number) {
  return { id, kind: "checkpoint", name: id, ask, h: `h-${id}` } as const;
}

function done(id: string, ask: number, v: unknown = 1): CompletedEntry {
  return { t: "completed", ...call(id, ask), out: { v }, at: 1 };
}

function waiting(id: string, ask: number): OpeningEntry {
  return { t: "waiting", ...call(id, ask), kind: "wait", at: 1 };
}

function early(id: string): CompletedEntry {
  return { t: "completed", id, kind: "wait", name: id, item: `i-${id}`, out: { v: 1 }, at: 1 };
}

const advance = (epoch: number, renew = false): Entry => ({
  t: "advance",
  epoch,
  owner: "o",
  until: 1,
  at: 1,
  ...(renew ? { renew: true } : {}),
});

test("the first outcome of a call stands, at its place", () => {
  const state = fold(advance(1), done("a", 0, "first"), done("a", 0, "second"));
  expect(state.outcomes.get("a")).toMatchObject({ position: 1, entry: { out: { v: "first" } } });
  expect(state.position).toBe(3);
});

test("an answer before its question is early; one after it is not", () => {
  const state = fold(early("a"), waiting("b", 1), early("b"));
  expect(state.outcomes.get("a")?.early).toBe(true);
  expect(state.outcomes.get("b")?.early).toBe(false);
  expect(state.known.has("a")).toBe(false);
  expect([...state.items]).toEqual(["i-a", "i-b"]);
});

test("pending is what was opened and has no outcome", () => {
  const state = fold(waiting("a", 0), waiting("b", 1), early("a"));
  expect([...state.pending()].map((open) => open.id)).toEqual(["b"]);
});

test("epochs without anything between them are counted; renewals and progress are not", () => {
  expect(fold(advance(1), advance(2), advance(2, true), advance(3)).barren).toEqual([1, 2, 3]);
  expect(fold(advance(1), advance(2), done("a", 0), advance(3)).barren).toEqual([3]);
  expect(fold().epoch).toBe(0);
  expect(fold(advance(1), advance(2)).epoch).toBe(2);
});

test("a retry forgets the calls it voids, the end and the cancelling", () => {
  const state = fold(
    done("a", 0),
    { t: "attempt", ...call("b", 1), no: 1, s: 1, err: { name: "E", message: "m" }, at: 1 },
    { t: "scheduled", ...call("b", 1), no: 2, in: [], until: 5, at: 1 },
    { t: "failed", ...call("b", 1), err: { name: "E", message: "m" }, at: 1 },
    { t: "cancelling", reason: "timeout", at: 1 },
    { t: "cancelling", reason: "cancel", item: "c", at: 1 },
    { t: "ended", status: "failed", at: 1 },
    { t: "retried", voids: ["b"], item: "r", at: 1 },
  );
  expect([...state.outcomes.keys()]).toEqual(["a"]);
  expect([state.attempts.size, state.opens.size, state.known.size]).toEqual([0, 0, 1]);
  expect([state.ended, state.cancelling]).toEqual([undefined, undefined]);
  expect([...state.items]).toEqual(["c", "r"]);
  expect(state.spent.get("b")).toBe(2);
});

test("the first cancelling counts; logs of the flow are counted, refusals remembered", () => {
  const state = fold(
    { t: "cancelling", reason: "timeout", at: 1 },
    { t: "cancelling", reason: "cancel", item: "c", at: 1 },
    { t: "log", fields: { v: 1 }, at: 1 },
    { t: "log", id: "a", fields: { v: 1 }, at: 1 },
    { t: "artifact", id: "a", name: "n", type: "output", out: { v: 1 }, vh: "h", at: 1 },
    { t: "rejected", item: "x", id: "a", reason: "no", at: 1 },
  );
  expect(state.cancelling).toMatchObject({ position: 0, entry: { reason: "timeout" } });
  expect(state.flowLogs).toBe(1);
  expect(state.items.has("x")).toBe(true);
});

test("llm outcomes and attempts are kept in order for each call", () => {
  const llm = { resolvedModel: "p/m", credentialSource: "none", latencyMs: 1 } as const;
  const said = (i: number): Entry => ({
    t: "llm",
    id: "a",
    no: 1,
    i,
    name: "llm",
    h: "h",
    out: { v: i },
    llm,
    s: 1,
    at: 1,
  });
  const state = fold(said(0), said(1));
  expect(state.llms.get("a")?.map((entry) => entry.i)).toEqual([0, 1]);
});
