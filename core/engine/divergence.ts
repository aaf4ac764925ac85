import { KitaruDivergenceError } from "../errors.ts";
import { digest } from "../hash.ts";
import type { CallKind } from "../journal/entry.ts";
import type { JournalState, KnownCall } from "../journal/state.ts";
import type { ValueRef, ValueStore } from "../journal/values.ts";
import type { LlmCall } from "../ports/model.ts";
import { type Call, inputName, inputsOf, optionsOf } from "./call.ts";

/** A mismatch of code and journal, as found; turned into an error when the advance ends. */
export type Divergence =
  | { readonly kind: "changed"; readonly call: Call; readonly known: KnownCall }
  | {
      readonly kind: "unasked";
      readonly ids: readonly string[];
      readonly fresh: readonly string[];
    };

const remedies =
  "Nothing new has run. Either restore the code this execution started with and retry it, or start over with the new code (`kitaru executions replay` keeps what still fits).";

/** The error for a divergence: names the call, the changed path and the remedies. */
export async function divergenceError(
  found: Divergence,
  state: JournalState,
  values: ValueStore,
): Promise<KitaruDivergenceError> {
  if (found.kind === "unasked") return unaskedError(found);
  const { call, known } = found;
  const what = await describeChange(call, known, state, values);
  return new KitaruDivergenceError(
    `The flow no longer matches its journal at ${call.id}: ${what}. ${remedies}`,
    { details: { call: call.id } },
  );
}

function unaskedError({ ids, fresh }: Divergence & { kind: "unasked" }): KitaruDivergenceError {
  const shown = list(ids);
  const instead =
    fresh.length === 0
      ? "and returns without asking for it"
      : `and asks for ${list(fresh)} instead`;
  return new KitaruDivergenceError(
    `The flow no longer matches its journal: it recorded ${shown}, but the code does not ask for ${ids.length === 1 ? "that" : "those"} any more, ${instead}. ${remedies}`,
    { details: { call: ids[0], calls: ids } },
  );
}

async function describeChange(
  call: Call,
  known: KnownCall,
  state: JournalState,
  values: ValueStore,
): Promise<string> {
  if (call.kind !== known.kind)
    return `it was recorded as ${article(known.kind)} and is now ${article(call.kind)}`;
  if (call.h === known.h)
    return `it was call number ${known.ask + 1} of the flow and is now number ${call.ask + 1}: the calls were reordered, or one was inserted or removed before it`;
  const path = await changedInput(call, state, values);
  return `its input changed${path === undefined ? "" : ` at ${path}`}`;
}

/** Where the input of a call differs from the recorded one, with both values; undefined when that is not known. */
export async function changedInput(
  call: Pick<Call, "id" | "spec">,
  state: JournalState,
  values: ValueStore,
): Promise<string | undefined> {
  if (call.spec.kind === "llm") return changedRequest(call.id, call.spec.call, state, values);
  const recorded = await recordedInputs(call.id, state, values);
  if (recorded === undefined) return undefined;
  const now = inputsOf(call.spec);
  if (recorded.length !== now.length)
    return `the number of arguments (${recorded.length}, now ${now.length})`;
  for (const [index, value] of recorded.entries()) {
    const path = firstDifference(value, now[index], "");
    if (path !== undefined) return `${inputName(call.spec, index)}${path}`;
  }
  return undefined;
}

/** The request is recorded, unless the call was to be recorded without it. */
async function changedRequest(
  id: string,
  call: LlmCall,
  state: JournalState,
  values: ValueStore,
): Promise<string | undefined> {
  const { identity } = call;
  const { prompt, options } = state.outcomes.get(id)?.entry ?? {};
  if (prompt === undefined || !isContainer(identity)) return undefined;
  const messages = identity["messages"] ?? identity["prompt"];
  const path = firstDifference(await values.get(prompt), messages, "");
  if (path !== undefined) return `the prompt${path}`;
  if (options === undefined) return "the model or its options";
  return firstDifference(await values.get(options), optionsOf(call), "options");
}

async function recordedInputs(
  id: string,
  state: JournalState,
  values: ValueStore,
): Promise<readonly unknown[] | undefined> {
  const open = state.opens.get(id);
  if (open?.t === "sleeping") return [open.ms ?? new Date(open.due)];
  if (open?.t === "waiting")
    return [open.question, open.meta === undefined ? undefined : await values.get(open.meta)];
  const refs: readonly ValueRef[] | undefined =
    state.outcomes.get(id)?.entry.in ??
    (open?.t === "scheduled" ? open.in : undefined) ??
    state.attempts.get(id)?.find((attempt) => attempt.in !== undefined)?.in;
  return refs === undefined ? undefined : Promise.all(refs.map((ref) => values.get(ref)));
}

/** Path of the first place where two values differ, with what is there in both; undefined when none is found. */
export function firstDifference(before: unknown, after: unknown, path: string): string | undefined {
  return new Comparison().firstDifference(before, after, path);
}

class Comparison {
  /** Containers that have been compared: a cycle, and one that many refer to, is walked once. */
  readonly #walked = new Set<unknown>();

  firstDifference(before: unknown, after: unknown, path: string): string | undefined {
    if (Object.is(before, after)) return undefined;
    const areContainers = isContainer(before) && isContainer(after);
    if (!areContainers || Array.isArray(before) !== Array.isArray(after))
      return areEqual(before, after)
        ? undefined
        : `${path} (recorded ${show(before)}, now ${show(after)})`;
    if (this.#walked.has(before)) return undefined;
    this.#walked.add(before);
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    for (const key of keys) {
      const step = Array.isArray(before) ? `[${key}]` : stepTo(key);
      const found = this.firstDifference(before[key], after[key], path + step);
      if (found !== undefined) return found;
      if (Object.hasOwn(before, key) !== Object.hasOwn(after, key))
        return `${path}${step} (recorded ${showMember(before, key)}, now ${showMember(after, key)})`;
    }
    return undefined;
  }
}

function stepTo(key: string): string {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key)
    ? `.${key}`
    : `[${JSON.stringify(key)}]`;
}

function showMember(container: Record<string, unknown>, key: string): string {
  return Object.hasOwn(container, key) ? show(container[key]) : "nothing";
}

/** Whether two values that are no containers, such as dates, maps and bytes, are told apart by their digests. */
function areEqual(before: unknown, after: unknown): boolean {
  if (typeof before !== "object" || typeof after !== "object") return false;
  return digest(before) === digest(after);
}

function isContainer(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Array.isArray(value);
}

function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : inspect(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** Of bounded size, however large the value is. Loads `node:util` only to tell of a divergence. */
function inspect(value: unknown): string {
  return process.getBuiltinModule("node:util").inspect(value, {
    depth: 2,
    breakLength: Infinity,
    maxArrayLength: 10,
    maxStringLength: 60,
  });
}

function article(kind: CallKind): string {
  const word = kind === "flow" ? "child flow" : kind === "llm" ? "llm call" : kind;
  return `a ${word}`.replace(/^a llm/, "an llm");
}

function list(ids: readonly string[]): string {
  const shown = ids
    .slice(0, 5)
    .map((id) => `"${id}"`)
    .join(", ");
  return ids.length > 5 ? `${shown} and ${ids.length - 5} more` : shown;
}
