import type { Decision, AskedCall, ReplayRules } from "./rules.ts";
import type { RecordedOutcome } from "../../journal/state.ts";
import type { ReplaySource } from "./source.ts";

/**
 * Decides that every call gets what the source recorded for it, whatever its input is now: the same call, else one
 * with the same input, else the call of that id. What is not recorded is left open.
 */
export class RecordedRules implements Pick<ReplayRules, "decide" | "overridesOf"> {
  readonly #source: ReplaySource;
  readonly #used = new Set<string>();

  constructor(source: ReplaySource) {
    this.#source = source;
  }

  overridesOf(): readonly never[] {
    return [];
  }

  decide(call: AskedCall): Decision {
    const id = this.#outcomeFor(call);
    const outcome = id === undefined ? this.#answeredBefore(call) : this.#source.outcome(id);
    if (outcome === undefined) return { do: "execute", why: "not recorded" };
    if (this.#source.state.known.get(outcome.entry.id)?.h === call.h)
      this.#used.add(outcome.entry.id);
    return { do: "reuse", outcome };
  }

  /** An answer that came before its question. */
  #answeredBefore(call: AskedCall): RecordedOutcome | undefined {
    const outcome = this.#source.sameOutcome(call);
    return outcome?.early === true ? outcome : undefined;
  }

  #outcomeFor(call: AskedCall): string | undefined {
    const known = this.#source.state.known.get(call.id);
    const isSameKind = known?.kind === call.kind;
    if (isSameKind && known.h === call.h) return call.id;
    const alike = this.#source.matching(call).find((id) => !this.#used.has(id));
    return alike ?? (isSameKind ? call.id : undefined);
  }
}
