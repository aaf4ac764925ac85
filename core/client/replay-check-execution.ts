import type { EngineContext } from "../engine/context.ts";
import type { FlowDefinition } from "../engine/definitions.ts";
import { changedInput, firstDifference } from "../engine/divergence.ts";
import { readGiven } from "../engine/replay/given.ts";
import { RecordedRules } from "../engine/replay/recorded-rules.ts";
import type { ReplaySource } from "../engine/replay/source.ts";
import { type Walk, type WalkedCall, walk } from "../engine/replay/walk.ts";
import { digest } from "../hash.ts";
import type { HeadFacts } from "../journal/head.ts";
import type { KnownCall } from "../journal/state.ts";
import { describeError, sameError, storeError } from "../journal/stored-error.ts";
import { type SourcePlace, noteCallSite } from "./call-site.ts";
import { type AlignedBy, alignCalls } from "./diff-align.ts";
import type { CallDivergence } from "./replay-check.ts";

interface CheckParams {
  /** With the definitions of the code that is checked. */
  readonly context: EngineContext;
  readonly flow: FlowDefinition;
  readonly facts: HeadFacts;
  readonly source: ReplaySource;
  /** Whether to tell the values that differ. */
  readonly isShowing: boolean;
}

/**
 * Run the body of a flow with what an execution of it recorded, and tell where it does something else. Nothing but
 * the body runs, and nothing is written.
 */
export async function checkExecution(params: CheckParams): Promise<CallDivergence[]> {
  const { context, flow, facts, source, isShowing } = params;
  const sites = new Map<string, () => SourcePlace | undefined>();
  const walked = await walk({
    flow,
    input: await context.values.get(facts.input),
    executionId: facts.id,
    version: context.version,
    source,
    rules: new RecordedRules(source),
    given: await readGiven(context.values, context.registry, []),
    values: context.values,
    seed: facts.seed,
    at: source.state.started?.at ?? facts.createdAt,
    onAsk: ({ id }) => sites.set(id, noteCallSite()),
  });
  const siteOf = (id: string): SourcePlace | undefined => sites.get(id)?.();
  return new Comparison({ context, source, walked, siteOf, isShowing }).divergences();
}

interface ComparisonParams extends Pick<CheckParams, "context" | "source" | "isShowing"> {
  readonly walked: Walk;
  readonly siteOf: (id: string) => SourcePlace | undefined;
}

/** A call on either side, as the alignment sees it. */
interface Side extends AlignedBy {
  readonly known?: KnownCall;
  readonly walked?: WalkedCall;
}

class Comparison {
  readonly #context: EngineContext;
  readonly #source: ReplaySource;
  readonly #walk: Walk;
  readonly #siteOf: (id: string) => SourcePlace | undefined;
  readonly #isShowing: boolean;
  /** Recorded calls by the walked ones they are the same as. */
  readonly #pairs: ReadonlyMap<WalkedCall, KnownCall>;

  constructor({ context, source, walked, siteOf, isShowing }: ComparisonParams) {
    this.#context = context;
    this.#source = source;
    this.#walk = walked;
    this.#siteOf = siteOf;
    this.#isShowing = isShowing;
    this.#pairs = pairUp(source.calls, walked.calls);
  }

