import { expect, test } from "vitest";
import { memoryRecords } from "../../testing/memory.ts";
import type { RecordStore } from "../ports/records.ts";
import { type Head, headDraft, headKey, isEnd, readHead, updateHead } from "./head.ts";

function head(pos = 0): Head {
  return {
    facts: {
      id: "a",
      flow: "f",
      version: "local",
      stack: "memory",
      input: { v: 1 },
      h: "h",
      seed: "s",
      createdAt: 1000,
      generation: 1,
      nonce: "n",
    },
    view: { pos, epoch: 0, status: "queued" },
    dueAt: 5,
  };
}

async function stored(records: RecordStore, made = head()) {
  const draft = headDraft(made, 1);
  const result = await records.put(draft, "absent");
  if (!result.ok) throw new Error("exists");
  return { ...draft, version: result.version };
}

test("a head is found by flow and by due time, and not by due time when it has none", () => {
  const { dueAt: _none, ...ended } = head();
  expect(Object.keys(headDraft(head(), 1).indexes ?? {})).toEqual(["flow", "due"]);
  expect(Object.keys(headDraft(ended, 1).indexes ?? {})).toEqual(["flow"]);
  expect(headDraft(head(), 1).indexes?.flow?.partition).toBe("flow/f");
});

test("three statuses are ends", () => {
  expect(
    (["queued", "running", "waiting", "completed", "failed", "cancelled"] as const).filter(isEnd),
  ).toEqual(["completed", "failed", "cancelled"]);
});

test("a change is applied to what is stored, also when that has changed meanwhile", async () => {
  const records = memoryRecords();
  const loaded = await stored(records);
  await records.put(headDraft(head(3), 1), loaded.version);
  const updated = await updateHead(records, loaded, 1, (found) => ({
    ...found,
    view: { ...found.view, pos: found.view.pos + 1 },
  }));
  expect(readHead(updated).view.pos).toBe(4);
});

test("a change that does not want to be made leaves what is stored", async () => {
  const records = memoryRecords();
  const loaded = await stored(records);
  await records.put(headDraft(head(9), 1), loaded.version);
  const found = await updateHead(records, loaded, 1, (current) =>
    current.view.pos > 5 ? undefined : head(5),
  );
  expect(readHead(found).view.pos).toBe(9);
});

test("a conflict that is the echo of our own write is a success, once", async () => {
  const memory = memoryRecords();
  const loaded = await stored(memory);
  let writes = 0;
  const records: RecordStore = {
    ...memory,
    get: (key) => memory.get(key),
    put: async (draft, expectation) => {
      writes++;
      await memory.put(draft, expectation);
      return { ok: false };
    },
  };
  const updated = await updateHead(records, loaded, 1, () => head(2));
  expect(readHead(updated).view.pos).toBe(2);
  expect(writes).toBe(1);
});

test("a head that was deleted meanwhile stays deleted", async () => {
  const records = memoryRecords();
  const loaded = await stored(records);
  await records.delete(headKey("a"), loaded.version);
  expect(await updateHead(records, loaded, 1, () => head(2))).toBe(loaded);
  expect(await records.get(headKey("a"))).toBeUndefined();
});
