import type { ListParams, Page } from "./records.ts";

/** One page of one shard. */
export interface Shard<Item> {
  readonly items: readonly Item[];
  /** What continues after the page; absent at its end. */
  readonly next?: Item;
}

interface MergeParams<Item, Listed> {
  readonly count: number;
  readonly params: ListParams;
  /** Order of an item. */
  readonly sort: (item: Item) => string;
  readonly page: (shard: number, from: Item | undefined) => Promise<Shard<Item>>;
  /** What continues a shard after an item. */
  readonly key: (item: Item) => Item;
  readonly record: (item: Item) => Listed;
}

/** Where each shard goes on: an item, `end` when nothing is left, or null at its beginning. */
type Positions<Item> = readonly (Item | "end" | null)[];

/** Shard of a key: the same for ever, so that a record stays where it is. */
export function shardOf(key: string, count: number): number {
  let hash = 2_166_136_261; // FNV-1a
  for (let index = 0; index < key.length; index++)
    hash = Math.imul(hash ^ key.charCodeAt(index), 16_777_619);
  return (hash >>> 0) % count;
}

/** Read one page of a list that is spread over shards, in order. */
export async function mergeShards<Item, Listed>(
  merge: MergeParams<Item, Listed>,
): Promise<Page<Listed>> {
  const { count, params, page, record, key } = merge;
  const from =
    readCursor<Positions<Item>>(params.cursor) ?? Array.from({ length: count }, () => null);
  const shards = await Promise.all(
    from.map(async (at, shard): Promise<Shard<Item>> =>
      at === "end" ? { items: [] } : page(shard, at ?? undefined),
    ),
  );
  const taken = take(merge, shards);
  const next = shards.map(({ items, next: after }, shard): Item | "end" | null => {
    const used = taken.counts[shard] ?? 0;
    if (used === items.length) return after ?? "end";
    const last = items[used - 1];
    return last === undefined ? (from[shard] ?? null) : key(last);
  });
  return {
    items: taken.items.map(record),
    ...(next.every((at) => at === "end") ? {} : { cursor: JSON.stringify(next) }),
  };
}

/** Parse a cursor of {@link Page.cursor}. */
export function readCursor<T>(cursor: string | undefined): T | undefined {
  return cursor === undefined ? undefined : (JSON.parse(cursor) as T);
}

/** The first items of all shards in order, as far as every shard is known, and how many each gave. */
function take<Item, Listed>(
  { params, sort }: MergeParams<Item, Listed>,
  shards: readonly Shard<Item>[],
): { readonly items: readonly Item[]; readonly counts: readonly number[] } {
  const counts = shards.map(() => 0);
  const items: Item[] = [];
  const limit = params.limit ?? Infinity;
  while (items.length < limit) {
    const shard = first(shards, counts, (a, b) => compare(sort(a), sort(b), params.reverse));
    const item = shard === undefined ? undefined : shards[shard]?.items[counts[shard] ?? 0];
    if (shard === undefined || item === undefined) break;
    items.push(item);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  return { items, counts };
}

/** The shard whose next item comes first; undefined when one that goes on has nothing left to compare. */
function first<Item>(
  shards: readonly Shard<Item>[],
  counts: readonly number[],
  order: (a: Item, b: Item) => number,
): number | undefined {
  let found: { readonly shard: number; readonly item: Item } | undefined;
  for (const [shard, { items, next }] of shards.entries()) {
    const item = items[counts[shard] ?? 0];
    if (item === undefined) {
      if (next !== undefined) return undefined;
      continue;
    }
    if (found === undefined || order(item, found.item) < 0) found = { shard, item };
  }
  return found?.shard;
}

function compare(a: string, b: string, reverse = false): number {
  const order = Buffer.compare(Buffer.from(a), Buffer.from(b));
  return reverse ? -order : order;
}
