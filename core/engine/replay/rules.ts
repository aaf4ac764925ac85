import type { CallFields, OutcomeEntry, PlannedOverride, ReplayPlan } from "../../journal/entry.ts";
import type { RecordedOutcome } from "../../journal/state.ts";
import { endedBy } from "../retry-execution.ts";
import type { ReplaySource } from "./source.ts";

/** A call of a replay, as the rules see it. */
export type AskedCall = Pick<CallFields, "id" | "kind" | "name" | "h" | "ask"> & {
  readonly settled: boolean;
};

/** An override that gives the outcome itself. */
export type OutputOverride = PlannedOverride & { readonly field: "output" };

/** Why a call of a replay is executed. */
export type Why =
  /** It is the call to start from, or was asked after it. */
  | "from"
  /** Its input, model or code is overridden, or what a model answered inside it. */
  | "override"
  /** The source has a call of this id with another input. */
  | "input changed"
  /** The source has no such call. */
  | "not recorded"
  /** The source asked for it and left no outcome. */
  | "no outcome"
  /** Its recorded failure ended the source. */
  | "ended the source"
  /** Its recorded failure was voided by a retry of this replay. */
  | "retried"
  /** Its recorded outcome has served another call. */
  | "used"
  /** Something before it was executed or overridden, so its recorded answer was about other content. */
  | "asked again"
  /** It was answered before it was asked. */
  | "answered";

/** How a call of a replay is settled. */
export type Decision =
  | { readonly do: "override"; readonly override: OutputOverride }
  | { readonly do: "reuse"; readonly outcome: RecordedOutcome; readonly isForced?: true }
  /** `base`: the call of the source whose model answers, or whose child execution, may be taken over. */
  | { readonly do: "execute"; readonly why: Why; readonly base?: string }
  /** It was to be skipped and the source has no outcome for it. */
  | { readonly do: "refuse" };

interface RulesParams {
  readonly source: ReplaySource;
  readonly plan: ReplayPlan;
  /** Whether a retry of this replay has made the outcome of a call void. */
  readonly isVoided: (id: string) => boolean;
}

/**
 * Decides for each call, in the order they are asked, whether it is overridden, reused or executed. A pure function
 * of the source, the plan and the calls so far, so that every advance of a replay decides alike.
 */
export class ReplayRules {
  readonly #source: ReplaySource;
  readonly #plan: ReplayPlan;
  readonly #isVoided: (id: string) => boolean;
  readonly #overrides: ReadonlyMap<string, readonly PlannedOverride[]>;
  readonly #skip: ReadonlySet<string>;
  readonly #used = new Set<string>();
  /** Executed calls that the source had asked for alike and not settled either. */
  readonly #stillOpen: AskedCall[] = [];
  #isLive = false;
  #hasChanged: boolean;

  constructor({ source, plan, isVoided }: RulesParams) {
    this.#source = source;
    this.#plan = plan;
    this.#isVoided = isVoided;
    this.#overrides = Map.groupBy(plan.overrides ?? [], (override) => override.target);
    this.#skip = new Set(plan.skip);
    this.#hasChanged = plan.asks === true;
  }

  /** Overrides that are meant for a call; those for its id alone beat those for its name. */
  overridesOf({
    id,
    kind,
    name,
  }: Pick<AskedCall, "id" | "kind" | "name">): readonly PlannedOverride[] {
    return this.#overrides.get(id) ?? this.#overrides.get(`${kind}.${name}`) ?? none;
  }

