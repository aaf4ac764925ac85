import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalOrchestrator } from "../../adapters/local/orchestrator.ts";
import { virtualClock } from "../clock.ts";
import { memoryOrchestrator } from "../orchestrator.ts";
import { describeOrchestrator } from "./orchestrator.ts";

for (const style of ["process", "cloud"] as const)
  describeOrchestrator(`in memory, as a ${style}`, {
    open: () => {
      const clock = virtualClock();
      return {
        orchestrator: memoryOrchestrator({ clock, style }),
        now: () => clock.now(),
        pass: (ms) => clock.advanceBy(ms),
      };
    },
  });

describeOrchestrator("local", {
  open: async () => {
    const root = await mkdtemp(join(tmpdir(), "orchestrator-"));
    const folder = join(root, ".kitaru");
    return {
      orchestrator: new LocalOrchestrator({ folder, worker: { root, options: {} } }),
      now: () => Date.now(),
      pass: (ms) =>
        new Promise((resolve) => {
          setTimeout(resolve, ms);
        }),
    };
  },
});
