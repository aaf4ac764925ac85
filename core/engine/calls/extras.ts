import { digest } from "../../hash.ts";
import type { ArtifactEntry, LogEntry } from "../../journal/entry.ts";
import type { Attempt } from "../attempt.ts";
import type { EngineContext } from "../context.ts";

/** What an attempt logged and, if it succeeded, saved. Artifacts of a failed attempt are dropped. */
export async function extraEntries(
  context: EngineContext,
  callId: string,
  attempt: Attempt,
  succeeded: boolean,
): Promise<(ArtifactEntry | LogEntry)[]> {
  const { values, clock } = context;
  const at = clock.now();
  const extras: (ArtifactEntry | LogEntry)[] = [];
  for (const fields of attempt.logs)
    extras.push({
      t: "log",
      id: callId,
      fields: await values.put(fields, "the fields of log()"),
      at,
    });
  if (!succeeded) return extras;
  for (const { name, type, value } of attempt.artifacts) {
    const out = await values.put(value, `artifact "${name}"`);
    extras.push({ t: "artifact", id: callId, name, type, out, vh: digest(value), at });
  }
  return extras;
}
