import { KitaruStateError } from "../../errors.ts";
import type {
  Entry,
  OutcomeEntry,
  ReplayOf,
  ReplayPlan,
  ScheduledEntry,
} from "../../journal/entry.ts";
import { headKey, readHead } from "../../journal/head.ts";
import { type Inbox, readInbox } from "../../journal/inbox.ts";
import type { JournalState, RecordedOutcome } from "../../journal/state.ts";
import { storeError } from "../../journal/stored-error.ts";
import { type Call, fieldsOf } from "../call.ts";
import { refsOf } from "../captured.ts";
import { keepExecution } from "../retention.ts";
import type { EngineContext } from "../context.ts";
import type { CallSpec } from "../scope.ts";
import type { Session } from "../session.ts";
import { takenItem } from "./fence.ts";
import { type GivenInputs, readGiven } from "./given.ts";
import { ReplayedLlms } from "./llms.ts";
import { readPlan } from "./plan.ts";
import { ReplayQueue } from "./queue.ts";
import { type Decision, type OutputOverride, ReplayRules } from "./rules.ts";
import { type AttachedEntry, type ReplaySource, loadSource } from "./source.ts";

/** An outcome that is not executed here, with what goes along with it into the journal. */
export interface TakenOver {
  readonly entry: OutcomeEntry;
  readonly attached: readonly Entry[];
}

interface ReplayParams {
  readonly context: EngineContext;
  readonly source: ReplaySource;
  readonly plan: ReplayPlan;
  readonly given: GivenInputs;
  /** What the replay's own journal says. */
  readonly state: JournalState;
  /** The replay's own inbox as last read. */
  readonly inbox: () => Inbox;
}

/** One advance of a replay: which calls it takes over from its source, and what it makes of them. */
export class Replay {
  readonly #params: ReplayParams;
  readonly #rules: ReplayRules;
  readonly #queue: ReplayQueue<Call>;
  readonly #decisions = new Map<string, Decision>();
  /** Lowest ask of a wait that somebody answered though its outcome was to be taken over. */
  #overtaken = Infinity;

