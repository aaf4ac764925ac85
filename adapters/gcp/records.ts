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
import { type Shard, mergeShards, readCursor, shardOf } from "../../core/ports/shards.ts";
import type {
  FieldValue,
  FirestoreDatabase,
  FirestoreDocument,
  FirestoreWrite,
  Precondition,
} from "./clients/firestore.ts";
import {
  documentId,
  documentShape,
  indexEnd,
  indexStart,
  indexText,
  partitionEnd,
  partitionStart,
  recordKeyOf,
} from "./documents.ts";
import { isNamed, serviceError } from "./failure.ts";

interface FirestoreRecordsParams {
  /** Of error messages. */
  readonly database: string;
  readonly client: () => Promise<FirestoreDatabase>;
  /** Tells writes apart; unique for ever. */
  readonly newNonce?: () => string;
  /** Epoch milliseconds. @default Date.now */
  readonly now?: () => number;
}

/**
 * Ranges the `flow` index of one flow is spread over. Heads of a flow are indexed by time, and an index takes 500 writes a
 * second of values that follow one another (https://firebase.google.com/docs/firestore/best-practices).
 */
export const flowShards = 8;
/** Documents of a page where no limit is asked for; a journal's segments have some 32 KB. */
const pageDocuments = 100;

const {
  collection,
  body: bodyField,
  nonce: nonceField,
  expiry: expiryField,
  key: keyField,
  indexes: indexFields,
} = documentShape;

/**
 * Records as documents of one collection: a conditional write each, its version the time of the write and, if it is to expire,
 * when. A policy of the database deletes what has expired within days; until then it is passed over here.
 */
export class FirestoreRecords implements RecordStore {
  readonly #params: FirestoreRecordsParams;

  constructor(params: FirestoreRecordsParams) {
    this.#params = params;
  }

  async get({ partition, sort }: RecordKey): Promise<StoredRecord | undefined> {
    const found = await this.#call("read", (client) =>
      client.get(nameOf(client, documentId(partition, sort))),
    );
    return found === undefined || this.#hasExpired(found) ? undefined : recordOf(found);
  }

  async put(record: RecordDraft, expect: Expectation): Promise<PutResult> {
    const currentDocument = preconditionOf(expect, this.#now());
    if (currentDocument === undefined) return { ok: false };
    const nonce = this.#params.newNonce?.() ?? crypto.randomUUID();
    const id = documentId(record.partition, record.sort);
    const fields = fieldsOf(record, id, nonce);
    return this.#call("write", async (client) => {
      const update = { name: nameOf(client, id), fields };
      const written = await attempt(client, update, currentDocument);
      if (written.ok) return written;
      if (expect !== "absent") return { ok: false };
      const there = written.found ?? (await client.get(update.name));
      if (there !== undefined && !this.#hasExpired(there)) return { ok: false };
      const replaced = await attempt(client, update, conditionOf(there));
      return replaced.ok ? replaced : { ok: false };
    });
  }

  async delete({ partition, sort }: RecordKey, expect: Version): Promise<boolean> {
    const currentDocument = preconditionOf(expect, this.#now());
    if (currentDocument === undefined) return false;
    const done = await this.#call("write", (client) =>
      commit(client, {
        delete: nameOf(client, documentId(partition, sort)),
        currentDocument,
      }),
    );
    return typeof done === "string";
  }

  async list(params: ListParams): Promise<Page<StoredRecord>> {
    const { partition, from, to, cursor } = params;
    const { items, next } = await this.#documents(params, readCursor<FirestoreDocument>(cursor), {
      field: keyField,
      start: from === undefined ? partitionStart(partition) : documentId(partition, from),
      end: to === undefined ? partitionEnd(partition) : documentId(partition, to),
    });
    return pageOf(items, next);
  }

  async listIndex(index: IndexName, params: ListParams): Promise<Page<StoredRecord>> {
    const field = indexFields[index];
    const page = (partition: string, from: FirestoreDocument | undefined) =>
      this.#documents(params, from, {
        field,
        start:
          params.from === undefined ? indexStart(partition) : indexText(partition, params.from),
        end: params.to === undefined ? indexEnd(partition) : indexText(partition, params.to),
      });
    if (index !== "flow") {
      const from = readCursor<FirestoreDocument>(params.cursor);
      const { items, next } = await page(params.partition, from);
      return pageOf(items, next);
    }
    return mergeShards({
      count: flowShards,
      params,
      sort: (document: FirestoreDocument) => sortText(document, field),
      page: (shard, from) => page(`${params.partition}#${shard}`, from),
      record: recordOf,
      key: (document) => positionOf(document, field),
    });
  }

  #documents(
    { limit = pageDocuments, reverse = false }: ListParams,
    from: FirestoreDocument | undefined,
    range: FieldRange,
  ): Promise<Shard<FirestoreDocument>> {
    const { field } = range;
    return this.#call("list", async (client) => {
      const found = await client.query({
        from: [{ collectionId: collection }],
        where: within(range),
        orderBy: orderBy(field, reverse),
        limit,
        ...(from === undefined ? {} : { startAt: { values: after(field, from), before: false } }),
      });
      const items = found.filter((document) => !this.#hasExpired(document));
      const last = found.at(-1);
      if (last === undefined || found.length < limit) return { items };
      return { items, next: positionOf(last, field) };
    });
  }

  #hasExpired(document: FirestoreDocument): boolean {
    return (expiryOf(document) ?? Infinity) <= this.#now();
  }

  #now(): number {
    return (this.#params.now ?? Date.now)();
  }

  async #call<T>(
    verb: "read" | "write" | "list",
    call: (client: FirestoreDatabase) => Promise<T>,
  ): Promise<T> {
    const { client, database } = this.#params;
    try {
      return await call(await client());
    } catch (error) {
      throw serviceError(error, {
        what: `Firestore could not ${verb} the database "${database}"`,
        missing: database,
      });
    }
  }
}

