import { expect, test } from "vitest";
import type { EndedEntry, Entry } from "../journal/entry.ts";
import { JournalState } from "../journal/state.ts";
import {
  isParentsCancel,
  isRetryable,
  isRevocable,
  parentCancel,
  voidedBy,
} from "./retry-execution.ts";

function stateOf(...entries: readonly Entry[]): JournalState {
  const state = new JournalState();
  for (const entry of entries) state.add(entry);
  return state;
}

function done(id: string, ask: number): Entry {
  return { t: "completed", id, kind: "checkpoint", name: id, ask, h: "h", out: { v: 1 }, at: 1 };
}

const failed = (fields: Partial<EndedEntry> = {}): EndedEntry => ({
  t: "ended",
  status: "failed",
  at: 1,
  ...fields,
});
const coded = (code?: string): EndedEntry =>
  failed({ err: { name: "Error", message: "x", ...(code === undefined ? {} : { code }) } });

test("a failed call, a divergence, a stall and a timeout can be retried; the flow's own error cannot", () => {
  expect(isRetryable(failed({ cause: "a:0" }))).toBe(true);
  for (const code of ["divergence", "stalled", "timeout"])
    expect(isRetryable(coded(code))).toBe(true);
  expect(isRetryable(coded())).toBe(false);
  expect(isRetryable(coded("usage"))).toBe(false);
  expect(isRetryable(failed())).toBe(false);
});

test("forgotten are the cause and what was asked after its failure was delivered", () => {
  const state = stateOf(done("a", 0), done("b", 1), done("c", 2), done("d", 3));
  expect(voidedBy(state, failed({ cause: "b", asks: 3 }))).toEqual(["b", "d"]);
  expect(voidedBy(state, failed({ cause: "d", asks: 2 }))).toEqual(["d", "c"]);
  expect(voidedBy(state, failed({ cause: "b" }))).toEqual(["b"]);
});

test("without a cause nothing is forgotten but what was asked after the cut", () => {
  const state = stateOf(done("a", 0), done("tidy", 1));
  expect(voidedBy(state, failed())).toEqual([]);
  expect(voidedBy(state, failed({ asks: 1 }))).toEqual(["tidy"]);
});

test("a parent can take back its own cancel once the child's flow has seen it", () => {
  const byParent = stateOf({ t: "cancelling", reason: "cancel", item: parentCancel(0), at: 1 });
  const byPerson = stateOf({ t: "cancelling", reason: "cancel", item: "someone", at: 1 });
  const cancelled = failed({ status: "cancelled", asks: 1 });
  expect(isRevocable(byParent, cancelled)).toBe(true);
  expect(isRevocable(byPerson, cancelled)).toBe(false);
  expect(isRevocable(byParent, failed({ status: "cancelled" }))).toBe(false);
  expect(isParentsCancel(byParent, failed())).toBe(false);
  expect(isParentsCancel(stateOf(), cancelled)).toBe(false);
});
