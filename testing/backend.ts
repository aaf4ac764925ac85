import type { Backend, Capabilities } from "../core/ports/backend.ts";
import type { SecretStore } from "../core/ports/secrets.ts";
import { type VirtualClock, virtualClock } from "./clock.ts";
import {
  type MemoryBlobsOptions,
  type MemoryRecordsOptions,
  memoryBlobs,
  memoryRecords,
  memorySecrets,
} from "./memory.ts";
import {
  type MemoryOrchestrator,
  type MemoryOrchestratorOptions,
  memoryOrchestrator,
} from "./orchestrator.ts";

/** Options of {@link memoryBackend}. */
export interface MemoryBackendOptions {
  /** @default one that stands still until it is moved */
  readonly clock?: VirtualClock;
  /** Faults of the record store; a small page size tests paging. */
  readonly records?: MemoryRecordsOptions;
  readonly blobs?: MemoryBlobsOptions;
  /** Makes the stores to use instead of those in memory, empty ones for each backend: to hold real ones against flows. */
  readonly stores?: () => Pick<Backend, "records" | "blobs">;
  /** Secrets by name. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What differs from {@link memoryCapabilities}: small segments and inline values test their edges. */
  readonly capabilities?: Partial<Capabilities>;
  readonly orchestrator?: Omit<MemoryOrchestratorOptions, "clock">;
}

/** A backend in memory, with the parts a test may want to reach into. */
export interface MemoryBackend extends Backend {
  readonly clock: VirtualClock;
  readonly orchestrator: MemoryOrchestrator;
  readonly secrets: SecretStore;
}

/** How the backend in memory differs from others, unless it is told otherwise. */
export const memoryCapabilities: Capabilities = {
  kind: "memory",
  inlineBytes: 4096,
  segmentBytes: 16 * 1024,
  recordBytes: 1024 * 1024,
  dueShards: 1,
  isolated: true,
  heartbeatMs: 24 * 3600_000,
  leaseMs: 30_000,
  graceMs: 5000,
};

/** Everything a stack needs, in this process, on a virtual clock. */
export function memoryBackend(options: MemoryBackendOptions = {}): MemoryBackend {
  const { clock = virtualClock(), records, blobs, secrets, capabilities, orchestrator } = options;
  return {
    clock,
    records: memoryRecords({ now: () => clock.now(), ...records }),
    blobs: memoryBlobs(blobs),
    ...options.stores?.(),
    secrets: memorySecrets(secrets),
    orchestrator: memoryOrchestrator({ ...orchestrator, clock }),
    capabilities: { ...memoryCapabilities, ...capabilities },
    close: async () => clock.close(),
  };
}
