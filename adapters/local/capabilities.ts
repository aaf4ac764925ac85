import type { Capabilities } from "../../core/ports/backend.ts";

/** How the local stack differs from others. */
export const localCapabilities: Capabilities = {
  kind: "local",
  inlineBytes: 16 * 1024,
  segmentBytes: 3500, // with its key a segment then mostly fits one 4 KB page
  recordBytes: 64 * 1024 * 1024,
  snapshotPages: true, // one statement each
  dueShards: 1,
  isolated: true,
  heartbeatMs: 24 * 3600_000,
  leaseMs: 30_000,
  graceMs: 5000,
};
