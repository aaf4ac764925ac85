import type { AttributeValue } from "@aws-sdk/client-dynamodb";
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
import type { DynamoTable } from "./clients/dynamodb.ts";
import { tableError } from "./failure.ts";
import { type Shard, mergeShards, readCursor, shardOf } from "../../core/ports/shards.ts";
import { tableShape } from "./table.ts";

type Item = Record<string, AttributeValue>;

interface DynamoRecordsParams {
  readonly table: string;
  readonly client: () => Promise<DynamoTable>;
  /** Makes versions; unique for ever. */
  readonly newVersion?: () => Version;
  /** Epoch milliseconds. @default Date.now */
  readonly now?: () => number;
}

/** Attributes of an item: `p` and `s` are its key, `b` its body, `v` its version, `ttl` when it expires; each index has two of its own. */
const indexKeys = tableShape.indexes;

/**
 * Partitions the `flow` index of one flow is spread over. A partition takes 1,000 write units a second
 * (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html), and each head costs one per write:
 * eight carry every start rate Step Functions allows.
 */
export const flowShards = 8;

/** Records as items of one table: a conditional write each, read strongly, listed by query. */
export class DynamoRecords implements RecordStore {
  readonly #table: string;
  readonly #client: () => Promise<DynamoTable>;
  readonly #newVersion: () => Version;
  readonly #now: () => number;

  constructor({ table, client, newVersion = randomVersion, now = Date.now }: DynamoRecordsParams) {
    this.#now = now;
    this.#table = table;
    this.#client = client;
    this.#newVersion = newVersion;
  }

  async get(key: RecordKey): Promise<StoredRecord | undefined> {
    const { Item } = await this.#call("read", (client) =>
      client.get({ TableName: this.#table, Key: keyOf(key), ConsistentRead: true }),
    );
    return Item === undefined || this.#hasExpired(Item) ? undefined : recordOf(Item);
  }

  async put(record: RecordDraft, expect: Expectation): Promise<PutResult> {
    const version = this.#newVersion();
    try {
      await this.#call("write", (client) =>
        client.put({
          TableName: this.#table,
          Item: itemOf(record, version),
          ...conditionOf(expect, this.#now()),
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
      );
      return { ok: true, version };
    } catch (error) {
      const found = failedCondition(error);
      if (found === undefined) throw error;
      // the SDK repeats a write whose reply was lost, and the repetition finds the write itself
      return found["v"]?.S === version ? { ok: true, version } : { ok: false };
    }
  }

  async delete(key: RecordKey, expect: Version): Promise<boolean> {
    try {
      await this.#call("write", (client) =>
        client.delete({
          TableName: this.#table,
          Key: keyOf(key),
          ...conditionOf(expect, this.#now()),
        }),
      );
      return true;
    } catch (error) {
      if (failedCondition(error) === undefined) throw error;
      return false;
    }
  }

  list(params: ListParams): Promise<Page<StoredRecord>> {
    return this.#query(params, { partition: "p", sort: "s" });
  }

  listIndex(index: IndexName, params: ListParams): Promise<Page<StoredRecord>> {
    const keys = indexKeys[index];
    if (index !== "flow") return this.#query(params, keys);
    return mergeShards({
      count: flowShards,
      params,
      sort: (item: Item) => item[keys.sort]?.S ?? "",
      page: (shard, from) =>
        this.#items({ ...params, partition: `${params.partition}#${shard}` }, keys, from),
      record: recordOf,
      key: cursorKey,
    });
  }

  async #query(params: ListParams, keys: KeyNames): Promise<Page<StoredRecord>> {
    const from = readCursor<Item>(params.cursor);
    const { items, next } = await this.#items(params, keys, from);
    return {
      items: items.map(recordOf),
      ...(next === undefined ? {} : { cursor: JSON.stringify(next) }),
    };
  }

  async #items(params: ListParams, keys: KeyNames, from: Item | undefined): Promise<Shard<Item>> {
    const range = rangeOf(params, keys);
    if (range === undefined) return { items: [] };
    const { Items = [], LastEvaluatedKey } = await this.#call("list", (client) =>
      client.query({
        TableName: this.#table,
        ...(keys.name === undefined ? { ConsistentRead: true } : { IndexName: keys.name }),
        ...range,
        ScanIndexForward: params.reverse !== true,
        ...(from === undefined ? {} : { ExclusiveStartKey: from }),
        ...(params.limit === undefined ? {} : { Limit: params.limit }),
      }),
    );
    // BETWEEN includes its upper end, a list does not
    const items = Items.filter(
      (item) => item[keys.sort]?.S !== params.to && !this.#hasExpired(item),
    );
    return { items, ...(LastEvaluatedKey === undefined ? {} : { next: LastEvaluatedKey }) };
  }

