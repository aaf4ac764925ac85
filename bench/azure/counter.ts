import type { FaultProxy, Passing } from "../../test/emulators/fault-proxy.ts";
import { Tally } from "../tally.ts";

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
const nothing: Counts = {
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
export class Counter extends Tally<Counts> {
  constructor({ tables, blobs, queue }: Proxies) {
    super(nothing);
    const isRead = ({ method }: Passing): boolean => method === "GET" || method === "HEAD";
    tables.onReply.add((one) => this.tell(isRead(one) ? { rowReads: 1 } : { rowWrites: 1 }));
    blobs.onReply.add((one) => this.tell(isRead(one) ? { blobGets: 1 } : { blobPuts: 1 }));
    queue.onReply.add((one) => this.tell(one.method === "POST" ? { messages: 1 } : {}));
  }
}
