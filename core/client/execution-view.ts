import type { Entry, ReplayPlan, WaitingEntry } from "../journal/entry.ts";
import type { ExecutionStatus, HeadFacts, Imported } from "../journal/head.ts";
import type { Inbox } from "../journal/inbox.ts";
import { JournalState } from "../journal/state.ts";
import type { ValueRef } from "../journal/values.ts";
import { type Usage, type UsageEntry, sumUsage } from "../models/usage.ts";
import { artifactsOf } from "./artifact-view.ts";
import { callsOf, errorInfo } from "./call-view.ts";
import { replayView } from "./replay-view.ts";
import type { Execution, ImportedView, PendingWait } from "./execution.ts";

/** An execution whose values are still where they are stored. */
export interface ExecutionView {
  readonly facts: Omit<Execution, "input" | "output" | "pendingWaits">;
  readonly input: ValueRef;
  readonly output?: ValueRef;
  readonly waits: readonly WaitView[];
}

/** A pending wait whose metadata is still where it is stored. */
export interface WaitView {
  readonly wait: Omit<PendingWait, "metadata">;
  readonly metadata?: ValueRef;
}

interface ExecutionViewParams {
  readonly facts: HeadFacts;
  readonly entries: readonly Entry[];
  readonly inbox: Inbox;
  readonly status: ExecutionStatus;
  /** Of a replay. */
  readonly plan?: ReplayPlan | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Label of a checkpoint, if this program defines it. */
  readonly typeOf: (name: string) => string | undefined;
}

/** What a journal says of its execution. Pure: reads no value and no clock. */
export function viewExecution(params: ExecutionViewParams): ExecutionView {
  const { facts, entries, inbox, status, plan, now, typeOf } = params;
  const state = new JournalState();
  for (const entry of entries) state.add(entry);
  const { started, ended } = state;
  const artifacts = artifactsOf(facts.id, entries).map(({ info }) => info);
  const calls = callsOf({ entries, artifacts, now, typeOf });
  return {
    input: facts.input,
    ...(ended?.out === undefined ? {} : { output: ended.out }),
    waits: pendingWaitsOf(state, inbox),
    facts: {
      id: facts.id,
      flow: facts.flow,
      version: facts.version,
      stack: facts.stack,
      status,
      ...(ended?.err === undefined ? {} : { error: errorInfo(ended.err) }),
      createdAt: new Date(facts.createdAt),
      ...(started === undefined ? {} : { startedAt: new Date(started.at) }),
      ...(ended === undefined ? {} : { endedAt: new Date(ended.at) }),
      calls,
      artifacts,
      usage: usageOf(entries),
      ...(facts.parent === undefined ? {} : { parent: facts.parent }),
      ...(facts.imported === undefined ? {} : { imported: importedView(facts.imported) }),
      ...(facts.replayOf === undefined ? {} : { replayOf: facts.replayOf.id }),
      ...(plan === undefined ? {} : replayView(plan, calls, ended !== undefined)),
    },
  };
}

/** Waits that are asked and that nobody has said anything to, taken in or not. */
export function pendingWaitsOf(state: JournalState, inbox: Inbox): WaitView[] {
  if (state.ended !== undefined || state.cancelling !== undefined) return [];
  const said = new Set(
    inbox.items.flatMap((item) => ("call" in item && !state.items.has(item.i) ? [item.call] : [])),
  );
  return [...state.pending()].flatMap((open) =>
    open.t === "waiting" && !said.has(open.id) ? [waitView(open)] : [],
  );
}

function waitView({ id, name, question, schema, gate, at, due, meta }: WaitingEntry): WaitView {
  return {
    wait: {
      id,
      name,
      ...(question === undefined ? {} : { question }),
      ...(schema === undefined ? {} : { schema }),
      gate: gate === true,
      createdAt: new Date(at),
      ...(due === undefined ? {} : { expiresAt: new Date(due) }),
    },
    ...(meta === undefined ? {} : { metadata: meta }),
  };
}

/** Also of calls a retry forgot: what they used was paid for. */
function usageOf(entries: readonly Entry[]): Usage {
  return sumUsage(
    entries.flatMap((entry): UsageEntry[] => {
      if (entry.t !== "llm" && entry.t !== "completed") return [];
      const { llm: record, disp } = entry;
      return record === undefined ? [] : [{ record, kind: disp === "reused" ? disp : "incurred" }];
    }),
  );
}

function importedView({ from, at, copy = false }: Imported): ImportedView {
  return { from, at: new Date(at), copy };
}