  /** The table deletes an item some time after: within days, by its documentation. */
  #hasExpired({ ttl }: Item): boolean {
    return ttl?.N !== undefined && Number(ttl.N) * 1000 <= this.#now();
  }

  async #call<T>(
    verb: "read" | "write" | "list",
    call: (client: DynamoTable) => Promise<T>,
  ): Promise<T> {
    const client = await this.#client();
    try {
      return await call(client);
    } catch (error) {
      if (failedCondition(error) !== undefined) throw error;
      throw tableError(error, { verb, table: this.#table });
    }
  }
}

interface KeyNames {
  readonly name?: string;
  readonly partition: string;
  readonly sort: string;
}

function itemOf(draft: RecordDraft, version: Version): Item {
  const { partition, sort, body, indexes = {}, expiresAt } = draft;
  const item: Item = { p: { S: partition }, s: { S: sort }, b: { S: body }, v: { S: version } };
  if (expiresAt !== undefined) item[tableShape.expiryAttribute] = { N: String(expiresAt / 1000) };
  const { flow, due } = indexes;
  if (flow !== undefined) {
    item[indexKeys.flow.partition] = { S: `${flow.partition}#${shardOf(partition, flowShards)}` };
    item[indexKeys.flow.sort] = { S: flow.sort };
  }
  if (due !== undefined) {
    item[indexKeys.due.partition] = { S: due.partition };
    item[indexKeys.due.sort] = { S: due.sort };
  }
  return item;
}

function recordOf(item: Item): StoredRecord {
  const { p, s, b, v, ttl } = item;
  return {
    partition: p?.S ?? "",
    sort: s?.S ?? "",
    body: b?.S ?? "",
    version: v?.S ?? "",
    ...(ttl?.N === undefined ? {} : { expiresAt: Number(ttl.N) * 1000 }),
  };
}

function keyOf({ partition, sort }: RecordKey): Item {
  return { p: { S: partition }, s: { S: sort } };
}

/** What continues a query of the `flow` index after this item. */
function cursorKey(item: Item): Item {
  const { p, s, fp, fs } = item;
  return { p: p ?? none, s: s ?? none, fp: fp ?? none, fs: fs ?? none };
}

const none: AttributeValue = { S: "" };

interface Condition {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeNames: Readonly<Record<string, string>>;
  readonly ExpressionAttributeValues: Item;
}

/** What has expired is absent. */
function conditionOf(expect: Expectation, now: number): Condition {
  const names = { ExpressionAttributeNames: { "#ttl": tableShape.expiryAttribute } };
  const seconds = { N: String(Math.floor(now / 1000)) };
  return expect === "absent"
    ? {
        ...names,
        ConditionExpression: "attribute_not_exists(p) OR #ttl <= :now",
        ExpressionAttributeValues: { ":now": seconds },
      }
    : {
        ...names,
        ConditionExpression: "v = :v AND (attribute_not_exists(#ttl) OR #ttl > :now)",
        ExpressionAttributeValues: { ":v": { S: expect }, ":now": seconds },
      };
}

interface Range {
  readonly KeyConditionExpression: string;
  readonly ExpressionAttributeValues: Item;
}

/** The key condition of a list; undefined when nothing can be in the range. */
function rangeOf(
  { partition, from, to }: ListParams,
  { partition: p, sort: s }: KeyNames,
): Range | undefined {
  const values: Item = {
    ":p": { S: partition },
    ...(from === undefined ? {} : { ":from": { S: from } }),
    ...(to === undefined ? {} : { ":to": { S: to } }),
  };
  const range = (condition: string): Range => ({
    KeyConditionExpression: `${p} = :p${condition}`,
    ExpressionAttributeValues: values,
  });
  if (from !== undefined && to !== undefined)
    return Buffer.compare(Buffer.from(from), Buffer.from(to)) < 0
      ? range(` AND ${s} BETWEEN :from AND :to`)
      : undefined;
  if (from !== undefined) return range(` AND ${s} >= :from`);
  return to === undefined ? range("") : range(` AND ${s} < :to`);
}

/** The item a failed expectation found: an empty one when there was none. Undefined for any other failure. */
function failedCondition(error: unknown): Item | undefined {
  if (!(error instanceof Error) || error.name !== "ConditionalCheckFailedException")
    return undefined;
  return "Item" in error && error.Item !== undefined ? (error.Item as Item) : {};
}

function randomVersion(): Version {
  return crypto.randomUUID();
}
