import { recordKeyOf } from "../../adapters/gcp/documents.ts";
import { gcp } from "../../adapters/gcp/index.ts";
import { type Cloud, noCloud, startCloud } from "../gcp/cloud.ts";
import type { Fate, Passing } from "../emulators/fault-proxy.ts";
import type { CloudUnderFaults, FaultyCloud, Inject } from "./faults.ts";
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

const name = "gcp";

/** Google Cloud, with instances of functions that go away, and proxies before Firestore, the bucket and Workflows. */
export const gcpUnderFaults: CloudUnderFaults = {
  missing: noCloud,
  start: async (random) => {
    const cloud = await startCloud({ advanceSeconds: 15 });
    const definition = gcp(cloud.options);
    return { definition, faulty: faultyCloud(cloud, random), close: () => cloud.close() };
  },
};

function faultyCloud(cloud: Cloud, random: () => number): FaultyCloud {
  const store = storeOf(cloud);
  const { database, bucket, orchestration, functions } = cloud;
  const proxies = Object.values(functions).map(({ proxy }) => proxy);
  return {
    name,
    sweep: (aheadMs) => cloud.sweep(aheadMs),
    heal: () => {
      cloud.setSkew(0);
      for (const proxy of [database, bucket, orchestration, ...proxies]) proxy.fate = () => pass;
    },
    inject: {
      dropped: droppedWakes(name, orchestration, ({ path }) => path.includes("/callbacks/")),
      doubled: spuriousWakes(name, store),
      two: doubledStarts(name, orchestration, random, generationIn),
      between: answeredWhileParking(store),
      stormy: stormy(store, random),
      unavailable: unavailable(bucket, random, { body: "{}" }),
      killed: killedInstances(cloud, random),
      skewed: differingClocks(store, (ms) => cloud.setSkew(ms)),
    },
  };
}

/** Kill instances that have just been called. */
function killedInstances({ functions }: Cloud, random: () => number): Inject {
  return () => {
    const { advance, task } = functions;
    const before = advance.ends() + task.ends();
    for (const fn of [advance, task]) {
      let isDoomed = false;
      fn.proxy.fate = () => {
        // with one instance everything under way goes away: what is sent again must have time to arrive
        if (isDoomed || fn.runningMs() < 2500 || random() > 0.3) return pass;
        isDoomed = true;
        setTimeout(() => {
          fn.kill();
          isDoomed = false;
        }, random() * 100);
        return pass;
      };
    }
    return { counts: () => ({ killed: advance.ends() + task.ends() - before }) };
  };
}

function storeOf({ database }: Cloud): TappedStore {
  return {
    proxy: database,
    written: writtenIn,
    isRefused: (_reply, status) => status >= 400,
    refusals: {
      throttled: failure(429, "RESOURCE_EXHAUSTED"),
      contended: failure(409, "ABORTED"),
    },
    conflict: failure(400, "FAILED_PRECONDITION"),
  };
}

/** A commit of one document. */
interface Commit {
  readonly writes: readonly [
    {
      readonly update?: {
        readonly name: string;
        readonly fields: { readonly b: { readonly stringValue: string } };
      };
      readonly currentDocument: { readonly updateTime?: string };
    },
  ];
}

function writtenIn({ path, body }: Passing) {
  if (!path.endsWith(":commit")) return undefined;
  const [{ update, currentDocument }] = (JSON.parse(body.toString()) as Commit).writes;
  if (update === undefined) return undefined;
  const { partition, sort } = recordKeyOf(update.name.split("/").at(-1) ?? "");
  if (!partition.startsWith("exec/")) return undefined;
  const executionId = partition.slice("exec/".length);
  const replaces = currentDocument.updateTime !== undefined;
  return { executionId, sort, document: update.fields.b.stringValue, replaces };
}

function generationIn({ method, path, body }: Passing): number | undefined {
  if (method !== "POST" || !path.endsWith("/executions")) return undefined;
  const { argument } = JSON.parse(body.toString()) as { readonly argument: string };
  return (JSON.parse(argument) as { readonly generation: number }).generation;
}

function failure(status: number, code: string): Fate {
  const body = JSON.stringify({ error: { code: status, message: code, status: code } });
  return { kind: "answer", status, body };
}
