import type { FaultProxy, Passing } from "../../test/emulators/fault-proxy.ts";
import { Tally } from "../tally.ts";

/** What was asked of the services, as Google bills it. */
export interface Counts {
  /** Documents written, and documents read; a query or a look that finds nothing is one read. */
  readonly documentWrites: number;
  readonly documentReads: number;
  /** Objects written, and objects read. */
  readonly objectPuts: number;
  readonly objectGets: number;
  /** Requests to Workflows: starts, wakes and looks. */
  readonly workflowCalls: number;
}

/** Nothing was asked for. */
const nothing: Counts = {
  documentWrites: 0,
  documentReads: 0,
  objectPuts: 0,
  objectGets: 0,
  workflowCalls: 0,
};

interface Proxies {
  readonly database: FaultProxy;
  readonly bucket: FaultProxy;
  readonly orchestration: FaultProxy;
}

/** Counts what passes on its way to the services. */
export class Counter extends Tally<Counts> {
  constructor({ database, bucket, orchestration }: Proxies) {
    super(nothing);
    database.onReply.add((one, reply) => this.tell(documentsOf(one, reply)));
    bucket.onReply.add(({ method }) =>
      this.tell(method === "GET" ? { objectGets: 1 } : { objectPuts: 1 }),
    );
    orchestration.onReply.add(() => this.tell({ workflowCalls: 1 }));
  }
}

function documentsOf({ path, body }: Passing, reply: Buffer): Partial<Counts> {
  if (path.endsWith(":commit")) {
    const { writes } = JSON.parse(body.toString()) as { readonly writes: readonly unknown[] };
    return { documentWrites: writes.length };
  }
  const rows = JSON.parse(reply.toString()) as readonly { readonly document?: unknown }[];
  const found = rows.filter(({ document }) => document !== undefined).length;
  return { documentReads: Math.max(1, found) };
}
