import type { Capabilities } from "../../core/ports/backend.ts";

/** Time an invocation keeps for writing down and replying, in milliseconds. */
export const marginMs = 5000;

/** How stacks of this kind differ from others. */
export const awsCapabilities: Capabilities = {
  kind: "aws",
  // eight write units cost as much as one object, and a small value is read with its journal
  inlineBytes: 4 * 1024,
  // with its key an append then mostly costs one write unit of 1 KB
  segmentBytes: 700,
  // an item has at most 400 KB, its attributes' names and keys included
  recordBytes: 384 * 1024,
  dueShards: 8,
  deployedOnly: true,
  isolated: true,
  // an invocation takes 15 minutes at the most, and gives way before
  advanceMs: 15 * 60_000 - marginMs,
  // the most of Lambda: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
  attemptSizes: [{ size: "largest", memoryMb: 10_240, storageMb: 10_240, timeoutMs: 15 * 60_000 }],
  heartbeatMs: 24 * 3600_000,
  leaseMs: 60_000,
  graceMs: 10_000,
};
