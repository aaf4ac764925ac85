import { randomUUID } from "node:crypto";
import { expect, vi } from "vitest";

import type { Capabilities } from "../../core/ports/backend.ts";
import type {
  Expectation,
  IndexKeys,
  IndexName,
  ListParams,
  Page,
  RecordKey,
  RecordStore,
  StoredRecord,
  Version,
} from "../../core/ports/records.ts";
import { describePort, skipped } from "./suite.ts";
import type { Clauses, Closable, Skips } from "./suite.ts";

/** An implementation of the record store to hold against its contract. */
export interface RecordsSubject {
  /** Called once. Clauses work in partitions of random names, so the store need not be empty. */
  readonly open: () => Closable<RecordStore> | Promise<Closable<RecordStore>>;
  /** Without it, bodies larger than 64 KiB are not tried. */
  readonly capabilities?: Pick<Capabilities, "recordBytes">;
  /** Clauses it cannot keep, by title, each with its reason. */
  readonly skip?: Skips;
}

/** Define the tests every {@link RecordStore} has to pass. */
export function describeRecords(name: string, subject: RecordsSubject): void {
  describePort({
    name,
    open: subject.open,
    clauses: {
      ...writing,
      ...racing,
      ...bodies(subject),
      ...listing,
      ...indexing,
      ...expiring,
    },
    skip: subject.skip,
  });
}

/** Title of the clause that a store skips which deletes what has expired by itself. */
export const deletesExpired = "what has expired is deleted, so many at a time";

const expiring: Clauses<RecordStore> = {
  "a record that has expired is as if it were not there": async (store) => {
    const key = freshKey();
    const flow = { partition: freshName(), sort: "a" };
    await store.put({ ...key, body: "old", indexes: { flow }, expiresAt: past() }, "absent");
    expect(await store.get(key)).toBeUndefined();
    expect(await store.list({ partition: key.partition })).toMatchObject({ items: [] });
    expect((await store.listIndex("flow", { partition: flow.partition })).items).toEqual([]);
    const version = await write(store, key, "new");
    expect(await store.get(key)).toEqual({ ...key, body: "new", version });
  },

  "a record that is to expire is there until then, and says when": async (store) => {
    const key = freshKey();
    const expiresAt = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
    const made = await store.put({ ...key, body: "b", expiresAt }, "absent");
    if (!made.ok) throw new Error("it was absent");
    const { version } = made;
    expect(await store.get(key)).toEqual({ ...key, body: "b", version, expiresAt });
    const kept = await store.put({ ...key, body: "b" }, version);
    expect(kept.ok).toBe(true);
    expect(await store.get(key)).not.toHaveProperty("expiresAt");
  },

  "nobody who has read a record before it expired changes it after": async (store) => {
    const key = freshKey();
    const made = await store.put({ ...key, body: "old", expiresAt: past() }, "absent");
    if (!made.ok) throw new Error("it was absent");
    expect(await store.put({ ...key, body: "new" }, made.version)).toEqual({ ok: false });
    expect(await store.delete(key, made.version)).toBe(false);
    expect(await store.get(key)).toBeUndefined();
  },

  "of several who write where a record has expired, one succeeds": async (store) => {
    const key = freshKey();
    const flow = { partition: freshName(), sort: "a" };
    await store.put({ ...key, body: "old", indexes: { flow }, expiresAt: past() }, "absent");
    const writers = ["a", "b", "c", "d"];
    const results = await Promise.all(
      writers.map((body) => store.put({ ...key, body, indexes: { flow } }, "absent")),
    );
    expect(results.filter(({ ok }) => ok)).toHaveLength(1);
    const body = writers[results.findIndex(({ ok }) => ok)];
    expect(await store.get(key)).toMatchObject({ body });
    await vi.waitFor(async () => {
      const { items } = await store.listIndex("flow", { partition: flow.partition });
      expect(items).toMatchObject([{ body }]);
    }, indexLagMs);
  },

  "pages leave out what has expired, and go on behind it": async (store) => {
    const partition = freshName();
    const sorts = Array.from({ length: 9 }, (_, n) => `s${n}`);
    for (const [n, sort] of sorts.entries())
      await store.put(
        { partition, sort, body: sort, ...(n % 3 === 0 ? {} : { expiresAt: past() }) },
        "absent",
      );
    for (const reverse of [false, true]) {
      const found: string[] = [];
      for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
        const page = await store.list({
          partition,
          limit: 2,
          reverse,
          ...(cursor === undefined ? {} : { cursor }),
        });
        found.push(...page.items.map(({ body }) => body));
        cursor = page.cursor;
      }
      expect(found).toEqual(reverse ? ["s6", "s3", "s0"] : ["s0", "s3", "s6"]);
    }
  },

  [deletesExpired]: async (store) => {
    const [partition, kept] = [freshName(), freshKey()];
    const flow = { partition: freshName(), sort: "a" };
    for (const sort of ["head", "j/0", "j/1"]) {
      const indexes = sort === "head" ? { flow } : {};
      await store.put({ partition, sort, body: sort, indexes, expiresAt: past() }, "absent");
    }
    await write(store, kept, "kept");
    let deleted = 0;
    for (let some = 1; some > 0; deleted += some) {
      some = (await store.deleteExpired?.(2)) ?? 0;
      expect(some).toBeLessThanOrEqual(2);
    }
    expect(deleted).toBeGreaterThanOrEqual(3);
    expect(await store.get(kept)).toMatchObject({ body: "kept" });
  },
};

