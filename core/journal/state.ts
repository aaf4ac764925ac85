import type {
  AdvanceEntry,
  AttemptEntry,
  CallKind,
  CancellingEntry,
  EndedEntry,
  Entry,
  LlmEntry,
  OpeningEntry,
  OutcomeEntry,
  RetriedEntry,
  StartedEntry,
} from "./entry.ts";
import { OutcomeLine } from "./outcome-line.ts";

/** The outcome that stands for a call, and where the journal has it. */
export interface RecordedOutcome {
  readonly entry: OutcomeEntry;
  readonly position: number;
  /** Recorded before the call had been asked: an early answer. */
  readonly early: boolean;
}

/** What the journal knows of a call, whatever entry told it. */
export interface KnownCall {
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  readonly ask: number;
  readonly h: string;
}

/** The calls a journal knows of, by id. The outcome of a call that no other entry told of before is what is known of it. */
class KnownCalls {
  readonly #outcomes: ReadonlyMap<string, RecordedOutcome>;
  readonly #told = new Map<string, KnownCall>();
  /** Number of calls that only their outcomes tell of. */
  #untold = 0;

  constructor(outcomes: ReadonlyMap<string, RecordedOutcome>) {
    this.#outcomes = outcomes;
  }

  get size(): number {
    return this.#told.size + this.#untold;
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  get(id: string): KnownCall | undefined {
    return this.of(id, this.#outcomes.get(id));
  }

  /** Like {@link get}, for a call whose outcome is at hand. */
  of(id: string, outcome: RecordedOutcome | undefined): KnownCall | undefined {
    return toldBy(outcome) ?? this.#told.get(id);
  }

  /** All of them, as they were asked. */
  values(): KnownCall[] {
    const calls: KnownCall[] = [...this.#told.values()];
    for (const [id, outcome] of this.#outcomes) {
      const known = this.#told.has(id) ? undefined : toldBy(outcome);
      if (known !== undefined) calls.push(known);
    }
    return calls.toSorted((a, b) => a.ask - b.ask);
  }

  tell(call: KnownCall): void {
    if (!this.has(call.id)) this.#told.set(call.id, call);
  }

  /** An outcome that tells of its call is among the outcomes from now on. */
  addOutcome(id: string): void {
    if (!this.#told.has(id)) this.#untold++;
  }

  /** Called while the outcome is still there. */
  forget(id: string): void {
    if (!this.#told.delete(id) && toldBy(this.#outcomes.get(id)) !== undefined) this.#untold--;
  }
}

function toldBy(outcome: RecordedOutcome | undefined): KnownCall | undefined {
  if (outcome === undefined || outcome instanceof OutcomeLine) return outcome;
  return isKnownOutcome(outcome.entry) ? outcome.entry : undefined;
}

/** Everything an advance needs to know of the journal, folded in one pass. */
export class JournalState {
  started: StartedEntry | undefined;
  /** Last `ended`, unless a later `retried` reopened the execution. */
  ended: EndedEntry | undefined;
  lastAdvance: AdvanceEntry | undefined;
  cancelling: { readonly entry: CancellingEntry; readonly position: number } | undefined;
  readonly outcomes: Map<string, RecordedOutcome> = new Map();
  readonly opens: Map<string, OpeningEntry> = new Map();
  readonly attempts: Map<string, AttemptEntry[]> = new Map();
  readonly llms: Map<string, LlmEntry[]> = new Map();
  /** Number of the last isolated attempt of a call that a retry has forgotten: its documents stay, so numbers go on. */
  readonly spent: Map<string, number> = new Map();
  readonly known: KnownCalls = new KnownCalls(this.outcomes);
  readonly items: Set<string> = new Set();
  readonly retries: RetriedEntry[] = [];
  /** Names of artifacts ever saved, also of calls a retry has forgotten. */
  readonly saved: Set<string> = new Set();
  /** Executions something was ever loaded from. */
  readonly loaded: Set<string> = new Set();
  /** Number of log entries the flow body has made and a retry has not forgotten. */
  flowLogs = 0;
  /** Number of entries folded. */
  position = 0;
  /** Epochs taken since anything but an `advance` was recorded, and since one that the store's failure has ended. */
  barren: number[] = [];

  /** Like {@link add}, for an outcome that is read later. */
  addLine(line: OutcomeLine): void {
    line.position = this.position++;
    if (this.barren.length > 0) this.barren = [];
    if (this.outcomes.has(line.id)) return; // the first outcome of a call stands
    this.known.addOutcome(line.id);
    this.outcomes.set(line.id, line);
  }

  add(entry: Entry): void {
    const position = this.position++;
    if (entry.t === "advance") this.#advance(entry);
    else if (this.barren.length > 0) this.barren = [];
    switch (entry.t) {
      case "started":
        this.started = entry;
        break;
      case "completed":
      case "failed":
        this.#outcome(entry, position);
        break;
      case "waiting":
      case "sleeping":
      case "scheduled":
        this.opens.set(entry.id, entry);
        this.known.tell(entry);
        break;
      case "attempt":
        push(this.attempts, entry.id, entry);
        this.known.tell(entry);
        break;
      case "llm":
        push(this.llms, entry.id, entry);
        break;
      case "cancelling":
        this.cancelling ??= { entry, position };
        this.#adopted(entry.item);
        break;
      case "retried":
        this.#retried(entry);
        break;
      case "rejected":
        this.#adopted(entry.item);
        break;
      case "ended":
        this.ended = entry;
        break;
      case "log":
        if (entry.id === undefined) this.flowLogs++;
        break;
      case "artifact":
        this.saved.add(entry.name);
        break;
      case "loaded":
        this.loaded.add(entry.from);
        break;
      case "advance":
        break;
    }
  }

  /** Calls that were opened and have no outcome. */
  *pending(): Generator<OpeningEntry> {
    for (const open of this.opens.values()) if (!this.outcomes.has(open.id)) yield open;
  }

  get epoch(): number {
    return this.lastAdvance?.epoch ?? 0;
  }

  #advance(entry: AdvanceEntry): void {
    const { outage } = entry;
    if (outage !== undefined) this.barren = this.barren.filter((epoch) => epoch > outage);
    if (entry.renew !== true) this.barren.push(entry.epoch);
    this.lastAdvance = entry;
  }

  #outcome(entry: OutcomeEntry, position: number): void {
    this.#adopted(entry.item);
    if (this.outcomes.has(entry.id)) return; // the first outcome of a call stands
    const early = entry.h === undefined && !this.known.has(entry.id);
    if (isKnownOutcome(entry)) this.known.addOutcome(entry.id);
    this.outcomes.set(entry.id, { entry, position, early });
  }

  #adopted(item: string | undefined): void {
    if (item !== undefined) this.items.add(item);
  }

  #retried(entry: RetriedEntry): void {
    this.#adopted(entry.item);
    if (entry.from === undefined) this.retries.push(entry);
    if (entry.logs !== undefined) this.flowLogs = Math.min(this.flowLogs, entry.logs);
    this.ended = undefined;
    this.cancelling = undefined;
    for (const id of entry.voids) {
      const open = this.opens.get(id);
      if (open?.t === "scheduled" && open.child === undefined) this.spent.set(id, open.no);
      this.known.forget(id);
      this.outcomes.delete(id);
      this.opens.delete(id);
      this.attempts.delete(id);
      this.llms.delete(id);
    }
  }
}

/** Whether an entry is an outcome of a call that had been asked. */
export function isKnownOutcome(entry: Entry): entry is OutcomeEntry & KnownCall {
  const isOutcome = entry.t === "completed" || entry.t === "failed";
  return isOutcome && entry.ask !== undefined && entry.h !== undefined;
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
