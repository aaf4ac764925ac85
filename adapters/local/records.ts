import { resolve } from "node:path";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";

import { KitaruBackendError, KitaruUsageError } from "../../core/errors.ts";
import type {
  Expectation,
  IndexKeys,
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
import { GroupCommit } from "./group-commit.ts";
import { openDatabase } from "./sqlite.ts";
import { storageError } from "./storage-error.ts";
import { uniqueText } from "./unique.ts";

/** Options of {@link openRecords}. */
export interface RecordsOptions {
  /** Path of the database; it and its folder are created when missing. Keep it on a local disk. */
  readonly file: string;
  /**
   * What a put has survived once it resolves. `normal` (the default): the end of the process, also by `kill -9`;
   * a power loss may undo the last moments. `full`: a power loss too, for one sync to disk per commit.
   */
  readonly durability?: "normal" | "full";
  /** Refuse to write, and to create the file. */
  readonly readonly?: boolean;
}

/** A record store in one SQLite file; any number of processes may have it open. */
export interface LocalRecords extends RecordStore {
  /** Commit what is queued and release the file. */
  close(): Promise<void>;
}

/** Open the records in `file`. Throws {@link KitaruBackendError} when it cannot be used. */
export async function openRecords(options: RecordsOptions): Promise<LocalRecords> {
  const file = resolve(options.file);
  const database = await openDatabase({
    file,
    durability: options.durability ?? "normal",
    readonly: options.readonly ?? false,
    schema,
    upgrades,
  });
  return new SqliteRecords(database, file);
}

const indexNames = ["flow", "due"] as const satisfies readonly IndexName[];
const indexColumns = indexNames.flatMap((name) => [`${name}_partition`, `${name}_sort`]);

const expiryIndex = `CREATE INDEX records_by_expiry ON records (expires_at)
  WHERE expires_at IS NOT NULL;`;

/** What makes of a file of version 1 one of version 2, and so on. */
const upgrades = [`ALTER TABLE records ADD COLUMN expires_at INTEGER; ${expiryIndex}`];

/**
 * Index keys are columns, under partial indexes: documents without keys (journal segments) cost no index, and one
 * statement writes a document with its keys. `body` comes last, so that no other column sits on an overflow page.
 */
const schema = `
  CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    partition TEXT NOT NULL,
    sort TEXT NOT NULL,
    version TEXT NOT NULL,
    ${indexColumns.map((column) => `${column} TEXT,`).join(" ")}
    expires_at INTEGER,
    body TEXT NOT NULL
  );
  CREATE UNIQUE INDEX records_by_key ON records (partition, sort);
  ${indexNames
    .map(
      (name) =>
        `CREATE INDEX records_by_${name} ON records (${name}_partition, ${name}_sort)
         WHERE ${name}_partition IS NOT NULL;`,
    )
    .join(" ")}
  ${expiryIndex}
`;

const isKey = "partition = ? AND sort = ?";
const isThere = "(expires_at IS NULL OR expires_at > ?)";
const isExpected = `${isKey} AND version = ?`;
const staysForEver = "expires_at IS NULL";
const isFlow = "flow_partition IS ? AND flow_sort IS ?";
/** Parameters have no numbers: Node 22 takes such for named ones, and binds no value to them by its place. */
const sql = {
  get: `SELECT version, body, expires_at FROM records WHERE ${isKey} AND ${isThere}`,
  insert: `INSERT INTO records (version, body, partition, sort, expires_at, ${indexColumns.join(", ")})
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  // SQLite rewrites an index for a column that is set, changed or not: those that stay are compared instead.
  replaceBody: `UPDATE records SET version = ?, body = ?
                WHERE ${isExpected} AND ${staysForEver}
                AND flow_partition IS NULL AND due_partition IS NULL`,
  replaceDue: `UPDATE records SET version = ?, body = ?, due_partition = ?, due_sort = ?
               WHERE ${isExpected} AND ${staysForEver} AND ${isFlow}`,
  replaceAll: `UPDATE records SET version = ?, body = ?, flow_partition = ?, flow_sort = ?,
               due_partition = ?, due_sort = ?, expires_at = ? WHERE ${isExpected} AND ${isThere}`,
  delete: `DELETE FROM records WHERE ${isExpected} AND ${isThere}`,
  deleteExpiredOne: `DELETE FROM records WHERE ${isKey} AND NOT ${isThere}`,
  deleteExpired: `DELETE FROM records WHERE id IN
                  (SELECT id FROM records WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
  findExpired: "SELECT id FROM records WHERE expires_at <= ? LIMIT 1",
} as const;

const defaultLimit = 1000;
const pageBytes = 4_000_000;

/** Columns a listing is ordered by. */
interface Ordering {
  readonly partition: string;
  readonly sort: string;
  /** All columns of the order; together unique within a partition. */
  readonly columns: readonly string[];
}

const byKey: Ordering = { partition: "partition", sort: "sort", columns: ["sort"] };

class SqliteRecords implements LocalRecords {
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #writes: GroupCommit;
  readonly #statements = new Map<string, StatementSync>();
  /** Versions are unique without being stored anywhere: random per opening, then counted. */
  readonly #versionPrefix = `${uniqueText()}.`;
  #versionCount = 0;

  constructor(database: DatabaseSync, file: string) {
    this.#database = database;
    this.#file = file;
    this.#writes = new GroupCommit(database, (error) => this.#explain("write", error));
  }

  async get(key: RecordKey): Promise<StoredRecord | undefined> {
    return this.#read(() => {
      this.#writes.flushFor(key.partition);
      const row = this.#statement(sql.get).get(key.partition, key.sort, Date.now());
      return row && toRecord({ ...row, partition: key.partition, sort: key.sort });
    });
  }

  put(record: RecordDraft, expect: Expectation): Promise<PutResult> {
    return this.#write(record.partition, () => {
      const version = this.#nextVersion();
      return this.#replace(record, expect, version) ? { ok: true, version } : { ok: false };
    });
  }

  delete(key: RecordKey, expect: Version): Promise<boolean> {
    return this.#write(key.partition, () =>
      this.#changes(sql.delete, [key.partition, key.sort, expect, Date.now()]),
    );
  }

  async deleteExpired(limit: number): Promise<number> {
    const now = Date.now();
    const found = this.#read(() => this.#statement(sql.findExpired).get(now));
    if (found === undefined) return 0; // a statement that deletes nothing makes other processes wait, too
    return this.#write("", () =>
      Number(this.#statement(sql.deleteExpired).run(now, limit).changes),
    );
  }

  async list(params: ListParams): Promise<Page<StoredRecord>> {
    return this.#read(() => {
      this.#writes.flushFor(params.partition);
      return this.#page(byKey, params);
    });
  }

  async listIndex(index: IndexName, params: ListParams): Promise<Page<StoredRecord>> {
    return this.#read(() => {
      this.#writes.flush();
      return this.#page(byIndex(index), params);
    });
  }

  async close(): Promise<void> {
    if (!this.#database.isOpen) return;
    this.#writes.flush();
    this.#statements.clear();
    this.#database.close();
  }

  #replace(record: RecordDraft, expect: Expectation, version: Version): boolean {
    const { partition, sort, indexes, expiresAt = null } = record;
    const body = toStored(record.body);
    const flow = keyColumns(indexes?.flow);
    const due = keyColumns(indexes?.due);
    if (expect === "absent") {
      const values = [version, body, partition, sort, expiresAt, ...flow, ...due];
      if (this.#changes(sql.insert, values)) return true;
      const isGone = this.#changes(sql.deleteExpiredOne, [partition, sort, Date.now()]);
      return isGone && this.#changes(sql.insert, values);
    }
    const expected = [partition, sort, expect];
    const isReplaced =
      expiresAt === null &&
      (indexes === undefined
        ? this.#changes(sql.replaceBody, [version, body, partition, sort, expect])
        : this.#changes(sql.replaceDue, [version, body, ...due, ...expected, ...flow]));
    if (isReplaced) return true;
    const values = [version, body, ...flow, ...due, expiresAt, ...expected, Date.now()];
    return this.#changes(sql.replaceAll, values);
  }

  #changes(text: string, values: readonly SQLInputValue[]): boolean {
    return this.#statement(text).run(...values).changes === 1;
  }

  #page(ordering: Ordering, params: ListParams): Page<StoredRecord> {
    const limit = Math.max(1, Math.min(params.limit ?? defaultLimit, defaultLimit));
    const { text, values } = pageQuery(ordering, params);
    const items: StoredRecord[] = [];
    let last: Readonly<Record<string, SQLOutputValue>> = {};
    let bytes = 0;
    for (const row of this.#statement(text).iterate(...values, limit + 1)) {
      const record = toRecord(row);
      bytes += Buffer.byteLength(record.body);
      const isFull = items.length === limit || (items.length > 0 && bytes > pageBytes);
      if (isFull) return { items, cursor: cursorAt(last, ordering) };
      items.push(record);
      last = row;
    }
    return { items };
  }

  #read<T>(read: () => T): T {
    this.#checkOpen();
    try {
      return read();
    } catch (error) {
      throw this.#explain("read", error);
    }
  }

  #write<T>(partition: string, write: () => T): Promise<T> {
    return this.#writes.run(partition, () => {
      this.#checkOpen();
      return write();
    });
  }

  #nextVersion(): Version {
    this.#versionCount += 1;
    return this.#versionPrefix + this.#versionCount.toString(36);
  }

  #statement(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#database.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  #checkOpen(): void {
    if (this.#database.isOpen) return;
    throw new KitaruBackendError(
      `The records in ${this.#file} have been closed. Open them again, or close them later.`,
    );
  }

  #explain(verb: "read" | "write", error: unknown): Error {
    return storageError({ verb, path: this.#file }, error);
  }
}

