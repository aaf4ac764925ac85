import { TableClient } from "@azure/data-tables";
import { codeOf, statusOf } from "../failure.ts";
import { type AzureClientOptions, type Endpoints, clientConfig, credentialOf } from "./config.ts";
import { type RetryRule, repeated } from "./retry.ts";

/** Names a row. */
export interface RowKey {
  readonly partitionKey: string;
  readonly rowKey: string;
}

/** A row to write: its key, and texts and bytes by name. */
export type NewRow = RowKey & Readonly<Record<string, string | Uint8Array>>;

/** A row as read. */
export interface Row extends RowKey {
  readonly etag: string;
  /** When it was last written, by the service's clock, ISO 8601. */
  readonly timestamp: string;
  readonly [property: string]: string | Uint8Array;
}

/** What became of a conditional write. */
export type Written =
  | { readonly ok: true; readonly etag: string }
  /** The condition did not hold; `isRepeated`: an earlier try of this write may be why. */
  | { readonly ok: false; readonly isRepeated: boolean };

/** One page of a query. */
export interface Rows {
  readonly rows: readonly Row[];
  /** More rows may follow the last of these. */
  readonly hasMore: boolean;
}

/** The part of a table this package uses. */
export interface EntityTable {
  get(key: RowKey): Promise<Row | undefined>;
  /** Write a row that must not exist. */
  insert(row: NewRow): Promise<Written>;
  /** Write a row over one that must have this tag. */
  replace(row: NewRow, etag: string): Promise<Written>;
  /** Write a row, whatever is there. */
  upsert(row: NewRow): Promise<void>;
  /** Delete a row, if it has this tag; without one, whatever is there. False: it has not, or is not there. */
  delete(key: RowKey, etag?: string): Promise<boolean>;
  /** Rows in order of their keys; a page is empty only when nothing follows. */
  query(params: {
    readonly filter: string;
    readonly limit: number;
    readonly select?: readonly string[];
  }): Promise<Rows>;
}

/**
 * Eight tries of 10 s, with up to 13 s of delays: a partition that was just throttled is moved to another server within
 * seconds. The service itself gives up a point request after 30 s and a query after 5.
 */
const rule: RetryRule = { tries: 8, tryMs: 10_000 };

/** Open a client of one table. */
export async function openTable(
  name: string,
  options: AzureClientOptions,
  endpoints: Endpoints,
): Promise<EntityTable> {
  const table = await tableClient(name, options, endpoints);
  return {
    get: (key) =>
      orUndefined(
        repeated(rule, ({ signal }) =>
          table.getEntity<Record<string, string | Uint8Array>>(key.partitionKey, key.rowKey, {
            abortSignal: signal,
          }),
        ),
      ) as Promise<Row | undefined>,
    insert: (row) =>
      conditional("EntityAlreadyExists", (abortSignal) => table.createEntity(row, { abortSignal })),
    replace: (row, etag) =>
      conditional("UpdateConditionNotSatisfied", (abortSignal) =>
        table.updateEntity(row, "Replace", { etag, abortSignal }),
      ),
    upsert: async (row) => {
      await repeated(rule, ({ signal }) =>
        table.upsertEntity(row, "Replace", { abortSignal: signal }),
      );
    },
    delete: async (key, etag = "*") => {
      const { partitionKey, rowKey } = key;
      const written = await conditional("UpdateConditionNotSatisfied", async (abortSignal) => {
        await table.deleteEntity(partitionKey, rowKey, { etag, abortSignal });
        return {};
      });
      return written.ok;
    },
    query: (params) => queryPage(table, params),
  };
}

async function tableClient(
  name: string,
  options: AzureClientOptions,
  { table }: Endpoints,
): Promise<TableClient> {
  const { connectionString } = options;
  const config = clientConfig(connectionString === undefined ? table : "http://");
  return connectionString === undefined
    ? new TableClient(table, name, await credentialOf(options), config)
    : TableClient.fromConnectionString(connectionString, name, config);
}

/** A page may be empty and yet not the last: the service looks for five seconds and then gives what it has. */
async function queryPage(
  table: TableClient,
  { filter, limit, select }: Parameters<EntityTable["query"]>[0],
): Promise<Rows> {
  const queryOptions = { filter, ...(select === undefined ? {} : { select: [...select] }) };
  for (let continuationToken: string | undefined; ;) {
    const { value: page } = await repeated(rule, ({ signal }) =>
      table
        .listEntities<Record<string, string | Uint8Array>>({ queryOptions, abortSignal: signal })
        .byPage({
          maxPageSize: Math.min(limit, mostRows),
          ...(continuationToken === undefined ? {} : { continuationToken }),
        })
        .next(),
    );
    const rows = (page ?? []) as readonly Row[] & { continuationToken?: string };
    continuationToken = rows.continuationToken;
    const hasMore = continuationToken !== undefined;
    if (rows.length > 0 || !hasMore) return { rows, hasMore };
  }
}

/** Most rows the service puts on a page. */
const mostRows = 1000;

async function conditional(
  failed: string,
  write: (signal: AbortSignal) => Promise<{ readonly etag?: string }>,
): Promise<Written> {
  let wasRepeated = false;
  try {
    const { etag = "" } = await repeated(rule, ({ signal, isRepeated }) => {
      wasRepeated = isRepeated;
      return write(signal);
    });
    return { ok: true, etag };
  } catch (error) {
    const code = codeOf(error);
    if (code === failed || code === "ResourceNotFound" || statusOf(error) === 412)
      return { ok: false, isRepeated: wasRepeated };
    throw error;
  }
}

async function orUndefined<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (codeOf(error) === "ResourceNotFound") return undefined;
    throw error;
  }
}
