import { Buffer } from "node:buffer";
import { sha256Hex } from "../hash.ts";
import type { Entry } from "../journal/entry.ts";
import { type ValueRef, isBlobRef } from "../journal/values.ts";
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
  return standing.map(({ ref, at, callId, name, type, version }) => {
    const place = `${executionId}/${callId}/${name}`;
    const count = (counts.get(place) ?? 0) + 1;
    counts.set(place, count);
    const id = count === 1 ? place : `${place}~${count}`;
    const createdAt = new Date(at);
    const size = sizeOf(ref);
    return { info: { id, executionId, callId, name, type, version, size, createdAt }, ref };
  });
}

interface NamedValue {
  readonly callId: string;
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly at: number;
  readonly ref: ValueRef;
}

function namedValues(entry: Entry): NamedValue[] {
  switch (entry.t) {
    case "artifact": {
      const { id: callId, name, type, vh, at, out: ref } = entry;
      const version = Buffer.from(vh, "base64url").toString("hex");
      return [{ callId, name, type, version, at, ref }];
    }
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
  const { id: callId, name, at } = entry;
  return [{ callId, name: `${name}_${type}`, type, version: contentHash(ref), at, ref }];
}

/** Of what has no recorded digest. */
function contentHash(ref: ValueRef): string {
  if (isBlobRef(ref)) return ref.b;
  if ("r" in ref) return sha256Hex(ref.r);
  return sha256Hex("x" in ref ? Buffer.from(ref.x, "base64") : JSON.stringify(ref.v));
}
