import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loopDirective } from "../../adapters/azure/directive.ts";
import { functionNames } from "../../adapters/azure/names.ts";
import { previewFlow } from "../../adapters/azure/preview.ts";
import { memoryBlobs } from "../../testing/memory.ts";
import { startDurableHost } from "../emulators/durable-host.ts";
import type { EmitCase, Turn } from "./cases.ts";
import type { EmitCloud, EmitRunner } from "./cloud.ts";

/** A step of the loop, as a plan shows it. */
interface Step {
  readonly does: string;
  readonly next: readonly string[];
}

/** Azure: nothing is created for a flow; what is shown are steps of the one orchestrator function, and its actions. */
export const azure: EmitCloud = {
  missing: undefined,
  emit: ({ plan }) => {
    const [flow] = plan.flows;
    if (flow === undefined) throw new TypeError("a plan without a flow");
    const { steps } = previewFlow(plan, flow).definition as { readonly steps: object };
    return { ...steps };
  },
  write: (steps) =>
    Object.entries(steps)
      .map(([name, step]) => {
        const { does, next } = step as Step;
        return `${name}: ${does}\n${next.map((to) => `  -> ${to}\n`).join("")}`;
      })
      .join(""),
  start: startAzure,
};

async function startAzure(): Promise<EmitRunner> {
  const folder = mkdtempSync(join(tmpdir(), "kitaru-emit-"));
  const app = fileURLToPath(new URL("../azure/fixtures/scripted-app.ts", import.meta.url));
  const host = await startDurableHost({ app, env: { SCRIPTS: folder }, workers: 1 });
  let next = 0;
  return {
    path: async ({ turns }: EmitCase) => {
      const executionId = `emit-${next++}`;
      const script = await Promise.all(turns.map(scripted));
      writeFileSync(join(folder, `${executionId}.json`), JSON.stringify(script));
      const input = { executionId, flow: "review" };
      await host.call("start", { name: functionNames.loop, id: `${executionId}:1`, input });
      const { told } = await host.ended(`${executionId}:1`);
      return told.map(counted);
    },
    close: async () => {
      await host.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** What the scripted advance answers; a wake comes before it is awaited. */
async function scripted({ asks, ends }: Turn, turn: number): Promise<object> {
  const directive = await loopDirective(asks, {
    executionId: "e",
    turn,
    blobs: memoryBlobs(),
    park: async () => true,
  });
  const wakeAt = Date.now() + (ends === "time" ? 100 : 60_000);
  return {
    directive: directive.kind === "park" ? { ...directive, wakeAt } : directive,
    wakes: ends === "wake",
  };
}

/** Many of the same are told by their number. */
function counted(action: string): string {
  return action.replace(/^all\((.+)\)$/, (all, inner: string) => {
    const each = inner.split(", ");
    return each.length > 1 ? `all(${each.length} times ${each[0]})` : all;
  });
}
