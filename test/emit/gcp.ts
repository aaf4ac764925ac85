import { workflowDirective } from "../../adapters/gcp/directive.ts";
import { type WorkflowParts, workflowDefinition } from "../../adapters/gcp/emit.ts";
import { type Yaml, toYaml } from "../../adapters/gcp/workflow-yaml.ts";
import { memoryBlobs } from "../../testing/memory.ts";
import { deployWorkflow, executionsClient, place } from "../emulators/workflows/client.ts";
import { startWorkflows } from "../emulators/workflows/service.ts";
import { type Asked, startScripted } from "../gcp/scripted.ts";
import type { EmitCloud, EmitRunner } from "./cloud.ts";

const parts: WorkflowParts = {
  advance: "https://advance.run.app",
  task: () => "https://task-default.run.app",
};

/** Google Cloud: steps of Workflows, in YAML. */
export const gcp: EmitCloud = {
  missing: undefined,
  emit: ({ plan }) => {
    const { main, ...routines } = workflowDefinition(plan, parts);
    const steps = main.steps.flatMap((step) => Object.entries(step));
    return { ...Object.fromEntries(steps), ...routines };
  },
  write: (steps) => toYaml(steps as { readonly [name: string]: Yaml }),
  start: startGcp,
};

async function startGcp(): Promise<EmitRunner> {
  const emulator = await startWorkflows();
  const client = executionsClient(emulator);
  let next = 0;
  return {
    path: async (given) => {
      const left = [...given.turns];
      const answer = async (asked: Asked): Promise<object> => {
        const turn = asked.op === "advance" ? left.shift() : undefined;
        if (turn === undefined) return {};
        const { asks, ends } = turn;
        // the wake comes before it is awaited
        if (ends === "wake") await wake(String(asked["callbackUrl"]));
        if (ends === "time") setTimeout(() => emulator.expire(), 100);
        return workflowDirective(asks, { executionId: "e", now: -3_600_000, blobs: memoryBlobs() });
      };
      const functions = await startScripted(answer);
      try {
        const id = `emit-${next++}`;
        const local = { advance: functions.url, task: () => functions.url };
        await deployWorkflow(emulator, id, toYaml(workflowDefinition(given.plan, local)));
        await client.createExecution({
          parent: `${place}/workflows/${id}`,
          execution: { argument: JSON.stringify({ executionId: "e", generation: 1 }) },
        });
        const execution = emulator.executions.at(-1);
        await execution?.ended;
        const names = new Set(Object.keys(gcp.emit(given)));
        return execution?.steps.filter((step) => names.has(step)) ?? [];
      } finally {
        await functions.close();
      }
    },
    close: async () => {
      await client.close();
      await emulator.close();
    },
  };
}

async function wake(url: string): Promise<void> {
  await fetch(url, { method: "POST", headers: { authorization: "Bearer emulated" } });
}
