import { randomBytes, randomUUID } from "node:crypto";
import { expect } from "vitest";

import type { BlobStore } from "../../core/ports/blobs.ts";
import { describePort } from "./suite.ts";
import type { Clauses, Closable, Skips } from "./suite.ts";

/** An implementation of the blob store to hold against its contract. */
export interface BlobsSubject {
  /** Called once. Clauses work under random prefixes, so the store need not be empty. */
  readonly open: () => Closable<BlobStore> | Promise<Closable<BlobStore>>;
  /** Clauses it cannot keep, by title, each with its reason. */
  readonly skip?: Skips;
}

/** Define the tests every {@link BlobStore} has to pass. */
export function describeBlobs(name: string, subject: BlobsSubject): void {
  describePort({
    name,
    open: subject.open,
    clauses: { ...storing, ...listing },
    skip: subject.skip,
  });
}

const contentType = "application/octet-stream";

const storing: Clauses<BlobStore> = {
  "get of a missing blob is undefined": async (store) => {
    expect(await store.get(`${freshPrefix()}nothing`)).toBeUndefined();
  },

  "bytes are read back as they were put": async (store) => {
    const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);
    await roundTrip(store, everyByte);
  },

  "no bytes": (store) => roundTrip(store, new Uint8Array()),
  "1 MiB and a bit": (store) => roundTrip(store, randomBytes(1024 * 1024 + 7)),
  "12 MiB": (store) => roundTrip(store, randomBytes(12 * 1024 * 1024)),

  "part of a larger buffer": async (store) => {
    const whole = Uint8Array.from({ length: 64 }, (_, index) => index);
    await roundTrip(store, whole.subarray(16, 32));
  },

  "text with a content type of text": async (store) => {
    const key = `${freshPrefix()}note`;
    const bytes = new TextEncoder().encode("grüße 👩‍🚀\n");
    await store.put(key, bytes, { contentType: "text/plain; charset=utf-8" });
    expect(new TextDecoder().decode(await store.get(key))).toBe("grüße 👩‍🚀\n");
  },

  "a second put replaces the first": async (store) => {
    const key = `${freshPrefix()}a`;
    await store.put(key, bytesOf("first, and longer"), { contentType });
    await store.put(key, bytesOf("second"), { contentType });
    expect(await textAt(store, key)).toBe("second");
  },

  "ifAbsent writes what is missing and keeps what exists": async (store) => {
    const key = `${freshPrefix()}a`;
    await store.put(key, bytesOf("first"), { contentType, ifAbsent: true });
    // As long as the first: a store may take another length for a torn write of the same content.
    await store.put(key, bytesOf("other"), { contentType, ifAbsent: true });
    expect(await textAt(store, key)).toBe("first");
  },

  "concurrent puts of one key leave one of them, whole": async (store) => {
    const key = `${freshPrefix()}a`;
    const candidates = Array.from({ length: 10 }, (_, index) =>
      String(index).repeat(100_000 + index),
    );
    await Promise.all(candidates.map((text) => store.put(key, bytesOf(text), { contentType })));
    expect(candidates.includes((await textAt(store, key)) ?? "")).toBe(true);
  },

  "concurrent puts of the same content all succeed": async (store) => {
    const key = `${freshPrefix()}a`;
    const bytes = bytesOf("content ".repeat(10_000));
    await Promise.all(
      Array.from({ length: 10 }, () => store.put(key, bytes, { contentType, ifAbsent: true })),
    );
    expect(await textAt(store, key)).toBe("content ".repeat(10_000));
  },

  "a reader sees all of a blob or nothing": async (store) => {
    const key = `${freshPrefix()}a`;
    const text = "0123456789".repeat(200_000);
    const writing = store.put(key, bytesOf(text), { contentType });
    for (let looks = 0; looks < 20; looks += 1) {
      expect([undefined, text.length]).toContain((await store.get(key))?.byteLength);
    }
    await writing;
    expect((await store.get(key))?.byteLength).toBe(text.length);
  },

  "what was put can be changed without changing what is stored": async (store) => {
    const key = `${freshPrefix()}a`;
    const bytes = bytesOf("kept");
    await store.put(key, bytes, { contentType });
    bytes.fill(0);
    expect(await textAt(store, key)).toBe("kept");
  },

  "what is read can be changed without changing what is stored": async (store) => {
    const key = `${freshPrefix()}a`;
    await store.put(key, bytesOf("kept"), { contentType });
    (await store.get(key))?.fill(0);
    expect(await textAt(store, key)).toBe("kept");
  },
};

