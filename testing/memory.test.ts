import { describe, expect, test } from "vitest";

import { describeBlobs } from "./conformance/blobs.ts";
import { describeRecords } from "./conformance/records.ts";
import { describeSecrets } from "./conformance/secrets.ts";
import { memoryBlobs, memoryRecords, memorySecrets } from "./memory.ts";
import type { RecordOperation } from "./memory.ts";

describeRecords("memory records", {
  open: () => memoryRecords(),
  capabilities: { recordBytes: 1024 * 1024 },
});
describeRecords("memory records, two on a page", {
  open: () => memoryRecords({ pageSize: 2 }),
  capabilities: { recordBytes: 1024 * 1024 },
});
describeBlobs("memory blobs", { open: () => memoryBlobs() });
describeBlobs("memory blobs, two on a page", { open: () => memoryBlobs({ pageSize: 2 }) });
describeSecrets("memory secrets", { open: memorySecrets });

const key = { partition: "p", sort: "s" };
const draft = { ...key, body: "body" };
const failing = (): void => {
  throw new Error("on purpose");
};

describe("fault injection", () => {
  test("a throw before a put leaves nothing behind", async () => {
    let armed = true;
    const store = memoryRecords({ before: () => (armed ? failing() : undefined) });
    await expect(store.put(draft, "absent")).rejects.toThrow("on purpose");
    armed = false;
    expect(await store.get(key)).toBeUndefined();
  });

  test("a throw after a put loses the reply only", async () => {
    let armed = true;
    const store = memoryRecords({ after: () => (armed ? failing() : undefined) });
    await expect(store.put(draft, "absent")).rejects.toThrow("on purpose");
    armed = false;
    expect((await store.get(key))?.body).toBe("body");
  });

  test("hooks see every operation", async () => {
    const seen: RecordOperation[] = [];
    const store = memoryRecords({ before: (operation) => void seen.push(operation) });
    await store.put(draft, "absent");
    await store.get(key);
    await store.list({ partition: "p", from: "a" });
    await store.listIndex("due", { partition: "d" });
    await store.delete(key, "1");
    expect(seen).toEqual([
      { verb: "put", key, draft },
      { verb: "get", key },
      { verb: "list", key: { partition: "p", sort: "a" } },
      { verb: "listIndex", key: { partition: "d", sort: "" } },
      { verb: "delete", key },
    ]);
  });

  test("a hook that waits delays the effect", async () => {
    const gate = Promise.withResolvers<void>();
    const store = memoryRecords({
      before: ({ verb }) => (verb === "put" ? gate.promise : undefined),
    });
    const put = store.put(draft, "absent");
    expect(await store.get(key)).toBeUndefined();
    gate.resolve();
    expect(await put).toEqual({ ok: true, version: "1" });
  });

  test("blobs fail before and after in the same way", async () => {
    const bytes = new Uint8Array([1]);
    const unwritten = memoryBlobs({
      before: ({ verb }) => (verb === "put" ? failing() : undefined),
    });
    await expect(unwritten.put("a", bytes, { contentType: "x" })).rejects.toThrow("on purpose");
    expect(await unwritten.get("a")).toBeUndefined();
    const unanswered = memoryBlobs({
      after: ({ verb }) => (verb === "put" ? failing() : undefined),
    });
    await expect(unanswered.put("a", bytes, { contentType: "x" })).rejects.toThrow("on purpose");
    expect(await unanswered.get("a")).toEqual(bytes);
  });
});

test("versions count up, so two equal runs are equal", async () => {
  const store = memoryRecords();
  expect(await store.put(draft, "absent")).toEqual({ ok: true, version: "1" });
  expect(await store.put(draft, "1")).toEqual({ ok: true, version: "2" });
  expect(await store.put(draft, "1")).toEqual({ ok: false });
  expect(await store.put(draft, "2")).toEqual({ ok: true, version: "3" });
});

test("what is not a cursor is refused", async () => {
  const list = memoryRecords().list({ partition: "p", cursor: "j/000001" });
  await expect(list).rejects.toThrow('"j/000001" is not a cursor');
});
