import type { Entry } from "../journal/entry.ts";
import type { ValueRef } from "../journal/values.ts";
import type { ArtifactView } from "./execution.ts";
import { sizeOf } from "./values.ts";

/** An artifact and where its value is. */
export interface ArtifactRef {
  readonly info: ArtifactView;
  readonly ref: ValueRef;
}

/** Artifacts that stand: saved values, prompts and responses. Those of calls a retry forgot are gone. */
export function artifactsOf(executionId: string, entries: readonly Entry[]): ArtifactRef[] {
  let standing: NamedValue[] = [];
  for (const entry of entries) {
    if (entry.t === "retried") {
      const voids = new Set(entry.voids);
      standing = standing.filter(({ callId }) => !voids.has(callId));
    } else standing.push(...namedValues(entry));
  }
  const counts = new Map<string, number>();
  return standing.map(({ ref, at, callId, name, type }) => {
    const place = `${executionId}/${callId}/${name}`;
    const count = (counts.get(place) ?? 0) + 1;
    counts.set(place, count);
    const id = count === 1 ? place : `${place}~${count}`;
    const createdAt = new Date(at);
    return { info: { id, executionId, callId, name, type, size: sizeOf(ref), createdAt }, ref };
  });
}

interface NamedValue {
  readonly callId: string;
  readonly name: string;
  readonly type: string;
  readonly at: number;
  readonly ref: ValueRef;
}

function namedValues(entry: Entry): NamedValue[] {
  switch (entry.t) {
    case "artifact":
      return [
        { callId: entry.id, name: entry.name, type: entry.type, at: entry.at, ref: entry.out },
      ];
    case "llm":
    case "completed":
    case "failed":
      return [...exchange(entry, "prompt"), ...exchange(entry, "response")];
    default:
      return [];
  }
}

function exchange(
  entry: Extract<Entry, { t: "llm" | "completed" | "failed" }>,
  type: "prompt" | "response",
): NamedValue[] {
  const ref = entry[type];
  if (ref === undefined) return [];
  return [{ callId: entry.id, name: `${entry.name}_${type}`, type, at: entry.at, ref }];
}
