import type { Capabilities } from "../../core/ports/backend.ts";
import { largestBody } from "./bodies.ts";

/**
 * How long an advance runs before it gives way, in milliseconds. An app of the Flex Consumption plan has no limit of its
 * own, but one that is moved to another machine has ten minutes to finish
 * (https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout).
 */
export const advanceMs: number = 8 * 60_000;

/** Memory an instance of the plan may have, in MB. */
export type InstanceMemory = 512 | 2048 | 4096;
/** Memory of an instance where nobody says otherwise, in MB. */
export const defaultMemoryMb = 2048;

/** How stacks of this kind differ from others, with instances of this memory. */
export function capabilitiesOf(memoryMb: InstanceMemory): Capabilities {
  return {
    ...azureCapabilities,
    attemptSizes: [{ size: "instance", memoryMb, storageMb, timeoutMs: advanceMs }],
  };
}

/** Temporary files of an instance, in MB (https://learn.microsoft.com/azure/azure-functions/functions-scale#service-limits). */
const storageMb = 800;

/** How stacks of this kind differ from others; sizes of attempts are those of {@link capabilitiesOf}. */
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
  heartbeatMs: 24 * 3600_000,
  leaseMs: 60_000,
  graceMs: 10_000,
};
