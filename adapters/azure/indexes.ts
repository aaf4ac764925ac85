import type { IndexName, ListParams, RecordDraft, RecordKey } from "../../core/ports/records.ts";
import type { EntityTable, Row, RowKey } from "./clients/tables.ts";
import { serviceError } from "./failure.ts";
import { encodeDescending, encodeKey, encodePartition, partEnd } from "./keys.ts";
import { resourceNames } from "./names.ts";
import { readShards } from "./shards.ts";

/** Partition and row key of a record's row in each index. */
export type IndexRefs = Readonly<Partial<Record<"fp" | "fr" | "dp" | "dr" | "ep" | "er", string>>>;

/** The indexes of the port, and one by which what has expired is found. */
type Index = IndexName | "expiry";

interface TableIndexesParams {
  readonly table: () => Promise<EntityTable>;
  /** Read the row of a record. */
  readonly read: (key: RecordKey) => Promise<Row | undefined>;
  readonly now: () => number;
}

interface IndexChange {
  readonly draft: RecordDraft;
  readonly before: IndexRefs;
  readonly after: IndexRefs;
}

interface FoundRecord {
  readonly partition: string;
  readonly row: Row;
}

/**
 * Partitions the `flow` index of one flow is spread over, and the `expiry` index. A partition takes 2,000 rows a second, a storage account 20,000
 * (https://learn.microsoft.com/azure/storage/tables/scalability-targets).
 */
export const flowShards = 8;

/**
 * After how long a row that no record refers to is taken for a leftover. Until then its record may be on its way: a write
 * has given up after three minutes at the most, and one that was held up longer writes its rows again.
 */
const leftoverAfterMs = 3600_000;
/** After how long a write no longer trusts that its rows are there. */
const slowWriteMs = leftoverAfterMs / 4;
/** Records of an index page that are read at once. */
const readsAtOnce = 16;
/** Rows of an index page, where nobody says how many: each costs a read. */
const defaultLimit = 100;

/**
 * The indexes: a table of its own, because a table finds rows by one key only. A row is written before its record, and is
 * that write's alone; the record names it. So a row that its record does not name is a leftover, or of a write that is
 * under way, and is passed over; whoever meets a leftover removes it. What is in no index row has not been written.
 */
export class TableIndexes {
  readonly #params: TableIndexesParams;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(params: TableIndexesParams) {
    this.#params = params;
  }

  /** Write a record, its new index rows before and without the ones it leaves after. */
  async around<T extends { readonly ok: boolean }>(
    { draft, before, after }: IndexChange,
    write: () => Promise<T>,
  ): Promise<T> {
    const { now } = this.#params;
    const added = placesOf(after).filter((place) => !isAmong(place, before));
    if (added.length === 0 && placesOf(before).length === 0) return write();
    const startedAt = now();
    await this.#add(draft, added);
    const result = await write();
    if (!result.ok) this.#remove(added);
    else {
      if (now() - startedAt > slowWriteMs) await this.#add(draft, added);
      this.#remove(placesOf(before).filter((place) => !isAmong(place, after)));
    }
    return result;
  }

  /** Take a record that is gone out of the indexes. */
  drop(refs: IndexRefs): void {
    this.#remove(placesOf(refs));
  }

  /** Read one page of records by an index, those it has and no others. */
  async list(
    index: Index,
    params: ListParams,
  ): Promise<{ readonly found: readonly FoundRecord[]; readonly cursor?: string }> {
    const { rows, cursor } = await this.#call("list", (table) =>
      readShards(table, {
        partitionKeys: partitionsOf(index, params.partition),
        ...boundsOf(index, params),
        after: params.cursor,
        limit: params.limit ?? defaultLimit,
        reverse: (params.reverse ?? false) === isAscending(index),
      }),
    );
    const found: FoundRecord[] = [];
    for (let at = 0; at < rows.length; at += readsAtOnce) {
      const some = rows.slice(at, at + readsAtOnce).map((row) => this.#recordOf(index, row));
      found.push(...(await Promise.all(some)).flatMap((one) => one ?? []));
    }
    return { found, ...(cursor === undefined ? {} : { cursor }) };
  }

  /** Wait until leftovers known so far are gone, or could not be removed. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** The record an index row stands for, unless the row is not the one it names. */
  async #recordOf(index: Index, row: Row): Promise<FoundRecord | undefined> {
    const [partition, sort] = [String(row["p"]), String(row["s"])];
    const record = await this.#params.read({ partition, sort });
    const [at, under] = refNames[index];
    if (record?.[at] === row.partitionKey && record[under] === row.rowKey)
      return { partition, row: record };
    if (this.#params.now() - Date.parse(row.timestamp) > leftoverAfterMs) this.#remove([row]);
    return undefined;
  }

  async #add({ partition: p, sort: s }: RecordDraft, places: readonly RowKey[]): Promise<void> {
    await Promise.all(
      places.map((place) => this.#call("write", (table) => table.upsert({ ...place, p, s }))),
    );
  }

  /** Nobody waits for it, and nobody misses it: readers pass leftovers over. */
  #remove(places: readonly RowKey[]): void {
    for (const place of places) {
      const removing = this.#call("write", (table) => table.delete(place))
        .catch(() => undefined)
        .finally(() => this.#pending.delete(removing));
      this.#pending.add(removing);
    }
  }

  async #call<T>(verb: "write" | "list", call: (table: EntityTable) => Promise<T>): Promise<T> {
    const table = await this.#params.table();
    try {
      return await call(table);
    } catch (error) {
      const missing = resourceNames.indexTable;
      throw serviceError(error, { what: `Table Storage could not ${verb} "${missing}"`, missing });
    }
  }
}