const listing: Clauses<BlobStore> = {
  "an unused prefix has one empty page": async (store) => {
    const page = await store.list({ prefix: freshPrefix() });
    expect(page.keys).toEqual([]);
    expect(page.cursor).toBeUndefined();
  },

  "keys are listed in the order of their bytes, across folders": async (store) => {
    const prefix = freshPrefix();
    const names = ["a-b", "a/1", "a/2/x", "a0", "ab/cd", "b", "b-/c"];
    await fill(store, prefix, names.toReversed());
    expect(await keysUnder(store, prefix)).toEqual(names.map((name) => prefix + name));
  },

  "a prefix need not end at a slash": async (store) => {
    const prefix = freshPrefix();
    await fill(store, prefix, ["ab/1", "ab/2", "abc", "b/ab"]);
    expect(await keysUnder(store, `${prefix}ab`)).toEqual([
      `${prefix}ab/1`,
      `${prefix}ab/2`,
      `${prefix}abc`,
    ]);
    expect(await keysUnder(store, `${prefix}ab/`)).toEqual([`${prefix}ab/1`, `${prefix}ab/2`]);
    expect(await keysUnder(store, `${prefix}ab/2`)).toEqual([`${prefix}ab/2`]);
    expect(await keysUnder(store, `${prefix}c`)).toEqual([]);
  },

  "pages of every size join up": async (store) => {
    const prefix = freshPrefix();
    const names = ["a/1", "a/2", "b", "c/d/e", "c/d/f", "g"];
    await fill(store, prefix, names);
    for (let limit = 1; limit <= names.length + 1; limit += 1) {
      const keys = await keysUnder(store, prefix, limit);
      expect(keys).toEqual(names.map((name) => prefix + name));
    }
  },

  "a page holds no more than the limit": async (store) => {
    const prefix = freshPrefix();
    await fill(store, prefix, ["a", "b", "c"]);
    const page = await store.list({ prefix, limit: 2 });
    expect(page.keys.length).toBeLessThanOrEqual(2);
    expect(page.cursor).toBeDefined();
  },

  "keys with spaces and other scripts come back as they were": async (store) => {
    const prefix = freshPrefix();
    const names = ["a b", "c%20d", "e:f", "ö", "漢字"];
    await fill(store, prefix, names);
    expect(await keysUnder(store, prefix)).toEqual(names.map((name) => prefix + name));
    for (const name of names) expect(await textAt(store, prefix + name)).toBe(name);
  },
};

function freshPrefix(): string {
  return `conformance/${randomUUID()}/`;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function textAt(store: BlobStore, key: string): Promise<string | undefined> {
  const bytes = await store.get(key);
  return bytes && new TextDecoder().decode(bytes);
}

async function roundTrip(store: BlobStore, bytes: Uint8Array): Promise<void> {
  const key = `${freshPrefix()}ab/abcdef0123`;
  await store.put(key, bytes, { contentType });
  const read = await store.get(key);
  expect(read).toBeInstanceOf(Uint8Array);
  expect(Buffer.compare(read ?? bytesOf("missing"), bytes)).toBe(0);
}

/** Puts one blob for each name, which is also its content. */
async function fill(store: BlobStore, prefix: string, names: readonly string[]): Promise<void> {
  for (const name of names) await store.put(prefix + name, bytesOf(name), { contentType });
}

async function keysUnder(store: BlobStore, prefix: string, limit = 1000): Promise<string[]> {
  const keys: string[] = [];
  let page = await store.list({ prefix, limit });
  keys.push(...page.keys);
  while (page.cursor !== undefined) {
    page = await store.list({ prefix, limit, cursor: page.cursor });
    keys.push(...page.keys);
  }
  return keys;
}
