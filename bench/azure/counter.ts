import type { FaultProxy, Passing } from "../../test/emulators/fault-proxy.ts";

/** What was asked of the storage account, as it bills it. */
export interface Counts {
  /** Requests to tables that write, and those that read. */
  readonly rowWrites: number;
  readonly rowReads: number;
  /** Requests to blobs that write, and those that read. */
  readonly blobPuts: number;
  readonly blobGets: number;
  /** Messages put into the app's queue. */
  readonly messages: number;
}

/** Nothing was asked for. */
export const nothing: Counts = {
  rowWrites: 0,
  rowReads: 0,
  blobPuts: 0,
  blobGets: 0,
  messages: 0,
};

interface Proxies {
  readonly tables: FaultProxy;
  readonly blobs: FaultProxy;
  readonly queue: FaultProxy;
}

/** Counts what passes on its way to the account. */
export class Counter {
  /** Requests that have passed. */
  seen = 0;
  #counts: Counts = nothing;

  constructor({ tables, blobs, queue }: Proxies) {
    const isRead = ({ method }: Passing): boolean => method === "GET" || method === "HEAD";
    tables.onReply.add((one) => this.#tell(isRead(one) ? { rowReads: 1 } : { rowWrites: 1 }));
    blobs.onReply.add((one) => this.#tell(isRead(one) ? { blobGets: 1 } : { blobPuts: 1 }));
    queue.onReply.add((one) => this.#tell(one.method === "POST" ? { messages: 1 } : {}));
  }

  /** Everything since the last time. */
  take(): Counts {
    const counts = this.#counts;
    this.#counts = nothing;
    return counts;
  }

  #tell(counts: Partial<Counts>): void {
    this.seen += 1;
    this.#counts = combine(this.#counts, { ...nothing, ...counts }, (a, b) => a + b);
  }
}

/** Each number of one with that of another. */
export function combine(a: Counts, b: Counts, how: (a: number, b: number) => number): Counts {
  const keys = Object.keys(nothing) as (keyof Counts)[];
  return Object.fromEntries(keys.map((key) => [key, how(a[key], b[key])])) as unknown as Counts;
}
