import { gated } from "../flows.ts";
import { pause } from "../measure.ts";
import { parked } from "../parked.ts";
import { type Row, bound } from "../row.ts";
import { useStacks } from "../stacks.ts";
import type { Params, Workload } from "../workload.ts";

const executions = 10;

/** CPU time of a process whose executions wait while it awaits their results. */
export const idle: Workload = { durabilities: ["normal"], run };

async function run(params: Params): Promise<readonly Row[]> {
  useStacks(params);
  for (let n = 0; n < executions; n += 1) {
    const handle = await parked(gated.run());
    handle.result().catch(() => {}); // the process ends before the execution does
  }
  await pause(params.isQuick ? 1000 : 3000); // looks at an execution get rarer during the first seconds
  const windowMs = params.isQuick ? 1500 : 8000;
  const before = process.cpuUsage();
  await pause(windowMs);
  const { user, system } = process.cpuUsage(before);
  const percent = (user + system) / 1000 / (windowMs / 100);
  return [
    {
      workload: "idle",
      what: `CPU with ${executions} executions waiting`,
      durability: params.durability,
      unit: "%",
      ours: percent,
      target: bound(percent, "%", 0.5),
    },
  ];
}
