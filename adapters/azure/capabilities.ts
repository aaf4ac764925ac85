import type { Capabilities } from "../../core/ports/backend.ts";
import { largestBody } from "./bodies.ts";

/**
 * How long an advance runs before it gives way, in milliseconds. An app of the Flex Consumption plan has no limit of its
 * own, but one that is moved to another machine has ten minutes to finish
 * (https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout).
 */
export const advanceMs: number = 8 * 60_000;

/** How stacks of this kind differ from others. */
export const azureCapabilities: Capabilities = {
  kind: "azure",
  // a write costs the same whatever its size, and a blob a hundred and fifty times as much; each advance reads its journal
  inlineBytes: 16 * 1024,
  segmentBytes: 8 * 1024,
  recordBytes: largestBody,
  dueShards: 8,
  deployedOnly: true,
  isolated: true,
  advanceMs,
  // the largest instance of the plan; its temporary files and its time are what one attempt may count on
  attemptSizes: [{ size: "4096", memoryMb: 4096, storageMb: 800, timeoutMs: advanceMs }],
  heartbeatMs: 24 * 3600_000,
  leaseMs: 60_000,
  graceMs: 10_000,
};