/**
 * A version is the time of a write, as Firestore says it, and when the record expires: nothing has it from then on. Nothing else
 * can be stored.
 */
function preconditionOf(expect: Expectation, now: number): Precondition | undefined {
  if (expect === "absent") return { exists: false };
  const [, updateTime, expiry = Infinity] =
    /^(\d{4}-\d\d-\d\dT[\d:.]+Z)(?:!(\d+))?$/.exec(expect) ?? [];
  return updateTime === undefined || Number(expiry) <= now ? undefined : { updateTime };
}

function versionOf(document: FirestoreDocument): Version {
  const expiry = expiryOf(document);
  return `${document.updateTime ?? ""}${expiry === undefined ? "" : `!${expiry}`}`;
}

function expiryOf({ fields }: FirestoreDocument): number | undefined {
  const time = fields?.[expiryField]?.timestampValue;
  return time === undefined ? undefined : Date.parse(time);
}

/** What a write finds that found the document `there`. */
function conditionOf(there: FirestoreDocument | undefined): Precondition {
  return there?.updateTime === undefined ? { exists: false } : { updateTime: there.updateTime };
}

type Attempt =
  | { readonly ok: true; readonly version: Version }
  | { readonly ok: false; readonly found?: FirestoreDocument };

/** One conditional write. A write whose reply was lost is tried again, and the repetition finds the write itself. */
async function attempt(
  client: FirestoreDatabase,
  update: FirestoreDocument,
  currentDocument: Precondition,
): Promise<Attempt> {
  const updateTime = await commit(client, { update, currentDocument });
  if (typeof updateTime === "string")
    return { ok: true, version: versionOf({ ...update, updateTime }) };
  const found = updateTime.isCertain ? undefined : await client.get(update.name);
  if (found === undefined) return { ok: false };
  const isOwn =
    found.fields?.[nonceField]?.stringValue === update.fields?.[nonceField]?.stringValue;
  return isOwn ? { ok: true, version: versionOf(found) } : { ok: false, found };
}

