import { expect, test } from "vitest";
import {
  dueKey,
  emptyInbox,
  inboxDraft,
  inboxKey,
  readDocument,
  readInbox,
  timeKey,
  versionOf,
} from "./inbox.ts";

const stored = (body: string) => ({ partition: "exec/a", sort: "inbox", body, version: "7" });

test("an absent inbox is empty, and is expected to be absent", () => {
  expect(readInbox(undefined)).toBe(emptyInbox);
  expect(versionOf(undefined)).toBe("absent");
  expect(versionOf(stored(""))).toBe("7");
});

test("an inbox comes back as it was written, and is found when it is due", () => {
  const inbox = { items: [{ i: "n", at: 1, kind: "cancel" as const }], parked: "t", dueAt: 1234 };
  const draft = inboxDraft("a", inbox, 1);
  expect(draft).toMatchObject(inboxKey("a"));
  expect(readInbox({ ...draft, version: "1" })).toEqual(inbox);
  expect(draft.indexes).toEqual({
    due: { partition: "due/0", sort: `${timeKey(1234)}/a/inbox` },
  });
  expect(inboxDraft("a", emptyInbox, 1).indexes).toEqual({});
});

test.each(["", "{", "[]", "null", `"items"`, "{}"])("%j is not an inbox", (body) => {
  expect(() => readDocument(stored(body), "items" as never)).toThrow(
    "The record exec/a inbox cannot be read",
  );
});

test("times sort as text; what is before the epoch or broken counts as zero", () => {
  const times = [0, 9, 10, 99.9, 1e12, 253_402_300_799_999];
  expect(times.map(timeKey)).toEqual(times.map(timeKey).toSorted());
  expect(timeKey(-5)).toBe(timeKey(0));
  expect(timeKey(99.9)).toBe(timeKey(99));
});

test("executions are spread over all shards, each always to its own", () => {
  const shards = Array.from(
    { length: 200 },
    (_, n) => dueKey(`id-${n}`, "head", 1, 8).due?.partition,
  );
  expect(new Set(shards).size).toBe(8);
  expect(dueKey("id-1", "head", 1, 8)).toEqual(dueKey("id-1", "head", 1, 8));
});