/** A time that has passed, in whole seconds. */
function past(): number {
  return Math.floor(Date.now() / 1000) * 1000 - 1000;
}

const indexLagMs = 10_000;
const largestTriedBytes = 8 * 1024 * 1024;

const writing: Clauses<RecordStore> = {
  "get of a missing record is undefined": async (store) => {
    expect(await store.get({ partition: freshName(), sort: "a" })).toBeUndefined();
  },

  "what is put is read back, with the version put returned": async (store) => {
    const key = freshKey();
    const version = await write(store, key, "one");
    expect(await store.get(key)).toEqual({ ...key, body: "one", version });
  },

  "expecting absent: creates once, then changes nothing": async (store) => {
    const key = freshKey();
    const version = await write(store, key, "first");
    expect(await store.put({ ...key, body: "second" }, "absent")).toEqual({ ok: false });
    expect(await store.get(key)).toEqual({ ...key, body: "first", version });
  },

  "expecting a version: replaces that one, then changes nothing": async (store) => {
    const key = freshKey();
    const first = await write(store, key, "1");
    const second = await write(store, key, "2", first);
    expect(second).not.toBe(first);
    expect(await store.put({ ...key, body: "3" }, first)).toEqual({ ok: false });
    expect(await store.get(key)).toEqual({ ...key, body: "2", version: second });
  },

  "expecting the version of a missing record: changes nothing": async (store) => {
    const key = freshKey();
    const version = await write(store, freshKey(), "elsewhere");
    expect(await store.put({ ...key, body: "x" }, version)).toEqual({ ok: false });
    expect(await store.get(key)).toBeUndefined();
  },

  "expecting another record's version: changes nothing": async (store) => {
    const [one, other] = [freshKey(), freshKey()];
    await write(store, one, "one");
    const version = await write(store, other, "other");
    expect(await store.put({ ...one, body: "x" }, version)).toEqual({ ok: false });
    expect((await store.get(one))?.body).toBe("one");
  },

  "a write of the same body has a version of its own": async (store) => {
    const key = freshKey();
    const first = await write(store, key, "same");
    expect(await write(store, key, "same", first)).not.toBe(first);
  },

  "delete removes the expected version only": async (store) => {
    const key = freshKey();
    const first = await write(store, key, "1");
    const second = await write(store, key, "2", first);
    expect(await store.delete(key, first)).toBe(false);
    expect((await store.get(key))?.body).toBe("2");
    expect(await store.delete(key, second)).toBe(true);
    expect(await store.get(key)).toBeUndefined();
    expect(await store.delete(key, second)).toBe(false);
  },

  "versions are not reused after a delete": async (store) => {
    const key = freshKey();
    const seen = new Set<Version>();
    for (let round = 0; round < 5; round += 1) {
      const created = await write(store, key, "same");
      const replaced = await write(store, key, "same", created);
      expect(seen.has(created) || seen.has(replaced)).toBe(false);
      seen.add(created).add(replaced);
      expect(await store.delete(key, replaced)).toBe(true);
    }
    await write(store, key, "same");
    for (const old of seen)
      expect(await store.put({ ...key, body: "x" }, old)).toEqual({ ok: false });
  },

  "partitions do not see each other": async (store) => {
    const [one, other] = [freshKey(), { partition: freshName(), sort: "a" }];
    await write(store, one, "one");
    await write(store, other, "other");
    expect(await bodiesIn(store, { partition: one.partition })).toEqual(["one"]);
    expect((await store.get(other))?.body).toBe("other");
  },
};

