import type { EntityTable, Row } from "./clients/tables.ts";

/** Part of a partition of a table. */
export interface RangeParams {
  readonly partitionKey: string;
  /** Lowest row key, inclusive. */
  readonly from?: string | undefined;
  /** Highest row key, exclusive. */
  readonly to?: string | undefined;
  /** Go on behind this row key, in the direction of the listing. */
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
  /** Highest row key first. */
  readonly reverse?: boolean | undefined;
}

/** Rows in order, and where to go on. */
export interface RangePage {
  readonly rows: readonly Row[];
  /** Row key of the last row, when more may follow it. */
  readonly cursor?: string;
}

/** Rows of a page where nobody says how many. */
const defaultLimit = 1000;

/** Read one page of a partition. A page goes on behind a key, not behind a row: the row may be gone by then. */
export async function readRange(table: EntityTable, params: RangeParams): Promise<RangePage> {
  const filter = filterOf(params);
  if (filter === undefined) return { rows: [] };
  const limit = params.limit ?? defaultLimit;
  if (params.reverse === true) return readBackwards(table, { ...params, limit });
  const { rows, hasMore } = await table.query({ filter, limit });
  const last = rows.at(-1);
  return { rows, ...(hasMore && last !== undefined ? { cursor: last.rowKey } : {}) };
}

/** A table is read in one direction only, so the keys of the range are read first, and then the rows of the last of them. */
async function readBackwards(
  table: EntityTable,
  params: RangeParams & { readonly limit: number },
): Promise<RangePage> {
  const range = forwards(params);
  const keys = await lastKeys(table, range, params.limit + 1);
  // one more than is wanted tells whether there is more
  const [lowest] = keys.slice(-params.limit);
  if (lowest === undefined) return { rows: [] };
  const all = await readAll(table, { ...range, from: lowest });
  const rows = all.toReversed().slice(0, params.limit);
  const last = rows.at(-1);
  const hasMore = keys.length > params.limit || all.length > params.limit;
  return { rows, ...(hasMore && last !== undefined ? { cursor: last.rowKey } : {}) };
}

async function lastKeys(table: EntityTable, range: RangeParams, count: number): Promise<string[]> {
  const select = ["PartitionKey", "RowKey"];
  let keys: string[] = [];
  for (let after: string | undefined, more = true; more;) {
    const filter = filterOf({ ...range, after });
    if (filter === undefined) break;
    const { rows, hasMore } = await table.query({ filter, limit: defaultLimit, select });
    keys = [...keys, ...rows.map(({ rowKey }) => rowKey)].slice(-count);
    after = keys.at(-1);
    more = hasMore;
  }
  return keys;
}

/** The same range, read forwards: what is behind a key backwards is before it. */
function forwards({ partitionKey, from, to, after }: RangeParams): RangeParams {
  return { partitionKey, from, to: after ?? to };
}

async function readAll(table: EntityTable, params: RangeParams): Promise<Row[]> {
  const all: Row[] = [];
  for (let after: string | undefined, more = true; more; more = after !== undefined) {
    const { rows, cursor } = await readRange(table, { ...params, after });
    all.push(...rows);
    after = cursor;
  }
  return all;
}

/** The condition of a range; undefined when nothing can be in it. Encoded keys hold no quotes. */
function filterOf({ partitionKey, from, to, after, reverse }: RangeParams): string | undefined {
  const lowest = reverse === true ? from : (after ?? from);
  const highest = reverse === true ? (after ?? to) : to;
  if (lowest !== undefined && highest !== undefined && lowest >= highest) return undefined;
  const isBehind = reverse !== true && after !== undefined;
  return [
    `PartitionKey eq '${partitionKey}'`,
    ...(lowest === undefined ? [] : [`RowKey ${isBehind ? "gt" : "ge"} '${lowest}'`]),
    ...(highest === undefined ? [] : [`RowKey lt '${highest}'`]),
  ].join(" and ");
}
