import { KitaruUsageError } from "../core/errors.ts";
import type { BlobStore } from "../core/ports/blobs.ts";
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
} from "../core/ports/records.ts";
import type { SecretStore } from "../core/ports/secrets.ts";

/** One use of a record store, as a hook of {@link memoryRecords} sees it. */
export interface RecordOperation {
  readonly verb: "get" | "put" | "delete" | "list" | "listIndex";
  /** Of a listing: the partition and the lowest sort key asked for. */
  readonly key: RecordKey;
  /** What a put writes. */
  readonly draft?: RecordDraft;
}

/** One use of a blob store, as a hook of {@link memoryBlobs} sees it. */
export interface BlobOperation {
  readonly verb: "get" | "put" | "list";
  /** Of a listing: its prefix. */
  readonly key: string;
}

/** Places to fail a store on purpose. */
export interface FaultHooks<Operation> {
  /** Called before anything is read or written; what it throws fails the operation, which then has no effect. */
  readonly before?: (operation: Operation) => void | Promise<void>;
  /** Called when the operation has taken effect; what it throws is a lost reply. */
  readonly after?: (operation: Operation) => void | Promise<void>;
}

/** Options of {@link memoryRecords}. */
export interface MemoryRecordsOptions extends FaultHooks<RecordOperation> {
  /** Most items on a page, whatever limit is asked for; small ones test paging. 1000 when left out. */
  readonly pageSize?: number;
  /** Epoch milliseconds, by which records expire. @default Date.now */
  readonly now?: () => number;
}

/** Options of {@link memoryBlobs}. */
export interface MemoryBlobsOptions extends FaultHooks<BlobOperation> {
  /** Most keys on a page. 1000 when left out. */
  readonly pageSize?: number;
}

const defaultPageSize = 1000;

/** Keep records in this process. Versions count up from 1, so two equal runs are equal. */
export function memoryRecords(options: MemoryRecordsOptions = {}): RecordStore {
  return new MemoryRecords(options);
}

/** Keep blobs in this process. */
export function memoryBlobs(options: MemoryBlobsOptions = {}): BlobStore {
  return new MemoryBlobs(options);
}

/** Offer fixed secrets. */
export function memorySecrets(values: Readonly<Record<string, string>> = {}): SecretStore {
  const secrets = new Map(Object.entries(values));
  return {
    location: "the values given to memorySecrets()",
    get: async (name) => secrets.get(name),
    list: async () => [...secrets.keys()].toSorted(byBytes),
  };
}

interface Entry {
  readonly record: StoredRecord;
  readonly indexes: RecordDraft["indexes"];
}

class MemoryRecords implements RecordStore {
  readonly #options: MemoryRecordsOptions;
  readonly #partitions = new Map<string, Map<string, Entry>>();
  #version = 0;

  constructor(options: MemoryRecordsOptions) {
    this.#options = options;
  }

