import { type Flow, type Wait, checkpoint, flow, wait } from "kitaru";

/** A trivial checkpoint. */
export const inc = checkpoint("inc", (n: number) => n + 1);

/** One checkpoint after another. */
export const sequence: Flow<number, number> = flow("sequence", async (steps: number) => {
  let n = 0;
  for (let step = 0; step < steps; step += 1) n = await inc(n);
  return n;
});

/** All checkpoints at once. */
export const parallel: Flow<number, number> = flow("parallel", async (steps: number) => {
  const results = await inc.map(Array.from({ length: steps }, (_, index) => index));
  return results.length;
});

/** A question without a schema. */
export const approve: Wait<void, void> = wait("approve");

/** Nothing but a wait. */
export const gated: Flow<void, string> = flow("gated", async () => {
  await approve();
  return "approved";
});

/** What is told of flows that run in this process. */
export const hooks: { reached: () => void } = { reached: () => {} };

const next = checkpoint("next", () => {
  hooks.reached();
});

/** Checkpoints, a wait, and one more checkpoint. */
export const suspended: Flow<number, void> = flow("suspended", async (steps: number) => {
  for (let step = 0; step < steps; step += 1) await inc(step);
  await approve();
  await next();
});

/** Size of a large result: one megabyte. */
export const largeBytes = 1_000_000;

const largeText = checkpoint("large_text", (n: number) =>
  String(n)
    .padStart(8, "0")
    .repeat(largeBytes / 8),
);
const largeBinary = checkpoint("large_binary", (n: number) => {
  const bytes = new Uint8Array(largeBytes).fill(n);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
});

/** What {@link large} makes: results `first` to `last`, none of which equals another. */
export interface LargeInput {
  readonly kind: "text" | "bytes";
  readonly first: number;
  readonly last: number;
}

/** Large results one after another. */
export const large: Flow<LargeInput, void> = flow(
  "large",
  async ({ kind, first, last }: LargeInput) => {
    for (let n = first; n <= last; n += 1) await (kind === "text" ? largeText(n) : largeBinary(n));
  },
);
