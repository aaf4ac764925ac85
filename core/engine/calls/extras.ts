import { digest } from "../../hash.ts";
import type { ArtifactEntry, LlmEntry, LoadedEntry, LogEntry } from "../../journal/entry.ts";
import type { ArtifactSource } from "../artifacts.ts";
import type { Attempt } from "../attempt.ts";
import type { EngineContext } from "../context.ts";

/** An entry that goes along with an outcome. */
export type ExtraEntry = ArtifactEntry | LlmEntry | LoadedEntry | LogEntry;

/**
 * What an attempt logged and loaded, which model answers a replay took over in it and, if it succeeded, what it saved.
 * Artifacts of a failed attempt are dropped.
 */
export async function extraEntries(
  context: EngineContext,
  callId: string,
  attempt: Attempt,
  succeeded: boolean,
): Promise<ExtraEntry[]> {
  const { values, clock } = context;
  const at = clock.now();
  const extras: ExtraEntry[] = [...attempt.takenLlms];
  for (const fields of attempt.logs)
    extras.push({
      t: "log",
      id: callId,
      fields: await values.put(fields, "the fields of log()"),
      at,
    });
  for (const source of attempt.loads) extras.push(loadedEntry(callId, source, at));
  if (!succeeded) return extras;
  for (const { name, type, value } of attempt.artifacts) {
    const out = await values.put(value, `artifact "${name}"`);
    extras.push({ t: "artifact", id: callId, name, type, out, vh: digest(value), at });
  }
  return extras;
}

function loadedEntry(id: string, source: ArtifactSource, at: number): LoadedEntry {
  const { executionId: from, callId: call, name } = source;
  return { t: "loaded", id, from, call, ...(name === undefined ? {} : { name }), at };
}
