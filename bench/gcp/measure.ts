import { gcp } from "../../adapters/gcp/index.ts";
import { configure } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import type { Cloud } from "../../test/gcp/cloud.ts";
import { startFaultProxy } from "../../test/emulators/fault-proxy.ts";
import type { Execution } from "../../test/emulators/workflows/execution.ts";
import { type CountedRow, CountedRuns } from "../counted-runs.ts";
import { Counter, type Counts } from "./counter.ts";

interface Orchestrated {
  /** Requests to the functions. */
  readonly requests: number;
  /** Steps of the workflow, without those that are only jumps. */
  readonly steps: number;
}

/** What one thing a flow does costs on gcp. */
export type GcpRow = CountedRow<Counts, Orchestrated>;

/** Count what a start, each kind of call and an end ask for, from runs that differ in that one thing. */
export async function measureGcp(cloud: Cloud): Promise<readonly GcpRow[]> {
  const { proxies, close } = await openStackOf(cloud);
  try {
    const runs = new CountedRuns<Counts, Orchestrated>({
      stack: "gcp",
      all: new Counter(cloud),
      caller: new Counter(proxies),
      ...orchestrationOf(cloud),
    });
    await runs.warm();
    // each advance reads the journal, so that the reads of an isolated checkpoint grow with those before it
    return await runs.rows([1, 3]);
  } finally {
    await close();
  }
}

/** The stack `gcp`, its requests through proxies of the caller's own. */
async function openStackOf(cloud: Cloud) {
  const [database, bucket, orchestration] = await Promise.all([
    startFaultProxy(cloud.database.endpoint),
    startFaultProxy(cloud.bucket.endpoint),
    startFaultProxy(cloud.orchestration.endpoint),
  ]);
  const endpoint = {
    firestore: database.endpoint,
    storage: bucket.endpoint,
    workflows: orchestration.endpoint,
    executions: orchestration.endpoint,
  };
  configure({ config: { stacks: { gcp: gcp({ ...cloud.options, endpoint }) } } });
  const entry = new URL("../counted-flows.ts", import.meta.url);
  await deploy(await openStack("gcp"), { entry, flows: ["counted"], tag: "default" });
  const proxies = { database, bucket, orchestration };
  const close = async (): Promise<void> => {
    await closeStacks();
    for (const proxy of Object.values(proxies)) await proxy.close();
  };
  return { proxies, close };
}

function orchestrationOf({ functions, workflows }: Cloud) {
  let requests = 0;
  for (const { proxy } of Object.values(functions)) proxy.onReply.add(() => void (requests += 1));
  const executionOf = (id: string): Execution | undefined =>
    workflows.executions.find(({ argument }) => argument.includes(`"${id}"`));
  return {
    done: async (): Promise<Orchestrated> => ({
      requests,
      steps: workflows.executions.reduce((steps, { used }) => steps + used.steps, 0),
    }),
    isParked: async (id: string, wait: number): Promise<boolean> => {
      const step = "wait_for_approve";
      const { steps } = executionOf(id) ?? { steps: [] };
      return steps.at(-1) === step && steps.filter((one) => one === step).length >= wait;
    },
    ended: async (id: string): Promise<void> => {
      while (executionOf(id) === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
      await executionOf(id)?.ended;
    },
  };
}
