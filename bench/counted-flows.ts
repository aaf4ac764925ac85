import { checkpoint, flow, wait } from "kitaru";

const step = checkpoint("step", (n: number) => n);
const large = checkpoint("large", (n: number) => String(n).padEnd(20_480, "x"));
const far = checkpoint("far", { runtime: "isolated" }, (n: number) => n);
const approve = wait("approve");

/** So many checkpoints of a kind after another, and so many waits. */
export const counted = flow(
  "counted",
  async (input: { steps?: number; larges?: number; fars?: number; waits?: number }) => {
    for (let n = 0; n < (input.steps ?? 0); n++) await step(n);
    for (let n = 0; n < (input.larges ?? 0); n++) await large(n);
    for (let n = 0; n < (input.fars ?? 0); n++) await far(n);
    for (let n = 0; n < (input.waits ?? 0); n++) await approve();
  },
);
