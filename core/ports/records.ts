/** Opaque version of a stored record. Never reused for the same key, even after a delete. */
export type Version = string;

/** What a conditional write expects to find. */
export type Expectation = "absent" | Version;

/** Names a record: documents of one partition are listed together, in the order of `sort`. */
export interface RecordKey {
  readonly partition: string;
  /** Compared by UTF-8 bytes. */
  readonly sort: string;
}

/** Secondary orders a record can be found by. */
export type IndexName = "flow" | "due";

/** Where a record appears in an index; a record without a key is absent from that index. */
export type IndexKeys = Readonly<Partial<Record<IndexName, RecordKey>>>;

/** A record as handed to the store. */
export interface RecordDraft extends RecordKey {
  /** UTF-8 text, at most `Capabilities.recordBytes` bytes. */
  readonly body: string;
  readonly indexes?: IndexKeys;
  /**
   * Epoch milliseconds, in whole seconds, from which on the record is as if it were not there. It is deleted some time after, by
   * the store itself or by {@link RecordStore.deleteExpired}. @default never
   */
  readonly expiresAt?: number;
}

/** A record as read from the store. */
export interface StoredRecord extends RecordKey {
  readonly body: string;
  readonly version: Version;
  readonly expiresAt?: number;
}

/** Result of a conditional write. `ok: false` means the expectation did not hold; nothing was written. */
export type PutResult = { readonly ok: true; readonly version: Version } | { readonly ok: false };

/** Which part of a partition to list. */
export interface ListParams {
  readonly partition: string;
  /** Lowest sort key, inclusive. */
  readonly from?: string;
  /** Highest sort key, exclusive. */
  readonly to?: string;
  /** Continue after this page; from {@link Page.cursor}. */
  readonly cursor?: string;
  /** Most records on one page; the store may return fewer. */
  readonly limit?: number;
  /** Highest sort key first. */
  readonly reverse?: boolean;
}

/** One page of a listing. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Present when there may be more. */
  readonly cursor?: string;
}

/**
 * Versioned documents with compare-and-swap: the only primitive the protocol needs from a store.
 *
 * `get` and `list` are strongly consistent for each document. A page is not a snapshot: two pages, or two
 * documents of one page, may mix states. `listIndex` may lag behind.
 */
export interface RecordStore {
  get(key: RecordKey): Promise<StoredRecord | undefined>;
  /** Write `record` if the stored version is `expect`; never throws for a failed expectation. */
  put(record: RecordDraft, expect: Expectation): Promise<PutResult>;
  /** Delete if the stored version is `expect`; false if it is not. */
  delete(key: RecordKey, expect: Version): Promise<boolean>;
  list(params: ListParams): Promise<Page<StoredRecord>>;
  /** List records by an index key; `partition`, `from` and `to` are of the index key. */
  listIndex(index: IndexName, params: ListParams): Promise<Page<StoredRecord>>;
  /**
   * Delete records that have expired, at most `limit`, and resolve to how many. A partition is found by what has expired of it
   * and stands in the `flow` index, which goes last. Absent where the store deletes what has expired by itself.
   */
  deleteExpired?(limit: number): Promise<number>;
}
