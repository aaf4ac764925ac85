import type { LlmEntry, PlannedOverride, ScheduledEntry } from "../../journal/entry.ts";
import type { JournalState } from "../../journal/state.ts";
import type { ValueRef } from "../../journal/values.ts";
import type { LlmCall, LlmRecord } from "../../ports/model.ts";
import type { EngineContext } from "../context.ts";
import { type GivenInputs, readGiven } from "./given.ts";
import { readPlan } from "./plan.ts";
import { loadSource } from "./source.ts";

interface LlmParams {
  /** Answers recorded for the call by the source. */
  readonly recorded: readonly LlmEntry[];
  /** Answers this replay has recorded for the call. */
  readonly own: readonly LlmEntry[];
  readonly given: GivenInputs;
  readonly overridesOf: (name: string) => readonly PlannedOverride[];
}

/** An answer without its place in the journal of the replay. */
type LlmAnswer = Omit<LlmEntry, "n" | "id" | "no" | "i">;

/** What a replay puts in place of the model calls inside one executing checkpoint. */
export class ReplayedLlms {
  readonly #left: LlmEntry[];
  readonly #params: LlmParams;

  constructor(params: LlmParams) {
    const taken = new Set(params.own.map((entry) => entry.src));
    this.#params = params;
    this.#left = params.recorded.filter((entry) => !taken.has(entry.i));
  }

  /** The call with the model or the prompt that an override gives it. */
  given(call: LlmCall): LlmCall {
    const { given, overridesOf } = this.#params;
    return given.applyToLlm(call, overridesOf(call.name));
  }

  /** What an override gives, else the source's answer to the same request; each of those serves once. */
  answer(name: string, hash: string, now: number): LlmAnswer | undefined {
    const override = this.#params.overridesOf(name).find(({ field }) => field === "output");
    return override?.field === "output"
      ? overriddenAnswer(name, hash, override.value, now)
      : this.#reuse(name, hash);
  }

  #reuse(name: string, hash: string): LlmAnswer | undefined {
    const found = this.#left.findIndex((entry) => entry.h === hash && entry.name === name);
    const taken = found === -1 ? undefined : this.#left.splice(found, 1)[0];
    if (taken === undefined) return undefined;
    const { n: _nonce, id: _id, no: _no, i, ...answer } = taken;
    return { ...answer, disp: "reused", src: i };
  }
}

/** What stands in for the model calls of an isolated attempt; undefined outside a replay. */
export async function replayedLlmsOf(
  context: EngineContext,
  state: JournalState,
  { id, src }: ScheduledEntry,
): Promise<ReplayedLlms | undefined> {
  const of = state.started?.replayOf;
  if (of === undefined) return undefined;
  const { overrides = [] } = await readPlan(context.values, of);
  const own = state.llms.get(id) ?? [];
  const source = src === undefined ? undefined : await loadSource(context, of);
  return new ReplayedLlms({
    own,
    recorded: src === undefined || source === undefined ? [] : source.llms(src),
    given: await readGiven(context.values, context.registry, overrides),
    overridesOf: (name) => overrides.filter(({ target }) => target === `llm.${name}`),
  });
}

/** No model answered. */
const noModel: LlmRecord = {
  resolvedModel: "override",
  credentialSource: "none",
  latencyMs: 0,
};

function overriddenAnswer(name: string, h: string, out: ValueRef, now: number): LlmAnswer {
  return { t: "llm", name, h, disp: "overridden", out, llm: noModel, s: now, at: now };
}
