import type { FaultProxy, Passing } from "../../test/emulators/fault-proxy.ts";
import { Tally } from "../tally.ts";

/** What was asked of the services, as they bill it. */
export interface Counts {
  /** Requests to DynamoDB. */
  readonly table: number;
  readonly writeUnits: number;
  readonly readUnits: number;
  /** Requests to S3 that write, and those that read. */
  readonly objectPuts: number;
  readonly objectGets: number;
}

/** Nothing was asked for. */
const nothing: Counts = {
  table: 0,
  writeUnits: 0,
  readUnits: 0,
  objectPuts: 0,
  objectGets: 0,
};

/** Counts what passes on its way to the services. DynamoDB tells itself what it would bill. */
export class Counter extends Tally<Counts> {
  constructor(table: FaultProxy, services: FaultProxy) {
    super(nothing);
    table.rewrite = ({ body }) =>
      Buffer.from(JSON.stringify({ ...parse(body), ReturnConsumedCapacity: "TOTAL" }));
    table.onReply.add((request, reply) => this.tell(tableCounts(request, reply)));
    services.onReply.add((request) => this.tell(objectCounts(request)));
  }
}

function tableCounts({ action }: Passing, reply: Buffer): Partial<Counts> {
  const { ConsumedCapacity } = parse(reply) as {
    ConsumedCapacity?: { readonly CapacityUnits: number };
  };
  const units = ConsumedCapacity?.CapacityUnits ?? 0;
  const isWrite = action === "PutItem" || action === "DeleteItem";
  return { table: 1, ...(isWrite ? { writeUnits: units } : { readUnits: units }) };
}

function objectCounts({ action, method }: Passing): Partial<Counts> {
  if (action !== "") return {};
  return method === "GET" ? { objectGets: 1 } : { objectPuts: 1 };
}

function parse(body: Buffer): object {
  return JSON.parse(body.toString()) as object;
}
