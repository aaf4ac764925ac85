import type { Capabilities } from "../../core/ports/backend.ts";

/** Time a request keeps for writing down and replying, in milliseconds. */
export const marginMs = 5000;
/** A workflow waits for a reply for 30 minutes (https://cloud.google.com/workflows/quotas); an advance gives way before. */
export const longestAdvanceMs: number = 25 * 60_000;
const longestTaskMs = 30 * 60_000;

/** How stacks of this kind differ from others. */
export const gcpCapabilities: Capabilities = {
  kind: "gcp",
  // a document costs the same whatever it holds, and an object five times as much
  inlineBytes: 16 * 1024,
  // reads are paid by the document, so a journal is a few; each append writes the last one again
  segmentBytes: 32 * 1024,
  // a document has at most 1 MiB, its name and its fields' names included (https://firebase.google.com/docs/firestore/quotas)
  recordBytes: 1_000_000,
  dueShards: 8,
  deployedOnly: true,
  isolated: true,
  advanceMs: longestAdvanceMs - marginMs,
  // the most of a function, whose files lie in its memory (https://cloud.google.com/functions/quotas)
  attemptSizes: [
    { size: "largest", memoryMb: 32_768, storageMb: 32_768, timeoutMs: longestTaskMs },
  ],
  heartbeatMs: 24 * 3600_000,
  leaseMs: 60_000,
  graceMs: 10_000,
};
