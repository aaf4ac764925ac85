import { digest } from "../hash.ts";
import { readDocument } from "../journal/inbox.ts";
import type { ValueRef } from "../journal/values.ts";
import type { RecordKey } from "../ports/records.ts";
import type { EngineContext } from "./context.ts";
import type { CacheSetting, CheckpointDefinition, FlowDefinition } from "./definitions.ts";

interface CachedOutcome {
  readonly out: ValueRef;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly executionId: string;
  readonly callId: string;
}

/** The setting that applies: the checkpoint's own, else the flow's. Calls that must run once are never cached. */
export function cacheSettingOf(
  checkpoint: CheckpointDefinition,
  flow: FlowDefinition,
): CacheSetting | undefined {
  return checkpoint.semantics === "at-most-once" ? undefined : (checkpoint.cache ?? flow.cache);
}

/** Outcome another execution recorded for the same code and input, unless it is older than the setting allows. */
export async function readCache(
  context: EngineContext,
  checkpoint: CheckpointDefinition,
  inputHash: string,
  setting: CacheSetting,
  now: number,
): Promise<ValueRef | undefined> {
  const record = await context.backend.records.get(cacheKey(checkpoint, inputHash));
  if (record === undefined) return undefined;
  const found = readDocument<CachedOutcome>(record, "out");
  const isFresh = setting.ttlMs === undefined || now - found.at <= setting.ttlMs;
  return isFresh ? found.out : undefined;
}

/** Offer an outcome to other executions. A lost race or a failing store only costs a later miss. */
export async function writeCache(
  context: EngineContext,
  checkpoint: CheckpointDefinition,
  inputHash: string,
  outcome: Omit<CachedOutcome, "at">,
): Promise<void> {
  const { records } = context.backend;
  const key = cacheKey(checkpoint, inputHash);
  const body = JSON.stringify({ ...outcome, at: context.clock.now() } satisfies CachedOutcome);
  try {
    const current = await records.get(key);
    await records.put({ ...key, body }, current?.version ?? "absent");
  } catch {
    // the outcome itself is in the journal; only its reuse elsewhere is lost
  }
}

function cacheKey(checkpoint: CheckpointDefinition, inputHash: string): RecordKey {
  const sort = `${codeHash(checkpoint)}/${digest(inputHash)}`; // in the clear it may be no key of every store
  return { partition: `cache/${checkpoint.name}`, sort };
}

const codeHashes = new WeakMap<CheckpointDefinition, string>();

function codeHash(checkpoint: CheckpointDefinition): string {
  const known = codeHashes.get(checkpoint);
  if (known !== undefined) return known;
  const made = digest(Function.prototype.toString.call(checkpoint.fn));
  codeHashes.set(checkpoint, made);
  return made;
}