  get(key: RecordKey): Promise<StoredRecord | undefined> {
    return withHooks(this.#options, { verb: "get", key }, () => {
      const entry = this.#find(key);
      return entry && { ...entry.record };
    });
  }

  put(record: RecordDraft, expect: Expectation): Promise<PutResult> {
    const operation = { verb: "put", key: keyOf(record), draft: record } as const;
    return withHooks<RecordOperation, PutResult>(this.#options, operation, () => {
      if ((this.#find(record)?.record.version ?? "absent") !== expect) return { ok: false };
      return { ok: true, version: this.#store(record) };
    });
  }

  delete(key: RecordKey, expect: string): Promise<boolean> {
    return withHooks(this.#options, { verb: "delete", key }, () => {
      const matches = this.#find(key)?.record.version === expect;
      return matches && this.#partition(key.partition).delete(key.sort);
    });
  }

  list(params: ListParams): Promise<Page<StoredRecord>> {
    return withHooks(this.#options, { verb: "list", key: firstKey(params) }, () => {
      const entries = [...this.#partition(params.partition).values()].filter((entry) =>
        this.#isThere(entry),
      );
      const places = entries.map(({ record }) => ({ record, order: [record.sort] }));
      return this.#page(places, params);
    });
  }

  listIndex(index: IndexName, params: ListParams): Promise<Page<StoredRecord>> {
    return withHooks(this.#options, { verb: "listIndex", key: firstKey(params) }, () =>
      this.#page(this.#indexed(index, params.partition), params),
    );
  }

  async deleteExpired(limit: number): Promise<number> {
    const expired = [...this.#partitions.values()]
      .flatMap((records) => [...records.values()])
      .filter((entry) => !this.#isThere(entry))
      .slice(0, limit);
    for (const { record } of expired) this.#partition(record.partition).delete(record.sort);
    return expired.length;
  }

  #find(key: RecordKey): Entry | undefined {
    const entry = this.#partitions.get(key.partition)?.get(key.sort);
    return entry !== undefined && this.#isThere(entry) ? entry : undefined;
  }

  #isThere({ record }: Entry): boolean {
    return record.expiresAt === undefined || record.expiresAt > (this.#options.now ?? Date.now)();
  }

  #partition(name: string): Map<string, Entry> {
    const partition = this.#partitions.get(name) ?? new Map<string, Entry>();
    this.#partitions.set(name, partition);
    return partition;
  }

  #store(draft: RecordDraft): string {
    this.#version += 1;
    const version = String(this.#version);
    const { body, expiresAt } = draft;
    const expiry = expiresAt === undefined ? {} : { expiresAt };
    const record = { ...keyOf(draft), body, version, ...expiry };
    const indexes = structuredClone(draft.indexes);
    this.#partition(draft.partition).set(draft.sort, { record, indexes });
    return version;
  }

  /** Records with equal index keys follow their own. */
  #indexed(index: IndexName, partition: string): Place[] {
    const entries = [...this.#partitions.values()].flatMap((records) => [...records.values()]);
    return entries.flatMap((entry) => {
      const { record, indexes } = entry;
      const key = indexes?.[index];
      if (key?.partition !== partition || !this.#isThere(entry)) return [];
      return [{ record, order: [key.sort, record.partition, record.sort] }];
    });
  }

  #page(places: Place[], params: ListParams): Page<StoredRecord> {
    const { reverse = false, limit = Infinity } = params;
    const direction = reverse ? -1 : 1;
    const wanted = places
      .filter(isWanted(params, direction))
      .toSorted((a, b) => direction * byOrder(a.order, b.order));
    const page = wanted.slice(0, pageLimit(limit, this.#options.pageSize));
    const items = page.map(({ record }) => ({ ...record }));
    const last = page.at(-1);
    if (last === undefined || page.length === wanted.length) return { items };
    return { items, cursor: JSON.stringify(last.order) };
  }
}

/** A record and where it stands in a listing. */
interface Place {
  readonly record: StoredRecord;
  readonly order: readonly string[];
}

function isWanted(params: ListParams, direction: 1 | -1): (place: Place) => boolean {
  const { from, to } = params;
  const cursor = params.cursor === undefined ? undefined : parseCursor(params.cursor);
  return ({ order }) => {
    const sort = order[0] ?? "";
    if (from !== undefined && byBytes(sort, from) < 0) return false;
    if (to !== undefined && byBytes(sort, to) >= 0) return false;
    return cursor === undefined || direction * byOrder(order, cursor) > 0;
  };
}

class MemoryBlobs implements BlobStore {
  readonly #options: MemoryBlobsOptions;
  readonly #blobs = new Map<string, Uint8Array>();

  constructor(options: MemoryBlobsOptions) {
    this.#options = options;
  }

  put(...[key, bytes, options]: Parameters<BlobStore["put"]>): Promise<void> {
    const copy = new Uint8Array(bytes); // slice() of a Buffer would be a view
    return withHooks(this.#options, { verb: "put", key }, () => {
      if (options.ifAbsent !== true || !this.#blobs.has(key)) this.#blobs.set(key, copy);
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return withHooks(this.#options, { verb: "get", key }, () => this.#blobs.get(key)?.slice());
  }

  list(params: Parameters<BlobStore["list"]>[0]): ReturnType<BlobStore["list"]> {
    const { prefix, cursor = "", limit = Infinity } = params;
    return withHooks(this.#options, { verb: "list", key: prefix }, () => {
      const wanted = [...this.#blobs.keys()]
        .filter((key) => key.startsWith(prefix) && byBytes(key, cursor) > 0)
        .toSorted(byBytes);
      const keys = wanted.slice(0, pageLimit(limit, this.#options.pageSize));
      const last = keys.at(-1);
      return last === undefined || keys.length === wanted.length
        ? { keys }
        : { keys, cursor: last };
    });
  }
}

async function withHooks<Operation, T>(
  hooks: FaultHooks<Operation>,
  operation: Operation,
  effect: () => T,
): Promise<T> {
  await hooks.before?.(operation);
  const result = effect();
  await hooks.after?.(operation);
  return result;
}

function keyOf({ partition, sort }: RecordKey): RecordKey {
  return { partition, sort };
}

function firstKey({ partition, from = "" }: ListParams): RecordKey {
  return { partition, sort: from };
}

function pageLimit(limit: number, pageSize = defaultPageSize): number {
  return Math.max(1, Math.min(limit, pageSize));
}

function parseCursor(cursor: string): readonly string[] {
  try {
    const order: unknown = JSON.parse(cursor);
    if (Array.isArray(order)) return order.map(String);
  } catch {}
  throw new KitaruUsageError(
    `${JSON.stringify(cursor)} is not a cursor of this listing. Pass the \`cursor\` of the page before, unchanged.`,
  );
}

function byOrder(a: readonly string[], b: readonly string[]): number {
  for (const [index, part] of a.entries()) {
    const difference = byBytes(part, b[index] ?? "");
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Order of UTF-8 bytes. JavaScript's own order differs only in placing surrogates below U+E000 to U+FFFF. */
function byBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const difference = a.charCodeAt(index) - b.charCodeAt(index);
    if (difference !== 0) return rank(a.charCodeAt(index)) - rank(b.charCodeAt(index));
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  const isSurrogate = unit >= 0xd800 && unit < 0xe000;
  return isSurrogate ? unit + 0x10000 : unit;
}