const racing: Clauses<RecordStore> = {
  "50 creations: one wins, and its body is stored": async (store) => {
    const key = freshKey();
    const winner = await race(store, key, "absent");
    expect((await store.get(key))?.body).toBe(winner);
  },

  "50 replacements of one version: one wins, and its body is stored": async (store) => {
    const key = freshKey();
    const version = await write(store, key, "start");
    const winner = await race(store, key, version);
    expect((await store.get(key))?.body).toBe(winner);
  },

  "a put and a delete of one version: one of them wins": async (store) => {
    const key = freshKey();
    const version = await write(store, key, "start");
    const [put, deleted] = await Promise.all([
      store.put({ ...key, body: "kept" }, version),
      store.delete(key, version),
    ]);
    expect(put.ok).not.toBe(deleted);
    expect((await store.get(key))?.body).toBe(put.ok ? "kept" : undefined);
  },

  "20 writers of counters that retry: no increment is lost": async (store) => {
    const key = freshKey();
    await write(store, key, "0");
    await Promise.all(Array.from({ length: 20 }, () => increment(store, key)));
    expect((await store.get(key))?.body).toBe("20");
  },

  "100 writes at once to as many records all succeed": async (store) => {
    const partition = freshName();
    const keys = numbered(100).map((sort) => ({ partition, sort }));
    await Promise.all(keys.map((key) => write(store, key, key.sort)));
    expect(await bodiesIn(store, { partition })).toEqual(numbered(100));
  },

  "get and list see every write that was acknowledged": async (store) => {
    const key = freshKey();
    let version: Expectation = "absent";
    for (const body of numbered(20)) {
      version = await write(store, key, body, version);
      expect((await store.get(key))?.body).toBe(body);
      expect(await bodiesIn(store, { partition: key.partition })).toEqual([body]);
    }
  },
};

function bodies({ capabilities }: RecordsSubject): Clauses<RecordStore> {
  const limit = capabilities?.recordBytes;
  return {
    "an empty body": (store) => roundTrip(store, ""),
    "a body in many scripts": (store) => roundTrip(store, "naïve Ω 漢字 👩‍🚀 \uFFFD \u2028 e\u0301"),
    "a body with U+0000 and other control characters": (store) =>
      roundTrip(store, "\u0000a\u0000b\u0001\u001F\u007F\r\n\t"),
    "a body that looks like something else": (store) => roundTrip(store, `{"$type":"Buffer"}'";--`),
    "a body of 64 KiB": (store) => roundTrip(store, "é".repeat(32 * 1024)),
    "a body as large as the store takes": async (store) => {
      if (limit === undefined) return skipped("no recordBytes capability was given");
      if (limit > largestTriedBytes) return skipped(`recordBytes is ${limit}: too large to try`);
      return roundTrip(store, "x".repeat(limit));
    },
  };
}

