import type { Runtime } from "../../core/engine/runtime.ts";
import { type Entry, readLines } from "../../core/journal/entry.ts";
import { executionPartition } from "../../core/journal/journal.ts";
import type { ValueRef } from "../../core/journal/values.ts";

/** What differs between two runs of the same thing: when, by whom, in which epoch, under which nonce. */
const passing = new Set([
  "n",
  "at",
  "s",
  "due",
  "until",
  "owner",
  "epoch",
  "item",
  "latencyMs",
  "retryAt",
  "seed",
  "stack",
]);

/**
 * The journal of an execution without what passes: values in full whether they were stored in the entry or beside it,
 * entries by call, since branches that run at once end in any order.
 */
export async function journalOf(runtime: Runtime, executionId: string): Promise<string[]> {
  const entries = await entriesOf(runtime, executionId);
  const told = entries.filter(({ t }) => t !== "advance" && t !== "started");
  const lines = await Promise.all(
    told.map(async (entry) => JSON.stringify(await plain(runtime, entry))),
  );
  return lines.toSorted();
}

/** All journal entries of an execution, in order. */
export async function entriesOf({ backend }: Runtime, executionId: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  const partition = executionPartition(executionId);
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await backend.records.list({
      partition,
      from: "j/",
      to: "j0",
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const { sort, body } of page.items) entries.push(...readLines(body, sort));
    cursor = page.cursor;
  }
  return entries;
}

async function plain(runtime: Runtime, value: unknown, key = ""): Promise<unknown> {
  if (key === "err") return errorOf(value);
  if (isRef(key, value)) return runtime.context.values.get(value);
  if (Array.isArray(value))
    return Promise.all(value.map((item) => plain(runtime, item, key === "in" ? "out" : "")));
  if (typeof value !== "object" || value === null) return value;
  const kept: Record<string, unknown> = {};
  for (const name of Object.keys(value).toSorted())
    if (!passing.has(name)) kept[name] = await plain(runtime, Reflect.get(value, name), name);
  return kept;
}

/** Fields of entries that refer to a value. */
const refs = new Set(["out", "prompt", "response", "meta", "fields", "input"]);

function isRef(key: string, value: unknown): value is ValueRef {
  return refs.has(key) && typeof value === "object" && value !== null;
}

/** Equality of errors ignores their stacks. */
function errorOf(error: unknown): unknown {
  const { name, message, code } = error as { name?: string; message?: string; code?: string };
  return { name, message, code };
}