/** Where a record will stand in the indexes: where it stood, if its key is the same, else in a row of this write. */
export function nextRefs(draft: RecordDraft, before: IndexRefs, nonce: string): IndexRefs {
  const refs: Partial<Record<keyof IndexRefs, string>> = {};
  for (const [index, [at, under]] of Object.entries(refNames) as [Index, RefNames][]) {
    const key = keyIn(index, draft);
    if (key === undefined) continue;
    const shards = partitionsOf(index, key.partition);
    const partitionKey = shards[shardOf(draft.partition, shards.length)] ?? "";
    const start = rowStart(index, key.sort);
    const stays = before[at] === partitionKey && before[under]?.startsWith(start) === true;
    refs[at] = partitionKey;
    refs[under] = stays ? (before[under] ?? "") : start + nonce;
  }
  return refs;
}

/** A time as a sort key of the `expiry` index. */
export function expirySort(time: number): string {
  return String(time).padStart(15, "0");
}

/** A record leads to what else of its partition has expired, so one of them is enough: the one that is listed. */
function keyIn(index: Index, { indexes = {}, expiresAt }: RecordDraft): RecordKey | undefined {
  if (index !== "expiry") return indexes[index];
  if (expiresAt === undefined || indexes.flow === undefined) return undefined;
  return { partition: "", sort: expirySort(expiresAt) };
}

type RefNames = readonly [at: keyof IndexRefs, under: keyof IndexRefs];

const refNames: Readonly<Record<Index, RefNames>> = {
  flow: ["fp", "fr"],
  due: ["dp", "dr"],
  expiry: ["ep", "er"],
};

function placesOf(refs: IndexRefs): RowKey[] {
  return Object.values(refNames).flatMap(([at, under]): RowKey[] => {
    const [partitionKey, rowKey] = [refs[at], refs[under]];
    return partitionKey === undefined || rowKey === undefined ? [] : [{ partitionKey, rowKey }];
  });
}

function isAmong({ partitionKey, rowKey }: RowKey, refs: IndexRefs): boolean {
  return placesOf(refs).some(
    (place) => place.partitionKey === partitionKey && place.rowKey === rowKey,
  );
}

/** Partitions of the table that hold an index partition. The due index is spread by the engine already. */
function partitionsOf(index: Index, partition: string): string[] {
  const encoded = encodePartition(partition);
  if (index === "due") return [`due${partEnd}${encoded}`];
  return Array.from({ length: flowShards }, (_, n) => `${index}${n}${partEnd}${encoded}`);
}

function isAscending(index: Index): boolean {
  return index !== "flow";
}

/** Begins the row key. Executions are listed newest first and rows in one direction only, so that index is turned round. */
function rowStart(index: Index, sort: string): string {
  return isAscending(index) ? encodeKey(sort) + partEnd : encodeDescending(sort);
}

/** The range of row keys of a range of sort keys. */
function boundsOf(
  index: Index,
  { from, to }: ListParams,
): { readonly from?: string; readonly to?: string } {
  const start = (sort: string): string => rowStart(index, sort);
  if (isAscending(index))
    return {
      ...(from === undefined ? {} : { from: start(from) }),
      ...(to === undefined ? {} : { to: start(to) }),
    };
  // behind every row of that sort key: what follows the start of a row key is hexadecimal
  const end = (sort: string): string => `${start(sort)}~`;
  return {
    ...(to === undefined ? {} : { from: end(to) }),
    ...(from === undefined ? {} : { to: end(from) }),
  };
}

/** Shard of a record: the same for ever, so that its row stays where it is. */
function shardOf(key: string, count: number): number {
  let hash = 2_166_136_261; // FNV-1a
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 16_777_619);
  return (hash >>> 0) % count;
}
