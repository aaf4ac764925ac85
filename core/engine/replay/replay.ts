import { KitaruStateError } from "../../errors.ts";
import type {
  Entry,
  OutcomeEntry,
  ReplayOf,
  ReplayPlan,
  ScheduledEntry,
} from "../../journal/entry.ts";
import type { JournalState, RecordedOutcome } from "../../journal/state.ts";
import { storeError } from "../../journal/stored-error.ts";
import { type Call, fieldsOf } from "../call.ts";
import { refsOf } from "../captured.ts";
import type { EngineContext } from "../context.ts";
import type { CallSpec } from "../scope.ts";
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
}

/** One advance of a replay: which calls it takes over from its source, and what it makes of them. */
export class Replay {
  readonly #params: ReplayParams;
  readonly #rules: ReplayRules;
  readonly #queue: ReplayQueue<Call>;
  readonly #decisions = new Map<string, Decision>();

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
    const own = this.#params.state.outcomes.get(call.id)?.entry;
    const decision = this.#rules.decide(call, own);
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

  /** The entries that make a taken-over outcome this replay's own; `now` is the time of the flow's last delivery. */
  async entriesOf(call: Call, now: number): Promise<TakenOver> {
    const decision = this.#decisions.get(call.id);
    this.#decisions.delete(call.id);
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

/** Make ready to replay what `of` says, for one advance of a replay whose journal is `state`. */
export async function openReplay(
  context: EngineContext,
  of: ReplayOf,
  state: JournalState,
): Promise<Replay> {
  const { values, registry } = context;
  const plan = await readPlan(values, of);
  const given = await readGiven(values, registry, plan.overrides ?? []);
  return new Replay({ context, source: await loadSource(context, of), plan, given, state });
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
