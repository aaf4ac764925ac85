import { readFile } from "node:fs/promises";

import { readEntries } from "../../core/engine/artifacts.ts";
import { childExecutionId } from "../../core/engine/children.ts";
import type { EngineContext } from "../../core/engine/context.ts";
import type { Entry, OutcomeEntry } from "../../core/journal/entry.ts";
import type { Effect } from "./fixtures/flows.ts";

/** When a model was asked what. */
export interface Asked {
  readonly prompt: string;
  readonly at: number;
}

/** What one execution left, in its journal and in the world. */
export interface Evidence {
  readonly id: string;
  readonly entries: readonly Entry[];
  readonly effects: readonly Effect[];
}

/** Read the log of side effects. */
export async function readEffects(file: string): Promise<Effect[]> {
  const text = await readFile(file, "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Effect);
}

/** Everything an execution and its child left. */
export async function evidenceOf(
  context: EngineContext,
  id: string,
  effects: readonly Effect[],
): Promise<Evidence[]> {
  const ids = [id, childExecutionId(id, "errand:0")];
  return Promise.all(
    ids.map(async (one) => ({
      id: one,
      entries: await readEntries(context, one),
      effects: effects.filter(({ key }) => key.slice(0, key.lastIndexOf("/")) === one),
    })),
  );
}

/** What is wrong with what an execution left; empty when all is well. */
export function violationsOf({ id, entries, effects }: Evidence, kills: number): string[] {
  const found: string[] = [];
  const outcomes = new Map<string, OutcomeEntry>();
  for (const entry of entries.filter(isOutcome)) {
    if (outcomes.has(entry.id)) found.push(`${entry.id} has two outcomes`);
    outcomes.set(entry.id, entry);
  }
  const byKey = Map.groupBy(effects, ({ key }) => key);
  for (const [key, acts] of byKey) {
    const call = key.slice(id.length + 1);
    const outcome = outcomes.get(call);
    const isRaced = call.startsWith("step:");
    if (outcome === undefined && !isRaced) found.push(`${key} acted and has no outcome`);
    if (outcome !== undefined && acts.some(({ at }) => at > outcome.at))
      found.push(`${key} ran again after its outcome was recorded`);
    for (const no of new Set(acts.map(({ attempt }) => attempt)))
      found.push(...attemptViolations(entries, acts, call, no));
    if (acts.length > (outcome?.tries ?? 1) + kills) found.push(`${key} ran ${acts.length} times`);
    if (call.startsWith("charge") && acts.length > 1) found.push(`${key} was charged twice`);
  }
  for (const [call, { kind, t }] of outcomes)
    if (kind === "checkpoint" && t === "completed" && !byKey.has(`${id}/${call}`))
      found.push(`${call} completed without having run`);
  for (const kind of ["started", "ended", "log", "artifact"] as const)
    if (entries.filter(({ t }) => t === kind).length > 1) found.push(`${kind} is there twice`);
  return found.map((text) => `${id}: ${text}`);
}

/** Requests to a model whose answer had been recorded before. */
export function paidTwice({ id, entries }: Evidence, asked: readonly Asked[]): string[] {
  return entries.flatMap((entry) => {
    if (entry.t !== "llm" && (entry.t !== "completed" || entry.kind !== "llm")) return [];
    const prompt = JSON.stringify(entry.prompt);
    const same = asked.filter((one) => prompt.includes(JSON.stringify(one.prompt)));
    if (same.length === 0) return [`${id}: nobody asked for the answer of ${entry.id}`];
    const late = same.filter((one) => one.at > entry.at);
    return late.map((one) => `${id}: "${one.prompt}" was asked again after it was answered`);
  });
}

function attemptViolations(
  entries: readonly Entry[],
  acts: readonly Effect[],
  call: string,
  no: number,
): string[] {
  const failed = entries.find(
    (entry) => entry.t === "attempt" && entry.id === call && entry.no === no && entry.err,
  );
  const late = acts.filter(({ attempt, at }) => attempt === no && failed && at > failed.at);
  return late.map(() => `${call} made attempt ${no} again after it was recorded`);
}

function isOutcome(entry: Entry): entry is OutcomeEntry {
  return entry.t === "completed" || entry.t === "failed";
}