/** Rows with one index key are ordered by row id, which is what SQLite's index does anyway. */
function byIndex(index: IndexName): Ordering {
  const sort = `${index}_sort`;
  return { partition: `${index}_partition`, sort, columns: [sort, "id"] };
}

function pageQuery(
  { partition, sort, columns }: Ordering,
  params: ListParams,
): { readonly text: string; readonly values: readonly SQLInputValue[] } {
  const { from, to, cursor, reverse = false } = params;
  const conditions = [`${partition} = ?`, isThere];
  const values: SQLInputValue[] = [params.partition, Date.now()];
  if (from !== undefined) {
    conditions.push(`${sort} >= ?`);
    values.push(from);
  }
  if (to !== undefined) {
    conditions.push(`${sort} < ?`);
    values.push(to);
  }
  if (cursor !== undefined) {
    const marks = columns.map(() => "?").join(", ");
    conditions.push(`(${columns.join(", ")}) ${reverse ? "<" : ">"} (${marks})`);
    values.push(...parseCursor(cursor, columns.length));
  }
  const order = columns.map((column) => `${column} ${reverse ? "DESC" : "ASC"}`).join(", ");
  const text = `SELECT partition, sort, version, body, expires_at, ${columns.join(", ")} FROM records
    WHERE ${conditions.join(" AND ")} ORDER BY ${order} LIMIT ?`;
  return { text, values };
}

