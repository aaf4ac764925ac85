import type {
  Expectation,
  IndexName,
  ListParams,
  Page,
  PutResult,
  RecordDraft,
  RecordKey,
  RecordStore,
  StoredRecord,
  Version,
} from "../../core/ports/records.ts";
import { bodyOf, bodyProperties } from "./bodies.ts";
import type { EntityTable, NewRow, Row, RowKey, Written } from "./clients/tables.ts";
import { serviceError } from "./failure.ts";
import { decodeKey, encodeKey, encodePartition } from "./keys.ts";
import { type IndexRefs, TableIndexes, expirySort, nextRefs } from "./indexes.ts";
import { resourceNames } from "./names.ts";
import { readRange } from "./ranges.ts";

interface TableRecordsParams {
  readonly table: () => Promise<EntityTable>;
  readonly indexTable: () => Promise<EntityTable>;
  readonly now?: () => number;
}

/** Partitions whose expired rows one call deletes at the most. */
const expiredPartitions = 100;
/** Rows of a partition that are looked at at once, for those that have expired. */
const expiredRows = 100;
const deletesAtOnce = 16;

/**
 * Records as rows of one table, a conditional write each; the partition of a record is that of its row. A version is the
 * row's tag, where the record stands in the indexes, and when it expires: so a write knows what to change there without asking.
 */
export class TableRecords implements RecordStore {
  readonly #table: () => Promise<EntityTable>;
  readonly #indexes: TableIndexes;
  readonly #now: () => number;

  constructor({ table, indexTable, now = Date.now }: TableRecordsParams) {
    this.#table = table;
    this.#now = now;
    this.#indexes = new TableIndexes({
      table: indexTable,
      read: (key) => this.#call("read", (records) => records.get(rowKeyOf(key))),
      now,
    });
  }

  async get(key: RecordKey): Promise<StoredRecord | undefined> {
    const row = await this.#call("read", (table) => table.get(rowKeyOf(key)));
    return row === undefined || this.#hasExpired(row) ? undefined : recordOf(key.partition, row);
  }

  async put(draft: RecordDraft, expect: Expectation): Promise<PutResult> {
    if (expect !== "absent") {
      const before = this.#readLiving(expect);
      return before === undefined ? { ok: false } : this.#putOver(before, draft);
    }
    const result = await this.#putOver(undefined, draft);
    if (result.ok) return result;
    const there = await this.#call("read", (table) => table.get(rowKeyOf(draft)));
    if (there !== undefined && !this.#hasExpired(there)) return result;
    return this.#putOver(there && { etag: there.etag, refs: refsOf(there) }, draft);
  }

  /** Write a record where there is this one, or none. */
  async #putOver(before: TableVersion | undefined, draft: RecordDraft): Promise<PutResult> {
    const nonce = crypto.randomUUID();
    const refs = nextRefs(draft, before?.refs ?? {}, nonce);
    const { expiresAt } = draft;
    const row: NewRow = {
      ...rowKeyOf(draft),
      n: nonce,
      ...refs,
      ...(expiresAt === undefined ? {} : { x: String(expiresAt) }),
      ...bodyProperties(draft.body),
    };
    return this.#indexes.around({ draft, before: before?.refs ?? {}, after: refs }, async () => {
      const written = await this.#call("write", (table) =>
        before === undefined ? table.insert(row) : table.replace(row, before.etag),
      );
      const etag = await this.#applied(written, row);
      return etag === undefined
        ? { ok: false }
        : { ok: true, version: versionOf({ etag, refs, expiresAt }) };
    });
  }

  async delete(key: RecordKey, expect: Version): Promise<boolean> {
    const before = this.#readLiving(expect);
    if (before === undefined) return false;
    const isDeleted = await this.#call("write", (table) =>
      table.delete(rowKeyOf(key), before.etag),
    );
    if (isDeleted) this.#indexes.drop(before.refs);
    return isDeleted;
  }

  async list(params: ListParams): Promise<Page<StoredRecord>> {
    const table = await this.#table();
    try {
      const { rows, cursor } = await readRange(table, {
        partitionKey: encodePartition(params.partition),
        from: params.from === undefined ? undefined : encodeKey(params.from),
        to: params.to === undefined ? undefined : encodeKey(params.to),
        after: params.cursor,
        limit: params.limit,
        reverse: params.reverse,
      });
      const items = rows.flatMap((row) =>
        this.#hasExpired(row) ? [] : [recordOf(params.partition, row)],
      );
      return { items, ...(cursor === undefined ? {} : { cursor }) };
    } catch (error) {
      throw tableError(error, "list");
    }
  }

  async listIndex(index: IndexName, params: ListParams): Promise<Page<StoredRecord>> {
    const { found, cursor } = await this.#indexes.list(index, params);
    const items = found.flatMap(({ partition, row }) =>
      this.#hasExpired(row) ? [] : [recordOf(partition, row)],
    );
    return { items, ...(cursor === undefined ? {} : { cursor }) };
  }

  async deleteExpired(limit: number): Promise<number> {
    const { found } = await this.#indexes.list("expiry", {
      partition: "",
      to: expirySort(this.#now() + 1),
      limit: Math.min(limit, expiredPartitions),
    });
    let deleted = 0;
    for (const { row } of found) {
      if (deleted >= limit) break;
      deleted += await this.#deletePartition(row, limit - deleted);
    }
    return deleted;
  }

  /** Delete what has expired of a partition, and at last the row it was found by. */
  async #deletePartition(found: Row, limit: number): Promise<number> {
    const { partitionKey } = found;
    let deleted = 0;
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const { rows, cursor } = await this.#call("read", (table) =>
        readRange(table, { partitionKey, after, limit: expiredRows }),
      );
      const expired = rows.filter((row) => this.#hasExpired(row) && row.rowKey !== found.rowKey);
      const wanted = expired.slice(0, limit - deleted);
      deleted += await this.#deleteRows(wanted);
      if (wanted.length < expired.length) return deleted;
      after = cursor;
    }
    return deleted < limit ? deleted + (await this.#deleteRows([found])) : deleted;
  }

  /** Delete rows that are still as they were found; resolves to how many. */
  async #deleteRows(rows: readonly Row[]): Promise<number> {
    let deleted = 0;
    for (let first = 0; first < rows.length; first += deletesAtOnce)
      await Promise.all(
        rows.slice(first, first + deletesAtOnce).map(async (row) => {
          if (!(await this.#call("write", (table) => table.delete(row, row.etag)))) return;
          this.#indexes.drop(refsOf(row));
          deleted += 1;
        }),
      );
    return deleted;
  }

  #hasExpired({ x }: Row): boolean {
    return typeof x === "string" && Number(x) <= this.#now();
  }

  /** A version that a record may have now: not one of a record that has expired. */
  #readLiving(version: Version): TableVersion | undefined {
    const read = readVersion(version);
    return read === undefined || (read.expiresAt ?? Infinity) <= this.#now() ? undefined : read;
  }

  /** Wait until what was left to do behind the last writes is done. */
  settled(): Promise<void> {
    return this.#indexes.settled();
  }

  /** A repeated write finds its own earlier try: the nonce tells it from another's. The tag it has, if it is there. */
  async #applied(written: Written, row: NewRow): Promise<string | undefined> {
    if (written.ok) return written.etag;
    if (!written.isRepeated) return undefined;
    const found = await this.#call("read", (table) => table.get(row));
    return found?.["n"] === row["n"] ? found?.etag : undefined;
  }

  async #call<T>(verb: "read" | "write", call: (table: EntityTable) => Promise<T>): Promise<T> {
    const table = await this.#table();
    try {
      return await call(table);
    } catch (error) {
      throw tableError(error, verb);
    }
  }
}