const listing: Clauses<RecordStore> = {
  "an empty partition has one empty page": async (store) => {
    const page = await store.list({ partition: freshName() });
    expect(page.items).toEqual([]);
    expect(page.cursor).toBeUndefined();
  },

  "items are whole records": async (store) => {
    const key = freshKey();
    const version = await write(store, key, "body");
    expect((await store.list({ partition: key.partition })).items).toEqual([
      { ...key, body: "body", version },
    ]);
  },

  "sort keys are in the order of their UTF-8 bytes": async (store) => {
    const sorts = ["A", "Z", "a", "a b", "a-", "a/", "a/b", "a0", "aa", "j/000009", "j/000010"];
    const beyondAscii = ["z", "é", "漢", "\uFF5E", "👩"]; // UTF-16 would put the last before U+FF5E
    const partition = await fill(store, [...sorts, ...beyondAscii].toReversed());
    expect(await sortsIn(store, { partition })).toEqual([...sorts, ...beyondAscii]);
    expect(await sortsIn(store, { partition, reverse: true })).toEqual(
      [...sorts, ...beyondAscii].toReversed(),
    );
  },

  "sort keys are compared exactly, without case or normal forms": async (store) => {
    const sorts = ["E", "e", "e\u0301", "é"];
    const partition = await fill(store, sorts);
    expect(await sortsIn(store, { partition })).toEqual(sorts);
    expect((await store.get({ partition, sort: "é" }))?.body).toBe("é");
  },

  "from is inclusive, to is exclusive": async (store) => {
    const partition = await fill(store, ["a", "b", "c", "d"]);
    const ranges: [Partial<ListParams>, string[]][] = [
      [{ from: "b" }, ["b", "c", "d"]],
      [{ to: "c" }, ["a", "b"]],
      [{ from: "b", to: "d" }, ["b", "c"]],
      [{ from: "b", to: "d", reverse: true }, ["c", "b"]],
      [{ from: "bb", to: "cc" }, ["c"]],
      [{ from: "c", to: "c" }, []],
      [{ from: "d", to: "a" }, []],
      [{ from: "e" }, []],
    ];
    for (const [range, sorts] of ranges) {
      expect({ range, sorts: await sortsIn(store, { partition, ...range }) }).toEqual({
        range,
        sorts,
      });
    }
  },

  "pages of every size join up, forwards and backwards": async (store) => {
    const sorts = numbered(7);
    const partition = await fill(store, sorts);
    const inside = numbered(7).slice(1, 6);
    for (let limit = 1; limit <= sorts.length + 1; limit += 1) {
      const range = { partition, limit, from: "j/000001", to: "j/000006" };
      expect(await sortsIn(store, { partition, limit })).toEqual(sorts);
      expect(await sortsIn(store, { partition, limit, reverse: true })).toEqual(sorts.toReversed());
      expect(await sortsIn(store, range)).toEqual(inside);
      expect(await sortsIn(store, { ...range, reverse: true })).toEqual(inside.toReversed());
    }
  },

  "a page holds no more than the limit": async (store) => {
    const partition = await fill(store, numbered(5));
    const page = await store.list({ partition, limit: 2 });
    expect(page.items.length).toBeLessThanOrEqual(2);
    expect(page.cursor).toBeDefined();
  },

  "a cursor outlives the record it stands on": async (store) => {
    const partition = await fill(store, ["a", "b", "c"]);
    const first = await store.list({ partition, limit: 1 });
    const [record] = first.items;
    expect(record?.sort).toBe("a");
    expect(await store.delete({ partition, sort: "a" }, record?.version ?? "")).toBe(true);
    await write(store, { partition, sort: "a" }, "again");
    expect(await sortsIn(store, { partition, ...after(first) })).toEqual(["b", "c"]);
  },

  "records written between two pages appear if they come after": async (store) => {
    const partition = await fill(store, ["b", "d"]);
    const first = await store.list({ partition, limit: 1 });
    await write(store, { partition, sort: "a" }, "too early");
    await write(store, { partition, sort: "c" }, "in time");
    expect(await sortsIn(store, { partition, ...after(first) })).toEqual(["c", "d"]);
  },

  "large records are all listed, whatever fits on a page": async (store) => {
    const partition = freshName();
    const body = "x".repeat(48 * 1024);
    for (const sort of numbered(40)) await write(store, { partition, sort }, body);
    const items = await all((cursor) => store.list({ partition, ...cursor }));
    expect(items.map((item) => item.sort)).toEqual(numbered(40));
    expect(items.every((item) => item.body === body)).toBe(true);
  },
};