  async divergences(): Promise<CallDivergence[]> {
    const calls = await this.#calls();
    if (calls.some(({ kind }) => kind === "new" || kind === "kind")) return calls;
    const gone = this.#gone(); // after a new call nothing is known of what would follow
    if (gone.length > 0) return [...calls, ...gone];
    return [...calls, ...(await this.#end())];
  }

  async #calls(): Promise<CallDivergence[]> {
    const found: CallDivergence[] = [];
    let last: { readonly call: WalkedCall; readonly known: KnownCall } | undefined;
    for (const call of this.#walk.calls) {
      const known = this.#pairs.get(call);
      if (known === undefined) {
        if (!isRecorded(call, this.#source)) found.push(this.#unrecorded(call));
        continue;
      }
      if (known.h !== call.h) found.push(await this.#changed(call, known));
      if (last !== undefined && known.ask < last.known.ask)
        found.push(
          this.#divergence("order", call, {
            message: `is asked after ${last.call.id}, and was recorded before it`,
          }),
        );
      else last = { call, known };
    }
    return found;
  }

  #unrecorded(call: WalkedCall): CallDivergence {
    const known = this.#source.state.known.get(call.id);
    if (known !== undefined && known.kind !== call.kind)
      return this.#divergence("kind", call, {
        message: `was recorded as ${known.kind}, and is ${call.kind} now`,
      });
    const next = this.#unasked()[0];
    const instead = next === undefined ? "nothing more" : next.id;
    return this.#divergence("new", call, {
      message: `is not recorded; what is recorded there is ${instead}`,
    });
  }

  async #changed(call: WalkedCall, known: KnownCall): Promise<CallDivergence> {
    const recorded = { id: known.id, spec: call.spec };
    const found = await changedInput(recorded, this.#source.state, this.#context.values);
    if (found === undefined)
      return this.#divergence("input", call, { message: "has another input" });
    const difference = this.#difference(found);
    return this.#divergence("input", call, {
      message: `has another input at ${difference.path}`,
      ...difference,
    });
  }

  /** Path and values of what the engine tells as `path (recorded …, now …)`. */
  #difference(found: string): Difference {
    const [, path = found, values] = /^(.*?) \((recorded .*)\)$/s.exec(found) ?? [];
    return { path, ...(values === undefined || !this.#isShowing ? {} : { values }) };
  }

  /** Recorded calls the flow did not ask for. */
  #gone(): CallDivergence[] {
    return this.#unasked().map(({ id, ask }) => {
      const next = this.#walk.calls.find((call) => (this.#pairs.get(call)?.ask ?? -1) > ask);
      const place = next === undefined ? undefined : this.#siteOf(next.id);
      const known = next === undefined ? undefined : this.#pairs.get(next);
      const before = known === undefined ? "" : `; it was asked before ${known.id}`;
      return {
        kind: "gone",
        call: id,
        message: `is recorded, and is not asked for any more${before}`,
        ...(place === undefined ? {} : { place }),
      };
    });
  }

  #unasked(): KnownCall[] {
    const asked = new Set([...this.#pairs.values()].map(({ id }) => id));
    const unpaired = this.#walk.calls.filter((call) => !this.#pairs.has(call));
    const replaced = new Set(unpaired.map(({ id }) => id));
    return this.#source.calls.filter(({ id }) => !asked.has(id) && !replaced.has(id));
  }

  async #end(): Promise<CallDivergence[]> {
    const { end } = this.#walk;
    const { ended } = this.#source.state;
    switch (end.kind) {
      case "elsewhere":
        return [result("the flow body awaits something of its own, which is not recorded")];
      case "open":
        return ended === undefined
          ? []
          : [result(`the flow waits for ${end.calls.join(", ")}, and ended when it was recorded`)];
      case "threw": {
        const error = storeError(end.error);
        if (ended?.err !== undefined && sameError(ended.err, error)) return [];
        const before = ended?.err === undefined ? "did not fail" : describeError(ended.err);
        return [result(`the flow fails: ${describeError(error)} (recorded: ${before})`)];
      }
      case "returned": {
        if (ended?.err !== undefined)
          return [
            result(
              `the flow returns, and failed when it was recorded: ${describeError(ended.err)}`,
            ),
          ];
        if (ended?.out === undefined) return [];
        return this.#result(end.value, await this.#context.values.get(ended.out));
      }
    }
  }

  #result(value: unknown, recorded: unknown): CallDivergence[] {
    if (hashOf(value) === digest(recorded)) return [];
    const found = firstDifference(recorded, value, "result") ?? "result";
    const difference = this.#difference(found);
    return [{ ...result(`the flow returns something else at ${difference.path}`), ...difference }];
  }

  #divergence(
    kind: CallDivergence["kind"],
    { id }: WalkedCall,
    fields: Pick<CallDivergence, "message"> & Partial<Difference>,
  ): CallDivergence {
    const place = this.#siteOf(id);
    return { kind, call: id, ...fields, ...(place === undefined ? {} : { place }) };
  }
}

type Difference = { readonly path: string; readonly values?: string };

function result(message: string): CallDivergence {
  return { kind: "result", message };
}

/** Whether an execution asked a call too, though its journal does not say with which input: nobody had to know. */
function isRecorded(call: WalkedCall, source: ReplaySource): boolean {
  if (call.decision.do === "reuse") return call.decision.outcome.early;
  return source.leftNothingOf(call);
}

/** Undefined for what could not be stored: it is not what was. */
function hashOf(value: unknown): string | undefined {
  try {
    return digest(value);
  } catch {
    return undefined;
  }
}

function pairUp(
  recorded: readonly KnownCall[],
  walked: readonly WalkedCall[],
): Map<WalkedCall, KnownCall> {
  const originals = recorded.map((known): Side => ({ ...known, digest: known.h, known }));
  const others = walked.map((call): Side => {
    const { id, kind, name, h, decision } = call;
    const source =
      decision.do === "reuse" && decision.outcome.entry.h === h
        ? decision.outcome.entry.id
        : undefined;
    return { id, kind, name, digest: h, source, walked: call };
  });
  const pairs = new Map<WalkedCall, KnownCall>();
  for (const [{ walked: call }, { known }] of alignCalls(originals, others))
    if (call !== undefined && known !== undefined) pairs.set(call, known);
  return pairs;
}
