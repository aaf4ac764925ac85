// Runs one flow and says how much memory the process took at most, in MB. Plain JavaScript: what
// strips types from TypeScript would take more than the flow.
import { checkpoint, configure, flow } from "kitaru";
import { local } from "kitaru/local";

const [, , root, durability, what, size] = process.argv;
const largeBytes = 1_000_000;

const inc = checkpoint("inc", (n) => n + 1);
const text = checkpoint("text", (n) =>
  String(n)
    .padStart(8, "0")
    .repeat(largeBytes / 8),
);
const bytes = checkpoint("bytes", (n) => new Uint8Array(largeBytes).fill(n));
const work = { sequence: inc, text, bytes }[what];

const steps = flow("steps", async (count) => {
  for (let n = 0; n < count; n += 1) await work(n);
});

configure({ root, config: { stacks: { local: local({ durability }) } } });
await steps.run(Number(size)).result();
process.send(process.resourceUsage().maxRSS / 1000);