function tableError(error: unknown, verb: "read" | "write" | "list"): Error {
  const missing = resourceNames.table;
  return serviceError(error, { what: `Table Storage could not ${verb} "${missing}"`, missing });
}

function rowKeyOf({ partition, sort }: RecordKey): RowKey {
  return { partitionKey: encodePartition(partition), rowKey: encodeKey(sort) };
}

function recordOf(partition: string, row: Row): StoredRecord {
  const expiresAt = typeof row["x"] === "string" ? Number(row["x"]) : undefined;
  return {
    partition,
    sort: decodeKey(row.rowKey),
    body: bodyOf(row),
    version: versionOf({ etag: row.etag, refs: refsOf(row), expiresAt }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

const refNames = [
  "fp",
  "fr",
  "dp",
  "dr",
  "ep",
  "er",
] as const satisfies readonly (keyof IndexRefs)[];

function refsOf(row: Row): IndexRefs {
  return Object.fromEntries(refNames.flatMap((name) => (name in row ? [[name, row[name]]] : [])));
}

/** What a version says. */
interface TableVersion {
  readonly etag: string;
  readonly refs: IndexRefs;
  readonly expiresAt?: number | undefined;
}

function versionOf({ etag, refs, expiresAt = 0 }: TableVersion): Version {
  return JSON.stringify([etag, ...refNames.map((name) => refs[name] ?? 0), expiresAt]);
}

/** Undefined for what is no version of this store: no record has it. */
function readVersion(version: Version): TableVersion | undefined {
  let parts: unknown;
  try {
    parts = JSON.parse(version);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || typeof parts[0] !== "string") return undefined;
  const [etag, ...values] = parts as [string, ...unknown[]];
  const refs = Object.fromEntries(
    refNames.flatMap((name, at) => (typeof values[at] === "string" ? [[name, values[at]]] : [])),
  );
  const expiresAt = values[refNames.length];
  return { etag, refs, ...(typeof expiresAt === "number" && expiresAt > 0 ? { expiresAt } : {}) };
}