  /**
   * Decide about a call. `own` is the outcome that this replay's journal has for it already, `bound` the one of the
   * source that an earlier advance has said to be its.
   */
  decide(call: AskedCall, own?: OutcomeEntry, bound?: RecordedOutcome): Decision {
    this.#isLive ||= call.id === this.#plan.from;
    const ruled: Decision =
      bound === undefined ? this.#rule(call) : { do: "reuse", outcome: bound };
    const decision = own === undefined ? ruled : settledBy(own, ruled, this.#source);
    this.#note(call, decision);
    return decision;
  }

  /** Somebody else has settled a call whose outcome was to be taken over. */
  overtake(): void {
    this.#hasChanged = true;
  }

  #rule(call: AskedCall): Decision {
    const overrides = this.overridesOf(call);
    const output = overrides.find((override) => override.field === "output");
    if (output !== undefined) return { do: "override", override: output };
    if (overrides.length > 0) return this.#execute(call, "override");
    if (this.#skip.has(call.id) || this.#skip.has(`${call.kind}.${call.name}`))
      return this.#forced(call);
    if (this.#isLive) return { do: "execute", why: "from" };
    return this.#matched(call);
  }

  /** A recorded outcome of the same kind, name and input, each used once, the same call preferred. */
  #matched(call: AskedCall): Decision {
    const outcome = this.#free(call);
    if (outcome === undefined) return this.#execute(call, this.#whyNot(call));
    if (this.#isOverriddenInside(outcome.entry.id)) return this.#execute(call, "override");
    if (outcome.entry.t === "failed" && this.#isVoided(call.id))
      return this.#execute(call, "retried");
    if (call.kind === "wait" && this.hasNews) return this.#execute(call, "asked again");
    return { do: "reuse", outcome };
  }

  #free(call: AskedCall): RecordedOutcome | undefined {
    const same = this.#source.sameOutcome(call);
    if (same !== undefined && this.#isFree(call.id)) return same;
    const id = this.#source.matching(call).find((one) => this.#isFree(one));
    return id === undefined ? undefined : this.#source.outcome(id);
  }

  #isFree(id: string): boolean {
    return !this.#used.has(id) && !this.#endedSource(id);
  }

  #endedSource(id: string): boolean {
    return endedBy(this.#source.state.ended, id);
  }

  #whyNot(call: AskedCall): Why {
    const known = this.#source.state.known.get(call.id);
    if (known === undefined)
      return this.#source.leftNothingOf(call) ? "no outcome" : "not recorded";
    if (known.kind !== call.kind) return "not recorded";
    if (known.h !== call.h) return "input changed";
    if (this.#source.outcome(call.id) === undefined) return "no outcome";
    return this.#endedSource(call.id) ? "ended the source" : "used";
  }

  #execute(call: AskedCall, why: Why): Decision {
    const isKnown = this.#source.state.known.get(call.id)?.kind === call.kind;
    return { do: "execute", why, ...(isKnown && !this.#isLive ? { base: call.id } : {}) };
  }

  /** Model calls inside a checkpoint are addressed by their names. */
  #isOverriddenInside(id: string): boolean {
    const llms = this.#source.state.llms.get(id) ?? [];
    return llms.some((entry) => this.#overrides.has(`llm.${entry.name}`));
  }

  #forced(call: AskedCall): Decision {
    const same = this.#source.outcome(call.id);
    if (same?.entry.kind === call.kind) return { do: "reuse", outcome: same, isForced: true };
    const outcome = this.#free(call);
    return outcome === undefined ? { do: "refuse" } : { do: "reuse", outcome, isForced: true };
  }

  /** Whether anything asked so far is not as it was in the source. */
  get hasNews(): boolean {
    return this.#hasChanged || this.#stillOpen.some((call) => call.settled);
  }

  #note(call: AskedCall, decision: Decision): void {
    switch (decision.do) {
      case "reuse":
        this.#used.add(decision.outcome.entry.id);
        break;
      case "override":
      case "refuse":
        this.#hasChanged = true;
        break;
      case "execute":
        if (decision.why === "no outcome") this.#stillOpen.push(call);
        else this.#hasChanged = true;
    }
  }
}

/** What is recorded stands, whatever the rules would say: an answer may have come before its question. */
function settledBy(own: OutcomeEntry, ruled: Decision, source: ReplaySource): Decision {
  if (own.disp === "reused") {
    const outcome = source.outcome(own.src ?? own.id);
    if (outcome !== undefined) return { do: "reuse", outcome };
  }
  return ruled.do === "reuse" ? { do: "execute", why: "answered" } : ruled;
}

const none: readonly PlannedOverride[] = [];