  constructor(params: ReplayParams) {
    const { source, plan, state } = params;
    this.#params = params;
    this.#rules = new ReplayRules({
      source,
      plan,
      isVoided: (id) => state.retries.some(({ voids }) => voids.includes(id)),
    });
    this.#queue = new ReplayQueue(source.state.position);
  }

  /** The call with the input and code that overrides give it. */
  given(spec: CallSpec, id: string, name: string): CallSpec {
    const overrides = this.#rules.overridesOf({ id, kind: spec.kind, name });
    return overrides.length === 0 ? spec : this.#params.given.apply(spec, overrides);
  }

  /** Decide about a call that was asked; true when its outcome is there and on its way. */
  take(call: Call): boolean {
    const own = call.recorded?.entry;
    const decision = this.#rules.decide(call, own, this.#bound(call));
    if (own !== undefined) return false;
    if (decision.do === "execute") {
      const { why, base } = decision;
      const asks = this.#rules.hasNews;
      call.replayed = { isFrom: why === "from", asks, ...(base === undefined ? {} : { base }) };
      return false;
    }
    this.#decisions.set(call.id, decision);
    this.#queue.push(call, this.#positionOf(call, decision));
    return true;
  }

  get hasNext(): boolean {
    return !this.#queue.isEmpty;
  }

  /** The next call whose outcome is taken over, by its place in the source. */
  next(): Call | undefined {
    return this.#queue.pop();
  }

  /** What an earlier advance has told the inbox about a wait stands. */
  #bound(call: Call): RecordedOutcome | undefined {
    const { source, state, inbox } = this.#params;
    const src = call.kind === "wait" ? takenItem(inbox(), state, call.id)?.taken.src : undefined;
    return src === undefined ? undefined : source.outcome(src);
  }

  /** A call was settled; by `entry`, which may be another than what was to be taken over. */
  settled(call: Call, { disp }: OutcomeEntry): void {
    if (!this.#decisions.has(call.id)) return;
    if (disp === undefined) this.overtaken(call);
    else this.#decisions.delete(call.id);
  }

  /** Somebody has answered a wait whose outcome was to be taken over: what was asked after it is asked again. */
  overtaken(call: Call): void {
    this.#decisions.delete(call.id);
    this.#rules.overtake();
    this.#overtaken = Math.min(this.#overtaken, call.ask);
  }

  /** Whether a wait that was asked before this one has been answered anew meanwhile, so this one must be asked again. */
  isOutdated(call: Call): boolean {
    if (call.ask < this.#overtaken || this.#decisions.get(call.id)?.do !== "reuse") return false;
    if (this.#bound(call) !== undefined) return false;
    this.#decisions.delete(call.id);
    call.replayed = { isFrom: false, asks: true };
    return true;
  }

  /** The entries that make a taken-over outcome this replay's own; `now` is the time of the flow's last delivery. */
  async entriesOf(call: Call, now: number): Promise<TakenOver> {
    const decision = this.#decisions.get(call.id);
    switch (decision?.do) {
      case "override":
        return { attached: [], entry: await this.#overridden(call, decision.override, now) };
      case "reuse":
        return this.#reused(call, decision.outcome, decision.isForced === true);
      default:
        return { attached: [], entry: await this.#refused(call, now) };
    }
  }

  /** What stands in for the model calls of an executing checkpoint. */
  llmsOf(call: Call): ReplayedLlms {
    const { source, state, given } = this.#params;
    const base = call.replayed?.base;
    return new ReplayedLlms({
      given,
      recorded: base === undefined ? [] : source.llms(base),
      own: state.llms.get(call.id) ?? [],
      overridesOf: (name) => this.#rules.overridesOf({ id: "", kind: "llm", name }),
    });
  }

  /** Name of the checkpoint whose function runs instead of the call's own. */
  codeOf(call: Call): string | undefined {
    const override = this.#rules.overridesOf(call).find(({ field }) => field === "code");
    return override?.field === "code" ? override.checkpoint : undefined;
  }

  /** Execution the child flow of an executing call replays, and whether it must ask its waits again. */
  childOf({ replayed }: Call): Pick<ScheduledEntry, "src" | "asks"> {
    const base = replayed?.base;
    const src = base === undefined ? undefined : this.#params.source.child(base);
    if (src === undefined) return {};
    return { src, ...(replayed?.asks === true ? { asks: true } : {}) };
  }

  #positionOf(call: Call, decision: Decision): number | undefined {
    return decision.do === "reuse"
      ? decision.outcome.position
      : this.#params.source.outcome(call.id)?.position;
  }

  async #overridden(call: Call, { value, vh }: OutputOverride, now: number): Promise<OutcomeEntry> {
    const { context, source } = this.#params;
    return {
      t: "completed",
      ...fieldsOf(call),
      ...(await inputOf(context, call)),
      disp: "overridden",
      out: value,
      ...(call.kind === "wait" ? { vh } : {}),
      // the flow's clock goes on as in the source: what is computed from now() elsewhere stays as it was
      at: source.outcome(call.id)?.entry.at ?? now,
    };
  }

  async #reused(call: Call, outcome: RecordedOutcome, isForced: boolean): Promise<TakenOver> {
    const { n: _nonce, item: _item, src: _src, ...recorded } = outcome.entry;
    const { source, context } = this.#params;
    const { id } = recorded;
    const child = call.kind === "flow" ? source.child(id) : undefined;
    const entry: OutcomeEntry = {
      ...recorded,
      ...fieldsOf(call),
      ...(isForced ? await inputOf(context, call) : {}),
      disp: "reused",
      ...(id === call.id ? {} : { src: id }),
      ...(child === undefined ? {} : { child }),
    };
    return { entry, attached: source.attached(id).map((one) => copyOf(one, call)) };
  }

  async #refused(call: Call, at: number): Promise<OutcomeEntry> {
    const error = new KitaruStateError(
      `${call.id} is to be skipped in this replay, and ${this.#params.source.id} has no outcome of it to use instead. Leave it out of \`skip\`, or give its outcome with an override.`,
      { details: { call: call.id } },
    );
    const input = await inputOf(this.#params.context, call);
    return { t: "failed", ...fieldsOf(call), ...input, err: storeError(error), at };
  }
}

/** Make ready to replay what `of` says, for one advance of a replay. */
export async function openReplay(session: Session, of: ReplayOf): Promise<Replay> {
  const { context, state } = session;
  const { values, registry, backend } = context;
  if (backend.capabilities.retentionMs !== undefined) await keepSource(context, of.id);
  const plan = await readPlan(values, of);
  const given = await readGiven(values, registry, plan.overrides ?? []);
  const inbox = (): Inbox => readInbox(session.inbox);
  return new Replay({ context, source: await loadSource(context, of), plan, given, state, inbox });
}

/** A replay reads its source until it ends: one that was to be deleted is kept. */
async function keepSource(context: EngineContext, id: string): Promise<void> {
  const head = await context.backend.records.get(headKey(id));
  if (head !== undefined && readHead(head).expiresAt !== undefined)
    await keepExecution(context, id);
}

async function inputOf(
  { values }: EngineContext,
  { kind, inputs }: Call,
): Promise<Pick<OutcomeEntry, "in">> {
  return kind === "checkpoint" || kind === "flow" ? { in: await refsOf(values, inputs) } : {};
}

function copyOf({ n: _nonce, ...entry }: AttachedEntry, call: Call): Entry {
  switch (entry.t) {
    case "llm":
    case "artifact":
      return { ...entry, id: call.id, disp: "reused" };
    case "loaded":
      return { ...entry, id: call.id };
    case "waiting": {
      const { due: _past, ...asked } = entry;
      return { ...asked, ...fieldsOf(call), disp: "reused" };
    }
  }
}