const indexing: Clauses<RecordStore> = {
  "a record appears where its index keys say, whole": async (store) => {
    const [key, name] = [freshKey(), freshName()];
    const indexes = { flow: { partition: name, sort: "f" } };
    const version = await write(store, key, "body", "absent", indexes);
    const record = { ...key, body: "body", version };
    await eventually(async () => {
      expect(await indexed(store, "flow", { partition: name })).toEqual([record]);
    });
    expect(await indexed(store, "due", { partition: name })).toEqual([]);
  },

  "a changed index key moves the record": async (store) => {
    const [key, name, other] = [freshKey(), freshName(), freshName()];
    const first = await write(store, key, "1", "absent", dueKeys(name, "a"));
    const second = await write(store, key, "2", first, dueKeys(name, "b"));
    await eventually(async () => {
      expect(await indexed(store, "due", { partition: name, to: "b" })).toEqual([]);
      expect(await indexedBodies(store, { partition: name, from: "b" })).toEqual(["2"]);
    });
    await write(store, key, "3", second, dueKeys(other, "b"));
    await eventually(async () => {
      expect(await indexedBodies(store, { partition: name })).toEqual([]);
      expect(await indexedBodies(store, { partition: other })).toEqual(["3"]);
    });
  },

  "a kept index key keeps the record, with its new body": async (store) => {
    const [key, name] = [freshKey(), freshName()];
    const version = await write(store, key, "1", "absent", dueKeys(name, "a"));
    await write(store, key, "2", version, dueKeys(name, "a"));
    await eventually(async () => {
      expect(await indexedBodies(store, { partition: name })).toEqual(["2"]);
    });
  },

  "a left out index key takes the record away": async (store) => {
    const [key, name] = [freshKey(), freshName()];
    const both = { ...dueKeys(name, "a"), flow: { partition: name, sort: "a" } };
    const first = await write(store, key, "1", "absent", both);
    const second = await write(store, key, "2", first, dueKeys(name, "a"));
    await eventually(async () => {
      expect(await indexed(store, "flow", { partition: name })).toEqual([]);
      expect(await indexedBodies(store, { partition: name })).toEqual(["2"]);
    });
    await write(store, key, "3", second);
    await eventually(async () => {
      expect(await indexedBodies(store, { partition: name })).toEqual([]);
    });
    expect((await store.get(key))?.body).toBe("3");
  },

  "a deleted record leaves its indexes": async (store) => {
    const [key, name] = [freshKey(), freshName()];
    const version = await write(store, key, "1", "absent", dueKeys(name, "a"));
    await store.delete(key, version);
    await eventually(async () => {
      expect(await indexedBodies(store, { partition: name })).toEqual([]);
    });
  },

  "a failed expectation leaves the indexes alone": async (store) => {
    const [key, name] = [freshKey(), freshName()];
    const version = await write(store, key, "1", "absent", dueKeys(name, "a"));
    const again = { ...key, body: "x", indexes: dueKeys(name, "b") };
    expect(await store.put(again, "absent")).toEqual({ ok: false });
    await store.delete(key, version);
    expect(await store.put(again, version)).toEqual({ ok: false });
    await eventually(async () => {
      expect(await indexedBodies(store, { partition: name })).toEqual([]);
    });
  },

  "an index is listed in order, by range and by pages of every size": async (store) => {
    const name = freshName();
    const sorts = numbered(6);
    for (const sort of sorts.toReversed()) {
      await write(store, freshKey(), sort, "absent", dueKeys(name, sort));
    }
    await eventually(async () => {
      expect(await indexedBodies(store, { partition: name })).toEqual(sorts);
    });
    for (let limit = 1; limit <= sorts.length + 1; limit += 1) {
      const range = { partition: name, limit, from: "j/000001", to: "j/000005" };
      expect(await indexedBodies(store, { partition: name, limit })).toEqual(sorts);
      expect(await indexedBodies(store, { ...range, reverse: true })).toEqual(
        sorts.slice(1, 5).toReversed(),
      );
    }
  },

  "records with one index key are each listed once": async (store) => {
    const name = freshName();
    const names = numbered(6);
    for (const body of names) await write(store, freshKey(), body, "absent", dueKeys(name, "same"));
    await eventually(async () => {
      for (const params of [{ limit: 1 }, { limit: 4 }, { limit: 2, reverse: true }, {}]) {
        const found = await indexedBodies(store, { partition: name, ...params });
        expect(found.toSorted()).toEqual(names);
      }
    });
  },
};

