import type { EntityTable, Row } from "./clients/tables.ts";
import { type RangePage, type RangeParams, readRange } from "./ranges.ts";

interface ShardsParams extends Omit<RangeParams, "partitionKey"> {
  readonly partitionKeys: readonly string[];
  readonly limit: number;
}

/** Read one page of a list that is spread over partitions, in order of row keys, which differ in all of them. */
export async function readShards(
  table: EntityTable,
  { partitionKeys, ...range }: ShardsParams,
): Promise<RangePage> {
  const pages = await Promise.all(
    partitionKeys.map((partitionKey) => readRange(table, { ...range, partitionKey })),
  );
  const order = range.reverse === true ? -1 : 1;
  const all = pages.flatMap(({ rows }) => rows).toSorted((a, b) => order * compare(a, b));
  const rows = all.slice(0, Math.min(range.limit, knownOf(pages, all, order)));
  const last = rows.at(-1);
  const hasMore = rows.length < all.length || pages.some(({ cursor }) => cursor !== undefined);
  return { rows, ...(hasMore && last !== undefined ? { cursor: last.rowKey } : {}) };
}

/** How many of the rows are known to be in order: behind the end of a page that goes on, others may come between. */
function knownOf(pages: readonly RangePage[], all: readonly Row[], order: number): number {
  const ends = pages.flatMap(({ cursor }) => (cursor === undefined ? [] : [cursor]));
  const beyond = all.findIndex(({ rowKey }) =>
    ends.some((end) => order * compare({ rowKey }, { rowKey: end }) > 0),
  );
  return beyond === -1 ? all.length : beyond;
}

function compare({ rowKey: a }: Pick<Row, "rowKey">, { rowKey: b }: Pick<Row, "rowKey">): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
