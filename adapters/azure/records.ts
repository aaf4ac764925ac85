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
import { type IndexRefs, TableIndexes, nextRefs } from "./indexes.ts";
import { resourceNames } from "./names.ts";
import { readRange } from "./ranges.ts";

interface TableRecordsParams {
  readonly table: () => Promise<EntityTable>;
  readonly indexTable: () => Promise<EntityTable>;
  readonly now?: () => number;
}

/**
 * Records as rows of one table, a conditional write each; the partition of a record is that of its row. A version is the
 * row's tag, and where the record stands in the indexes: so a write knows what to change there without asking.
 */
export class TableRecords implements RecordStore {
  readonly #table: () => Promise<EntityTable>;
  readonly #indexes: TableIndexes;

  constructor({ table, indexTable, now = Date.now }: TableRecordsParams) {
    this.#table = table;
    this.#indexes = new TableIndexes({
      table: indexTable,
      read: (key) => this.#call("read", (records) => records.get(rowKeyOf(key))),
      now,
    });
  }

  async get(key: RecordKey): Promise<StoredRecord | undefined> {
    const row = await this.#call("read", (table) => table.get(rowKeyOf(key)));
    return row === undefined ? undefined : recordOf(key.partition, row);
  }

  async put(draft: RecordDraft, expect: Expectation): Promise<PutResult> {
    const before = expect === "absent" ? undefined : readVersion(expect);
    if (expect !== "absent" && before === undefined) return { ok: false };
    const nonce = crypto.randomUUID();
    const refs = nextRefs(draft, before?.refs ?? {}, nonce);
    const row: NewRow = { ...rowKeyOf(draft), n: nonce, ...refs, ...bodyProperties(draft.body) };
    return this.#indexes.around({ draft, before: before?.refs ?? {}, after: refs }, async () => {
      const written = await this.#call("write", (table) =>
        before === undefined ? table.insert(row) : table.replace(row, before.etag),
      );
      const etag = await this.#applied(written, row);
      return etag === undefined ? { ok: false } : { ok: true, version: versionOf(etag, refs) };
    });
  }

  async delete(key: RecordKey, expect: Version): Promise<boolean> {
    const before = readVersion(expect);
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
      const items = rows.map((row) => recordOf(params.partition, row));
      return { items, ...(cursor === undefined ? {} : { cursor }) };
    } catch (error) {
      throw tableError(error, "list");
    }
  }

  async listIndex(index: IndexName, params: ListParams): Promise<Page<StoredRecord>> {
    const { found, cursor } = await this.#indexes.list(index, params);
    const items = found.map(({ partition, row }) => recordOf(partition, row));
    return { items, ...(cursor === undefined ? {} : { cursor }) };
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
  const refs = Object.fromEntries(
    refNames.flatMap((name) => (name in row ? [[name, row[name]]] : [])),
  );
  return {
    partition,
    sort: decodeKey(row.rowKey),
    body: bodyOf(row),
    version: versionOf(row.etag, refs),
  };
}

const refNames = ["fp", "fr", "dp", "dr"] as const satisfies readonly (keyof IndexRefs)[];

function versionOf(etag: string, refs: IndexRefs): Version {
  return JSON.stringify([etag, ...refNames.map((name) => refs[name] ?? 0)]);
}

/** Undefined for what is no version of this store: no record has it. */
function readVersion(
  version: Version,
): { readonly etag: string; readonly refs: IndexRefs } | undefined {
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
  return { etag, refs };
}