/** Version of what was written; otherwise the expectation did not hold, which is uncertain once an earlier try may have arrived. */
async function commit(
  client: FirestoreDatabase,
  write: FirestoreWrite,
): Promise<Version | { readonly isCertain: boolean }> {
  try {
    return (await client.commit(write)).updateTime;
  } catch (error) {
    if (!isRefused(error)) throw error;
    return { isCertain: "tries" in error && error.tries === 1 };
  }
}

/** Whether a document is not as expected; a database that is not there is something else. */
function isRefused(error: unknown): error is Error {
  if (isNamed(error, "ALREADY_EXISTS", "FAILED_PRECONDITION")) return true;
  if (!(error instanceof Error)) return false;
  if (error.name === "NOT_FOUND") return !/\bdatabase\b/i.test(error.message);
  // the version of a later write, which another document had
  return error.name === "INVALID_ARGUMENT" && error.message.includes("base version");
}

function fieldsOf(draft: RecordDraft, id: string, nonce: string) {
  const { partition, body, indexes = {}, expiresAt } = draft;
  const { flow, due } = indexes;
  const fields: Record<string, FieldValue> = {
    [keyField]: { stringValue: id },
    [bodyField]: { stringValue: body },
    [nonceField]: { stringValue: nonce },
    ...(expiresAt === undefined
      ? {}
      : { [expiryField]: { timestampValue: new Date(expiresAt).toISOString() } }),
  };
  if (flow !== undefined) {
    const shard = `${flow.partition}#${shardOf(partition, flowShards)}`;
    fields[indexFields.flow] = { stringValue: indexText(shard, flow.sort) };
  }
  if (due !== undefined)
    fields[indexFields.due] = { stringValue: indexText(due.partition, due.sort) };
  return fields;
}

function recordOf(document: FirestoreDocument): StoredRecord {
  const { name, fields } = document;
  const key = recordKeyOf(name.slice(name.lastIndexOf("/") + 1));
  const body = fields?.[bodyField]?.stringValue ?? "";
  const expiresAt = expiryOf(document);
  return {
    ...key,
    body,
    version: versionOf(document),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

function pageOf(
  items: readonly FirestoreDocument[],
  next: FirestoreDocument | undefined,
): Page<StoredRecord> {
  return {
    items: items.map(recordOf),
    ...(next === undefined ? {} : { cursor: JSON.stringify(next) }),
  };
}

function nameOf({ root }: FirestoreDatabase, id: string): string {
  return `${root}/${collection}/${id}`;
}

interface FieldRange {
  readonly field: string;
  readonly start: string;
  readonly end: string;
}

function within({ field, start, end }: FieldRange): object {
  const filter = (op: string, stringValue: string): object => ({
    fieldFilter: { field: { fieldPath: field }, op, value: { stringValue } },
  });
  const filters = [filter("GREATER_THAN_OR_EQUAL", start), filter("LESS_THAN", end)];
  return { compositeFilter: { op: "AND", filters } };
}

function orderBy(field: string, reverse: boolean): object[] {
  const direction = reverse ? "DESCENDING" : "ASCENDING";
  return [field, "__name__"].map((fieldPath) => ({ field: { fieldPath }, direction }));
}

/** Where a query goes on: after a document, by its key alone. */
function after(field: string, { name, fields }: FirestoreDocument): object[] {
  return [fields?.[field] ?? { stringValue: "" }, { referenceValue: name }];
}

function positionOf({ name, fields }: FirestoreDocument, field: string): FirestoreDocument {
  return { name, fields: { [field]: fields?.[field] ?? { stringValue: "" } } };
}

/** Sort key of an index, without its partition: that differs between shards. */
function sortText({ fields }: FirestoreDocument, field: string): string {
  const text = fields?.[field]?.stringValue ?? "";
  return text.slice(text.indexOf(".-") + 2);
}
