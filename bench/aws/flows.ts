import { checkpoint, flow, wait } from "kitaru";

const step = checkpoint("step", (n: number) => n);
const ten = checkpoint("ten", (n: number) => String(n).padEnd(10_240, "x"));
const far = checkpoint("far", { runtime: "isolated" }, (n: number) => n);
const approve = wait("approve");

/** So many checkpoints of a kind after another, and so many waits. */
export const counted = flow(
  "counted",
  async (input: { steps?: number; tens?: number; fars?: number; waits?: number }) => {
    for (let n = 0; n < (input.steps ?? 0); n++) await step(n);
    for (let n = 0; n < (input.tens ?? 0); n++) await ten(n);
    for (let n = 0; n < (input.fars ?? 0); n++) await far(n);
    for (let n = 0; n < (input.waits ?? 0); n++) await approve();
  },
);