function freshName(): string {
  return `conformance/${randomUUID()}`;
}

function freshKey(): RecordKey {
  return { partition: freshName(), sort: "head" };
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `j/${String(index).padStart(6, "0")}`);
}

function dueKeys(partition: string, sort: string): IndexKeys {
  return { due: { partition, sort } };
}

async function write(
  ...[store, key, body, expected = "absent", indexes]: [
    store: RecordStore,
    key: RecordKey,
    body: string,
    expected?: Expectation,
    indexes?: IndexKeys,
  ]
): Promise<Version> {
  const draft = { partition: key.partition, sort: key.sort, body };
  const result = await store.put(indexes === undefined ? draft : { ...draft, indexes }, expected);
  if (!result.ok) throw new Error(`${key.sort} was not at ${expected}`);
  return result.version;
}

/** Puts one record for each sort key, which is also its body, into a new partition. */
async function fill(store: RecordStore, sorts: readonly string[]): Promise<string> {
  const partition = freshName();
  for (const sort of sorts) await write(store, { partition, sort }, sort);
  return partition;
}

async function race(store: RecordStore, key: RecordKey, expected: Expectation): Promise<string> {
  const racers = numbered(50);
  const results = await Promise.all(racers.map((body) => store.put({ ...key, body }, expected)));
  const winners = racers.filter((_, index) => results[index]?.ok);
  expect(winners).toHaveLength(1);
  return winners.join();
}

async function increment(store: RecordStore, key: RecordKey): Promise<void> {
  for (;;) {
    const record = await store.get(key);
    if (record === undefined) throw new Error("The counter is gone.");
    const body = String(Number(record.body) + 1);
    if ((await store.put({ ...key, body }, record.version)).ok) return;
  }
}

async function roundTrip(store: RecordStore, body: string): Promise<void> {
  const key = freshKey();
  const version = await write(store, key, body);
  expect((await store.get(key))?.body === body).toBe(true);
  expect((await store.list({ partition: key.partition })).items[0]?.body === body).toBe(true);
  await write(store, key, `${body.slice(1)}.`, version);
  expect((await store.get(key))?.body === `${body.slice(1)}.`).toBe(true);
}

async function sortsIn(store: RecordStore, params: ListParams): Promise<string[]> {
  const items = await all((cursor) => store.list({ ...params, ...cursor }));
  return items.map((item) => item.sort);
}

async function bodiesIn(store: RecordStore, params: ListParams): Promise<string[]> {
  const items = await all((cursor) => store.list({ ...params, ...cursor }));
  return items.map((item) => item.body);
}

function indexed(
  store: RecordStore,
  index: IndexName,
  params: ListParams,
): Promise<StoredRecord[]> {
  return all((cursor) => store.listIndex(index, { ...params, ...cursor }));
}

async function indexedBodies(store: RecordStore, params: ListParams): Promise<string[]> {
  const items = await indexed(store, "due", params);
  return items.map((item) => item.body);
}

type Continuation = Pick<ListParams, "cursor">;

function after(page: Page<unknown>): Continuation {
  return page.cursor === undefined ? {} : { cursor: page.cursor };
}

async function all<T>(list: (continuation: Continuation) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  for (let continuation: Continuation = {}; ;) {
    const page = await list(continuation);
    items.push(...page.items);
    if (page.cursor === undefined) return items;
    continuation = after(page);
  }
}

function eventually(check: () => Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: indexLagMs, interval: 50 });
}
