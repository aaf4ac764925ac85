import { expect, test } from "vitest";
import { seededRandom } from "../engine/prng.ts";
import type { ListParams, Page } from "./records.ts";
import { mergeShards, readCursor, shardOf } from "./shards.ts";

const count = 4;
const keys = Array.from({ length: 100 }, (_, n) => `k${String(n).padStart(3, "0")}`);

/** Lists keys spread over shards, each shard in pages of so many. */
function list(
  params: Partial<ListParams>,
  {
    pageSize,
    spread = (key) => shardOf(key, count),
  }: { pageSize: number; spread?: (key: string) => number },
): Promise<Page<string>> {
  return mergeShards<string, string>({
    count,
    params: { partition: "p", ...params },
    sort: (key) => key,
    key: (key) => key,
    record: (key) => key,
    page: async (shard, from) => {
      const all = keys.filter((key) => spread(key) === shard);
      if (params.reverse) all.reverse();
      const left = from === undefined ? all : all.slice(all.indexOf(from) + 1);
      const items = left.slice(0, pageSize);
      const last = items.at(-1);
      return { items, ...(left.length > pageSize && last !== undefined && { next: last }) };
    },
  });
}

async function listAll(
  params: Partial<ListParams>,
  shards: Parameters<typeof list>[1],
): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | undefined, pages = 0; pages < 500; pages++) {
    const page = await list({ ...params, ...(cursor !== undefined && { cursor }) }, shards);
    found.push(...page.items);
    if (page.cursor === undefined) return found;
    cursor = page.cursor;
  }
  throw new Error("it has no end");
}

test.each([1, 3, 7, 200])(
  "shards in pages of %i are one list in order, either way",
  async (pageSize) => {
    for (const limit of [1, 10, undefined]) {
      const params = limit === undefined ? {} : { limit };
      expect(await listAll(params, { pageSize })).toEqual(keys);
      expect(await listAll({ ...params, reverse: true }, { pageSize })).toEqual(keys.toReversed());
    }
  },
);

test("however unevenly they are filled, an empty one among them", async () => {
  const random = seededRandom("shards");
  const places = new Map(keys.map((key) => [key, Math.floor(random() ** 3 * 3)]));
  const spread = (key: string): number => places.get(key) ?? 0;
  expect(await listAll({ limit: 9 }, { pageSize: 5, spread })).toEqual(keys);
  expect(await listAll({}, { pageSize: 5, spread: () => 2 })).toEqual(keys);
});

test("nothing is listed before every shard that goes on is known as far", async () => {
  const { items, cursor } = await list({}, { pageSize: 2 });
  expect(items).toEqual(keys.slice(0, items.length));
  expect(items.length).toBeGreaterThan(0);
  expect(cursor).toBeDefined();
});

test("no list is an empty page", async () => {
  const spread = (): number => count; // a shard that is not read
  expect(await list({}, { pageSize: 5, spread })).toEqual({ items: [] });
  expect(readCursor(undefined)).toBeUndefined();
});

test("a key stays in its shard, and keys spread over all", () => {
  expect(keys.map((key) => shardOf(key, count))).toEqual(keys.map((key) => shardOf(key, count)));
  expect(new Set(keys.map((key) => shardOf(key, count)))).toEqual(new Set([0, 1, 2, 3]));
  expect(shardOf("kitaru", 16)).toBe(shardOf("kitaru", 16));
});
