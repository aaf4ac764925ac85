import type {
  AttemptEntry,
  Disposition,
  Entry,
  LoadedEntry,
  OpeningEntry,
  OutcomeEntry,
} from "../journal/entry.ts";
import type { StoredError } from "../journal/stored-error.ts";
import type { ValueRef } from "../journal/values.ts";

/** A value with its name in the call it belongs to: `argument 1`, `metadata`; empty for the only one. */
export interface NamedRef {
  readonly name: string;
  readonly ref: ValueRef;
}

/** A place in the journal. */
export interface Place {
  readonly position: number;
  /** Number of the write it came in. */
  readonly append: number;
  /** Epoch of the advance that wrote it. */
  readonly epoch: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What the journal says of the values of one call. */
export interface CallLineage {
  readonly id: string;
  /** Where it is first mentioned, and when it started. */
  readonly begun: Place;
  readonly ended?: Place;
  /** Digest of what it was asked with; absent in an answer that nothing has asked for. */
  readonly digest?: string;
  readonly inputs: readonly NamedRef[];
  readonly output?: ValueRef;
  readonly error?: StoredError;
  readonly loads: readonly LoadedEntry[];
  /** Execution id of a child flow. */
  readonly child?: string;
  /** How its outcome came about, where it was not executed. */
  readonly taken?: Exclude<Disposition, "executed">;
  /** Id of the call of the replayed execution that its outcome was taken from. */
  readonly source?: string;
}

/** What the journal says of the values of an execution, its calls in the order of their first mention. */
export interface Lineage {
  readonly calls: ReadonlyMap<string, CallLineage>;
  readonly output?: ValueRef;
}

/** Collect which values went into and came out of the calls that stand. */
export function lineageOf(entries: readonly Entry[]): Lineage {
  const calls = new Map<string, Collected>();
  let output: ValueRef | undefined;
  let epoch = 0;
  let append = 0;
  for (const [position, entry] of entries.entries()) {
    if (entry.n !== undefined) append++;
    const place = { position, append, epoch, at: entry.at };
    switch (entry.t) {
      case "advance":
        epoch = entry.epoch;
        break;
      case "retried":
        for (const id of entry.voids) calls.delete(id);
        output = undefined;
        break;
      case "ended":
        output = entry.out;
        break;
      case "loaded":
        collected(calls, entry.id, place).loads.push(entry);
        break;
      case "llm":
      case "artifact":
        collected(calls, entry.id, place);
        break;
      case "attempt":
      case "waiting":
      case "sleeping":
      case "scheduled":
        open(collected(calls, entry.id, place), entry);
        break;
      case "completed":
      case "failed":
        settle(collected(calls, entry.id, place), entry, place);
        break;
      case "started":
      case "log":
      case "cancelling":
      case "rejected":
        break;
    }
  }
  return {
    calls: new Map([...calls].map(([id, call]) => [id, finished(call)])),
    ...(output === undefined ? {} : { output }),
  };
}

interface Collected {
  readonly id: string;
  readonly first: Place;
  startedAt: number;
  ended?: Place;
  digest?: string;
  inputs: readonly NamedRef[];
  output?: ValueRef;
  error?: StoredError;
  readonly loads: LoadedEntry[];
  child?: string;
  taken?: Exclude<Disposition, "executed">;
  source?: string;
}

function collected(calls: Map<string, Collected>, id: string, first: Place): Collected {
  const known = calls.get(id);
  if (known !== undefined) return known;
  const made = { id, first, startedAt: first.at, inputs: [], loads: [] };
  calls.set(id, made);
  return made;
}

function open(call: Collected, entry: AttemptEntry | OpeningEntry): void {
  call.startedAt = Math.min(call.startedAt, entry.t === "attempt" ? entry.s : entry.at);
  call.digest = entry.h;
  if (entry.t === "waiting") call.inputs = waitInputs(entry);
  else if ("in" in entry && entry.in !== undefined) call.inputs = inputsOf(entry, entry.in);
  if (entry.t === "scheduled" && entry.child !== undefined) call.child = entry.child;
}

function settle(call: Collected, entry: OutcomeEntry, place: Place): void {
  if (call.ended !== undefined) return; // the first outcome of a call stands
  call.ended = place;
  if (entry.s !== undefined) call.startedAt = Math.min(call.startedAt, entry.s);
  if (entry.in !== undefined) call.inputs = inputsOf(entry, entry.in);
  else if (entry.kind === "llm" && entry.prompt !== undefined)
    call.inputs = [{ name: "prompt", ref: entry.prompt }];
  if (entry.h !== undefined) call.digest = entry.h;
  if (entry.disp !== undefined) call.taken = entry.disp;
  if (entry.disp === "reused") call.source = entry.src ?? entry.id;
  if (entry.child !== undefined) call.child = entry.child;
  if (entry.t === "completed") call.output = entry.out;
  else call.error = entry.err;
}

function waitInputs({ question, meta }: Extract<Entry, { t: "waiting" }>): NamedRef[] {
  return [
    ...(question === undefined ? [] : [{ name: "question", ref: { v: question } }]),
    ...(meta === undefined ? [] : [{ name: "metadata", ref: meta }]),
  ];
}

function inputsOf({ kind }: Pick<OutcomeEntry, "kind">, refs: readonly ValueRef[]): NamedRef[] {
  return refs.map((ref, index) => ({
    name: kind === "flow" ? "input" : `argument ${index + 1}`,
    ref,
  }));
}

function finished({ first, startedAt, ...call }: Collected): CallLineage {
  return { ...call, begun: { ...first, at: startedAt } };
}
