import { azure } from "../../adapters/azure/index.ts";
import { instanceId } from "../../adapters/azure/durable-ids.ts";
import { configure } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import type { Cloud } from "../../test/azure/cloud.ts";
import { connectionString } from "../../test/emulators/azurite.ts";
import { type FaultProxy, startFaultProxy } from "../../test/emulators/fault-proxy.ts";
import { type CountedRow, CountedRuns } from "../counted-runs.ts";
import { Counter, type Counts } from "./counter.ts";

/** Activities of Durable Functions, and turns of the orchestrator. */
interface Durable {
  readonly activities: number;
  readonly turns: number;
}

/** What one thing a flow does costs on azure. */
export type AzureRow = CountedRow<Counts, Durable>;

/** Count what a start, each kind of call and an end ask for, from runs that differ in that one thing. */
export async function measureAzure(cloud: Cloud): Promise<readonly AzureRow[]> {
  const { proxies, close } = await openStackOf(cloud);
  const { host } = cloud;
  try {
    const runs = new CountedRuns<Counts, Durable>({
      stack: "azure",
      all: new Counter(cloud),
      caller: new Counter(proxies),
      done: async () => {
        const { activities, turns } = await host.counts();
        return { activities, turns };
      },
      // the advance before the wait has ended, its token and its index rows written
      isParked: async (id, wait, before) => {
        const found = await host.instance(instanceId(id, 1));
        const { activities } = await host.counts();
        return (
          found?.customStatus === "Wait for approve" && activities === before.activities + wait
        );
      },
      ended: async (id) => void (await host.ended(instanceId(id, 1))),
    });
    await Promise.all([runs.warm(), runs.warm(), runs.warm()]); // as many processes
    return await runs.rows([10, 20]);
  } finally {
    await close();
  }
}

/** The stack `azure`, its requests through proxies of the caller's own. */
async function openStackOf(cloud: Cloud) {
  const [tables, blobs, queue] = await Promise.all([
    startFaultProxy(cloud.tables.endpoint),
    startFaultProxy(cloud.blobs.endpoint),
    startFaultProxy(cloud.queue.endpoint),
  ]);
  const at = ({ endpoint }: FaultProxy): string => `${endpoint}/devstoreaccount1`;
  const connection = connectionString({ table: at(tables), blob: at(blobs), queue: at(queue) });
  const definition = azure({ name: cloud.name, connectionString: connection });
  configure({ config: { stacks: { azure: definition } } });
  const entry = new URL("../counted-flows.ts", import.meta.url);
  await deploy(await openStack("azure"), { entry, flows: ["counted"], tag: "default" });
  const proxies = { tables, blobs, queue };
  const close = async (): Promise<void> => {
    await closeStacks();
    for (const proxy of Object.values(proxies)) await proxy.close();
  };
  return { proxies, close };
}
