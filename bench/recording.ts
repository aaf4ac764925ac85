import type { Backend } from "kitaru";

type Records = Backend["records"];

/** One write the store accepted. */
export type Write =
  | {
      readonly kind: "put";
      readonly record: Parameters<Records["put"]>[0];
      readonly version: string;
    }
  | { readonly kind: "delete"; readonly key: Parameters<Records["delete"]>[0] };

/** Everything a run wrote, in order. */
export interface Recording {
  /** Statements that make an empty database like the one that was written to. */
  readonly schema: readonly string[];
  /** Settings of the connection. */
  readonly pragmas: readonly string[];
  readonly writes: readonly Write[];
  /** Number of writes in each transaction. */
  readonly transactions: readonly number[];
  /** Places in `transactions` at which {@link Recorder.mark} was called. */
  readonly marks: readonly number[];
  readonly blobs: readonly Uint8Array[];
}

/** Counts and keeps what goes through a backend. */
export class Recorder {
  /** Every try, accepted or not. */
  tries = 0;
  readonly writes: Write[] = [];
  readonly blobs: Uint8Array[] = [];

  /** The backend, seen through this recorder. */
  wrap(backend: Backend): Backend {
    const { records, blobs } = backend;
    const wrapped: Records = {
      get: (key) => records.get(key),
      list: (params) => records.list(params),
      listIndex: (index, params) => records.listIndex(index, params),
      put: async (record, expect) => {
        this.tries += 1;
        const result = await records.put(record, expect);
        if (result.ok) this.writes.push({ kind: "put", record, version: result.version });
        return result;
      },
      delete: async (key, expect) => {
        this.tries += 1;
        const isDeleted = await records.delete(key, expect);
        if (isDeleted) this.writes.push({ kind: "delete", key });
        return isDeleted;
      },
    };
    const put: Backend["blobs"]["put"] = (key, bytes, options) => {
      this.blobs.push(bytes);
      return blobs.put(key, bytes, options);
    };
    return { ...backend, records: wrapped, blobs: { ...blobs, put } };
  }
}
