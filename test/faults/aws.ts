import { aws } from "../../adapters/aws/index.ts";
import { generationOf } from "../../adapters/aws/names.ts";
import { type Cloud, noCloud, startCloud } from "../aws/cloud.ts";
import type { Fate, Passing } from "../emulators/fault-proxy.ts";
import type { CloudUnderFaults, FaultyCloud } from "./faults.ts";
import {
  type TappedStore,
  answeredWhileParking,
  differingClocks,
  doubledStarts,
  droppedWakes,
  pass,
  spuriousWakes,
  stormy,
  unavailable,
} from "./store.ts";

const name = "aws";

/** AWS, with processes of functions that can be killed, and proxies before DynamoDB and everything else. */
export const awsUnderFaults: CloudUnderFaults = {
  missing: noCloud,
  start: async (random) => {
    const cloud = await startCloud({ advanceSeconds: 8 });
    Object.assign(process.env, cloud.env);
    const definition = aws({ name: cloud.name });
    return { definition, faulty: faultyCloud(cloud, random), close: () => cloud.close() };
  },
};

function faultyCloud(cloud: Cloud, random: () => number): FaultyCloud {
  const store = storeOf(cloud);
  const { services } = cloud;
  return {
    name,
    sweep: (aheadMs) => cloud.sweep(aheadMs),
    heal: () => {
      cloud.setFaults({});
      for (const proxy of [cloud.table, services]) proxy.fate = () => pass;
    },
    inject: {
      dropped: droppedWakes(name, services, ({ action }) => action === "SendTaskSuccess"),
      doubled: spuriousWakes(name, store),
      two: doubledStarts(name, services, random, generationIn),
      between: answeredWhileParking(store),
      stormy: stormy(store, random),
      unavailable: unavailable(services, random, {
        body: "<Error><Code>SlowDown</Code></Error>",
        isMeant: ({ service }) => service === "s3",
      }),
      killed: () => {
        cloud.setFaults({ kills: 0.25 });
        return { counts: () => ({ killed: cloud.killed().length }) };
      },
      skewed: differingClocks(store, (skewMs) => cloud.setFaults({ skewMs })),
    },
  };
}

function storeOf({ table }: Cloud): TappedStore {
  return {
    proxy: table,
    written: writtenIn,
    isRefused: (reply) => reply.includes("ConditionalCheckFailed"),
    refusals: { throttled: failure("ProvisionedThroughputExceededException") },
    conflict: failure("ConditionalCheckFailedException"),
  };
}

/** An item as DynamoDB writes it. */
interface PutItem {
  readonly Item: Readonly<Record<"p" | "s" | "b", { readonly S: string }>>;
  readonly ConditionExpression?: string;
}

function writtenIn({ action, body }: Passing) {
  if (action !== "PutItem") return undefined;
  const { Item, ConditionExpression } = JSON.parse(body.toString()) as PutItem;
  const [kind, executionId] = Item.p.S.split("/", 2);
  if (kind !== "exec" || executionId === undefined) return undefined;
  const replaces = ConditionExpression?.includes("v = :v") === true;
  return { executionId, sort: Item.s.S, document: Item.b.S, replaces };
}

function generationIn({ action, body }: Passing): number | undefined {
  if (action !== "StartExecution") return undefined;
  const { name: started } = JSON.parse(body.toString()) as { readonly name: string };
  return generationOf(started);
}

function failure(exception: string): Fate {
  const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${exception}` });
  return { kind: "answer", status: 400, body };
}
