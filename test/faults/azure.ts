import { azure } from "../../adapters/azure/index.ts";
import { decodeKey } from "../../adapters/azure/keys.ts";
import { type Cloud, noCloud, startCloud } from "../azure/cloud.ts";
import type { Fate, Passing } from "../emulators/fault-proxy.ts";
import type { CloudUnderFaults, FaultyCloud, Inject } from "./faults.ts";
import {
  type TappedStore,
  answeredWhileParking,
  differingClocks,
  pass,
  secondGeneration,
  secondOwners,
  spuriousWakes,
  stormy,
  unavailable,
  untilParked,
} from "./store.ts";

const name = "azure";

/** Azure, with a host that loses and doubles what it delivers, and proxies before the storage account. */
export const azureUnderFaults: CloudUnderFaults = {
  missing: noCloud,
  start: async (random) => {
    const cloud = await startCloud({ advanceSeconds: 8 });
    const definition = azure({ name: cloud.name, connectionString: cloud.connectionString });
    return { definition, faulty: faultyCloud(cloud, random), close: () => cloud.close() };
  },
};

function faultyCloud(cloud: Cloud, random: () => number): FaultyCloud {
  const store = storeOf(cloud);
  const { host, blobs, queue } = cloud;
  return {
    name,
    sweep: (aheadMs) => cloud.sweep(aheadMs),
    heal: async () => {
      for (const proxy of [cloud.tables, blobs, queue]) proxy.fate = () => pass;
      await host.setFaults({});
    },
    inject: {
      dropped: async () => {
        const { lostEvents: before } = await host.counts();
        await host.setFaults({ lostEvents: 1 });
        return {
          counts: async () => ({ dropped: (await host.counts()).lostEvents - before }),
          answerAfter: untilParked(name),
        };
      },
      doubled: doubledEverything(cloud, store),
      two: () => {
        const counts = { lost: 0 };
        queue.fate = ({ method }) => {
          if (method !== "POST" || random() > 0.3) return pass;
          counts.lost += 1;
          return { kind: "lose" };
        };
        const isSecond = ({ instanceId }: { readonly instanceId: string }): boolean =>
          instanceId.endsWith(`:${secondGeneration}`);
        return {
          counts: async () => ({
            ...counts,
            second: (await host.instances()).filter(isSecond).length,
          }),
          answerAfter: secondOwners(name),
        };
      },
      between: answeredWhileParking(store),
      stormy: stormy(store, random),
      unavailable: unavailable(blobs, random, { body: "" }),
      killed: async () => {
        await host.setFaults({ kills: 0.2 });
        return { counts: async () => ({ killed: (await host.counts()).killed.length }) };
      },
      skewed: differingClocks(store, (skewMs) => host.setFaults({ skewMs })),
    },
  };
}

/** Wakes out of the blue, events that come twice, and activities that are carried out twice. */
function doubledEverything({ host }: Cloud, store: TappedStore): Inject {
  return async (ids) => {
    const spurious = await spuriousWakes(name, store)(ids);
    await host.setFaults({ doubledEvents: 0.5, doubles: 0.2 });
    return {
      ...spurious,
      counts: async () => {
        const { doubled, doubledEvents } = await host.counts();
        return { ...(await spurious.counts()), doubled, doubledEvents };
      },
    };
  };
}

function storeOf({ tables }: Cloud): TappedStore {
  return {
    proxy: tables,
    written: writtenIn,
    isRefused: (reply) => /UpdateConditionNotSatisfied|EntityAlreadyExists/.test(reply.toString()),
    refusals: { throttled: failure(503, "ServerBusy") },
    conflict: failure(412, "UpdateConditionNotSatisfied"),
  };
}

/** A row as the tables have it. */
interface Row {
  readonly PartitionKey?: string;
  readonly RowKey?: string;
  readonly b0?: string;
}

function writtenIn({ method, body }: Passing) {
  if (body[0] !== brace) return undefined;
  const { PartitionKey = "", RowKey = "", b0 } = JSON.parse(body.toString()) as Row;
  if (b0 === undefined || !PartitionKey.startsWith("exec..")) return undefined;
  const executionId = decodeKey(PartitionKey).slice("exec/".length);
  const document = Buffer.from(b0, "base64").toString();
  return { executionId, sort: decodeKey(RowKey), document, replaces: method !== "POST" };
}

const brace = "{".charCodeAt(0);

function failure(status: number, code: string): Fate {
  const body = JSON.stringify({ "odata.error": { code, message: { lang: "en", value: code } } });
  return { kind: "answer", status, body };
}
