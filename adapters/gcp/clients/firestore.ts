import type { GcpClientOptions } from "./config.ts";
import { type Rest, type RestReply, jsonOf, openRest } from "./rest.ts";

/** Field values of the kinds this package stores. */
export type FieldValue =
  | { readonly stringValue: string; readonly timestampValue?: never }
  | { readonly timestampValue: string; readonly stringValue?: never };

/** A document as Firestore's REST API writes it. */
export interface FirestoreDocument {
  readonly name: string;
  readonly fields?: Readonly<Record<string, FieldValue>>;
  readonly updateTime?: string;
}

/** What a write expects to find. */
export type Precondition = { readonly exists: false } | { readonly updateTime: string };

/** One conditional write. */
export type FirestoreWrite = { readonly currentDocument: Precondition } & (
  | { readonly update: FirestoreDocument }
  | { readonly delete: string }
);

/** A structured query, as the REST API takes it. */
export interface FirestoreQuery {
  readonly from: readonly [{ readonly collectionId: string }];
  readonly where: object;
  readonly orderBy: readonly object[];
  readonly limit: number;
  readonly startAt?: { readonly values: readonly object[]; readonly before: boolean };
}

/** The part of Firestore this package uses. Rejections are {@link GoogleError}s. */
export interface FirestoreDatabase {
  /** Resource name of the root of all documents. */
  readonly root: string;
  /** Strongly consistent. */
  get(name: string): Promise<FirestoreDocument | undefined>;
  /** Carry out one write; returns when the document was updated, and how many tries that took. */
  commit(write: FirestoreWrite): Promise<{ readonly updateTime: string }>;
  /** Strongly consistent. */
  query(query: FirestoreQuery): Promise<readonly FirestoreDocument[]>;
}

interface DatabaseRef extends GcpClientOptions {
  readonly project: string;
  readonly database: string;
}

/** Tries of one request: a key range that has just become hot needs a while to split. */
const tries = 8;

/** Open a client. A try has 10 s, a query 30 s: a page of an execution's journal may have some megabytes. */
export function openFirestore({ project, database, ...options }: DatabaseRef): FirestoreDatabase {
  const rest = openRest(options);
  const root = `projects/${project}/databases/${database}/documents`;
  return {
    root,
    get: async (name) => {
      const [found] = jsonOf<readonly { readonly found?: FirestoreDocument }[]>(
        await post(rest, `${root}:batchGet`, { documents: [name] }),
      );
      return found?.found;
    },
    commit: async (write) => {
      const { writeResults, commitTime = "" } = jsonOf<{
        readonly writeResults?: readonly { readonly updateTime?: string }[];
        readonly commitTime?: string;
      }>(await post(rest, `${root}:commit`, { writes: [write] }));
      return { updateTime: writeResults?.[0]?.updateTime ?? commitTime };
    },
    query: async (structuredQuery) => {
      const rows = jsonOf<readonly { readonly document?: FirestoreDocument }[]>(
        await post(rest, `${root}:runQuery`, { structuredQuery }, 30_000),
      );
      return rows.flatMap(({ document }) => (document === undefined ? [] : [document]));
    },
  };
}

function post(rest: Rest, path: string, body: object, timeoutMs = 10_000): Promise<RestReply> {
  return rest.send({ service: "firestore", path: `/v1/${path}`, body, tries, timeoutMs });
}
