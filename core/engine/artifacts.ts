import { KitaruStateError } from "../errors.ts";
import { ofExecution } from "../journal/damage.ts";
import type { ArtifactEntry, Entry } from "../journal/entry.ts";
import { readLines } from "../journal/entry.ts";
import { executionPartition } from "../journal/journal.ts";
import type { JournalState } from "../journal/state.ts";
import type { ValueRef } from "../journal/values.ts";
import type { StoredRecord } from "../ports/records.ts";
import type { EngineContext } from "./context.ts";
import { load } from "./session.ts";

/** Every entry of an execution's journal, in order. */
export async function readEntries(context: EngineContext, executionId: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  const partition = executionPartition(executionId);
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await context.backend.records.list({
      partition,
      from: "j/",
      to: "j0",
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const record of page.items) entries.push(...linesOf(executionId, record));
    cursor = page.cursor;
  }
  return entries;
}

function linesOf(executionId: string, { body, sort }: StoredRecord): Entry[] {
  try {
    return readLines(body, sort);
  } catch (error) {
    throw ofExecution(executionId, error);
  }
}

/** Artifacts of calls whose outcome stands: of a voided or failed attempt none is kept. */
export function standingArtifacts(entries: readonly Entry[]): ArtifactEntry[] {
  let artifacts: ArtifactEntry[] = [];
  for (const entry of entries) {
    if (entry.t === "artifact") artifacts.push(entry);
    else if (entry.t === "retried") {
      const voids = new Set(entry.voids);
      artifacts = artifacts.filter((artifact) => !voids.has(artifact.id));
    }
  }
  return artifacts;
}

/** A value found by name, and where. */
export interface FoundArtifact {
  readonly value: unknown;
  readonly source: ArtifactSource;
}

/** Where an artifact or a result is. */
export interface ArtifactSource {
  readonly executionId: string;
  readonly callId: string;
  /** Name of a saved artifact; absent for the result of the call. */
  readonly name?: string;
}

/**
 * Find an artifact by name: one that was saved, else the result of the one checkpoint of that name.
 * Throws a state error when there is none, or several and none is saved under the name.
 */
export async function findArtifact(
  context: EngineContext,
  executionId: string,
  name: string,
): Promise<FoundArtifact> {
  const { head, journal } = await load(context, executionId);
  if (head === undefined)
    throw new KitaruStateError(`load(): there is no execution "${executionId}" on this stack.`, {
      code: "not_found",
    });
  const saved = standingArtifacts(await readEntries(context, executionId));
  const { ref, ...source } = pick(executionId, name, saved, journal.state);
  return { value: await context.values.get(ref), source: { executionId, ...source } };
}

function pick(
  executionId: string,
  name: string,
  saved: readonly ArtifactEntry[],
  state: JournalState,
): Omit<ArtifactSource, "executionId"> & { readonly ref: ValueRef } {
  const last = saved.findLast((artifact) => artifact.name === name);
  if (last !== undefined) return { callId: last.id, name, ref: last.out };
  const results = [...state.outcomes.values()].flatMap(({ entry }) =>
    entry.t === "completed" && (entry.name === name || entry.id === name) ? [entry] : [],
  );
  const [only, ...others] = results;
  if (only === undefined) {
    const names = new Set([
      ...saved.map((artifact) => artifact.name),
      ...[...state.outcomes.values()].map(({ entry }) => entry.name),
    ]);
    throw new KitaruStateError(
      `load(): execution ${executionId} has no artifact named "${name}". It has: ${[...names].join(", ") || "none"}.`,
      { code: "not_found" },
    );
  }
  if (others.length > 0)
    throw new KitaruStateError(
      `load(): execution ${executionId} has ${results.length} results named "${name}". Name one call: ${results.map((entry) => entry.id).join(", ")}.`,
    );
  return { callId: only.id, ref: only.out };
}
