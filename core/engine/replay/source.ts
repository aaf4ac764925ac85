import { KitaruStateError } from "../../errors.ts";
import type {
  ArtifactEntry,
  CallKind,
  Entry,
  LlmEntry,
  LoadedEntry,
  ReplayOf,
  WaitingEntry,
} from "../../journal/entry.ts";
import { JournalState, type KnownCall, type RecordedOutcome } from "../../journal/state.ts";
import { readEntries } from "../artifacts.ts";
import type { EngineContext } from "../context.ts";
import { isOutside, reusableLlms } from "../llm-reuse.ts";

/** An entry that goes along with the outcome of its call: what was asked of a model or a person, saved and loaded. */
export type AttachedEntry = LlmEntry | ArtifactEntry | LoadedEntry | WaitingEntry;

/** An execution as a replay sees it: its journal up to a position, which nothing changes any more. */
export class ReplaySource {
  readonly id: string;
  readonly state: JournalState = new JournalState();
  readonly #attached = new Map<string, AttachedEntry[]>();
  /** Ids of calls with an outcome, by kind, name and input, in the order they were asked. */
  readonly #matching = new Map<string, string[]>();
  #asks: Set<number> | undefined;

  constructor(id: string, entries: readonly Entry[]) {
    this.id = id;
    for (const entry of entries) {
      this.state.add(entry);
      if (isAttached(entry)) this.#attach(entry);
      else if (entry.t === "retried") for (const call of entry.voids) this.#attached.delete(call);
    }
    for (const call of this.calls) if (this.state.outcomes.has(call.id)) this.#index(call);
  }

  /** Calls that were asked, in that order. */
  get calls(): readonly KnownCall[] {
    return this.state.known.values();
  }

  outcome(id: string): RecordedOutcome | undefined {
    return this.state.outcomes.get(id);
  }

  /**
   * The outcome of the call of the same id, kind and input. An answer that came before its question was about no input: it
   * fits the call of its id.
   */
  sameOutcome({ id, kind, h }: Pick<KnownCall, "id" | "kind" | "h">): RecordedOutcome | undefined {
    const outcome = this.state.outcomes.get(id);
    if (outcome === undefined || outcome.entry.kind !== kind) return undefined;
    return outcome.early || this.state.known.get(id)?.h === h ? outcome : undefined;
  }

  /**
   * Whether the call asked in this place is one that no entry tells of: it was running, or had not begun, when the flow
   * needed it no more.
   */
  leftNothingOf({ ask }: Pick<KnownCall, "ask">): boolean {
    this.#asks ??= new Set(this.calls.map((call) => call.ask));
    const last = this.calls.at(-1)?.ask ?? -1;
    return ask < Math.max(last, this.state.ended?.asked ?? 0) && !this.#asks.has(ask);
  }

  /** Ids of calls of the same kind, name and input that have an outcome, in the order they were asked. */
  matching(call: Pick<KnownCall, "kind" | "name" | "h">): readonly string[] {
    return this.#matching.get(keyOf(call)) ?? none;
  }

  /** What was recorded along with the outcome of a call. */
  attached(id: string): readonly AttachedEntry[] {
    return this.#attached.get(id) ?? none;
  }

  /** Model answers of a call that another try of it may use. */
  llms(id: string): readonly LlmEntry[] {
    const llms = reusableLlms(this.state, id);
    const outcome = this.state.outcomes.get(id)?.entry;
    if (outcome?.t !== "failed" || isOutside(outcome.err)) return llms;
    const last = (outcome.tries ?? 1) + (this.state.spent.get(id) ?? 0);
    const suspect = llms.findLast((entry) => entry.no === last); // the throw may be about what it said
    return llms.filter((entry) => entry !== suspect);
  }

  /** Execution that ran as a child flow call of this one, or of the one its outcome was taken from. */
  child(id: string): string | undefined {
    return childOf(this.state, id);
  }

  #attach(entry: AttachedEntry): void {
    const list = this.#attached.get(entry.id);
    if (list === undefined) this.#attached.set(entry.id, [entry]);
    else list.push(entry);
  }

  #index(call: KnownCall): void {
    const key = keyOf(call);
    const list = this.#matching.get(key);
    if (list === undefined) this.#matching.set(key, [call.id]);
    else list.push(call.id);
  }
}

/** Read the source of a replay up to where it counts. Throws a state error (`not_found`) when it is gone. */
export async function loadSource(
  context: EngineContext,
  { id, position }: Pick<ReplayOf, "id" | "position">,
): Promise<ReplaySource> {
  const entries = await readEntries(context, id);
  if (entries.length < position)
    throw new KitaruStateError(
      `Execution ${id}, which is being replayed, is not there any more: ${entries.length} of ${position} journal entries are left. Replay another execution.`,
      { code: "not_found" },
    );
  return new ReplaySource(id, entries.slice(0, position));
}

/** Execution that ran as a child flow call, or that its outcome was taken from. */
export function childOf({ opens, outcomes }: JournalState, id: string): string | undefined {
  const open = opens.get(id);
  return open?.t === "scheduled" ? open.child : outcomes.get(id)?.entry.child;
}

const none: readonly never[] = [];

function isAttached(entry: Entry): entry is AttachedEntry {
  switch (entry.t) {
    case "llm":
    case "artifact":
    case "loaded":
    case "waiting":
      return true;
    default:
      return false;
  }
}

function keyOf({ kind, name, h }: { kind: CallKind; name: string; h: string }): string {
  return `${kind} ${name} ${h}`;
}