function cursorAt(row: Readonly<Record<string, SQLOutputValue>>, { columns }: Ordering): string {
  return JSON.stringify(columns.map((column) => row[column]));
}

function parseCursor(cursor: string, length: number): SQLInputValue[] {
  const values = parseJson(cursor);
  const fits = Array.isArray(values) && values.length === length && values.every(isCursorValue);
  if (fits) return values;
  throw new KitaruUsageError(
    `${JSON.stringify(cursor)} is not a cursor of this listing. Pass the \`cursor\` of the page before, unchanged.`,
  );
}

function isCursorValue(value: unknown): value is string | number {
  return typeof value === "string" || typeof value === "number";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const noKey = [null, null] as const;

function keyColumns(key: IndexKeys[IndexName]): readonly [string | null, string | null] {
  return key === undefined ? noKey : [key.partition, key.sort];
}

/** Node 22 cuts text off at U+0000 when it reads a column; bytes come back whole. */
function toStored(body: string): string | Uint8Array {
  return body.includes("\0") ? Buffer.from(body) : body;
}

function toRecord(row: Readonly<Record<string, SQLOutputValue>>): StoredRecord {
  return {
    partition: toText(row["partition"]),
    sort: toText(row["sort"]),
    version: toText(row["version"]),
    body: toText(row["body"]),
    ...(typeof row["expires_at"] === "number" ? { expiresAt: row["expires_at"] } : {}),
  };
}

function toText(value: SQLOutputValue | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);
}
