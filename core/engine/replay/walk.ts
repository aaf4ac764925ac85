import type { OutcomeEntry, PlannedOverride } from "../../journal/entry.ts";
import { reviveError } from "../../journal/stored-error.ts";
import type { ValueStore } from "../../journal/values.ts";
import { hashOf, inputsOf, nameOf } from "../call.ts";
import type { FlowDefinition } from "../definitions.ts";
import { endedBy } from "../retry-execution.ts";
import { startingNothing } from "../loading.ts";
import { seededRandom } from "../prng.ts";
import { type CallSpec, type FlowScope, runInScope } from "../scope.ts";
import { inTurns } from "../turns.ts";
import { rejectRecorded, rejectedCall } from "../unheard.ts";
import type { GivenInputs } from "./given.ts";
import { ReplayQueue } from "./queue.ts";
import type { Decision, ReplayRules } from "./rules.ts";
import type { ReplaySource } from "./source.ts";

/** A call that a walk came by. */
export interface WalkedCall {
  readonly id: string;
  readonly kind: CallSpec["kind"];
  readonly name: string;
  readonly ask: number;
  readonly h: string;
  readonly spec: CallSpec;
  readonly decision: Decision;
  /** It was asked after a recorded outcome had stood in for one that will be new, and may depend on that. */
  readonly isUncertain: boolean;
}

/** How a walk ended. */
export type WalkEnd =
  | { readonly kind: "returned"; readonly value: unknown }
  | { readonly kind: "threw"; readonly error: unknown }
  /** Nothing recorded can stand in for what these calls will come to. */
  | { readonly kind: "open"; readonly calls: readonly string[] }
  /** The flow body awaits something of its own. */
  | { readonly kind: "elsewhere" };

/** What a flow body did with recorded outcomes alone. */
export interface Walk {
  /** In the order they were asked. */
  readonly calls: readonly WalkedCall[];
  readonly end: WalkEnd;
}

interface WalkParams {
  readonly flow: FlowDefinition;
  readonly input: unknown;
  readonly executionId: string;
  /** Deployed version the code belongs to, or `local`. */
  readonly version: string;
  readonly source: ReplaySource;
  readonly rules: Pick<ReplayRules, "decide" | "overridesOf">;
  readonly given: GivenInputs;
  readonly values: ValueStore;
  readonly seed: string;
  /** Epoch milliseconds at which the clock of the flow body begins. */
  readonly at: number;
  /** Called while the flow body asks, so that its stack tells where. */
  readonly onAsk?: (call: WalkedCall) => void;
}

/**
 * Run a flow body against recorded outcomes: nothing else runs and nothing is written. What is taken over or overridden
 * is delivered first, in the order of a replay. Only when that is used up does a recorded outcome stand in for one that
 * the replay will make anew, so everything asked before is certain.
 */
export function walk(params: WalkParams): Promise<Walk> {
  return new BodyWalk(params).run();
}

interface OpenCall extends WalkedCall {
  readonly resolve: (value: unknown) => void;
  readonly promise: Promise<unknown>;
  readonly reject: (reason: unknown) => void;
  settled: boolean;
}

/** How long a flow body that awaits something of its own is waited for, in turns and then in milliseconds. */
const patience = { turns: 50, ms: 500 };

class BodyWalk implements FlowScope {
  readonly kind = "flow";
  readonly executionId: string;
  readonly version: string;
  readonly cut = undefined;
  readonly #params: WalkParams;
  readonly #calls: OpenCall[] = [];
  readonly #counters = new Map<string, number>();
  readonly #certain: ReplayQueue<OpenCall>;
  readonly #standIns: ReplayQueue<OpenCall>;
  readonly #random: () => number;
  #now: number;
  #isUncertain = false;
  #end: WalkEnd | undefined;

  constructor(params: WalkParams) {
    const { position } = params.source.state;
    this.#params = params;
    this.executionId = params.executionId;
    this.version = params.version;
    this.#certain = new ReplayQueue(position);
    this.#standIns = new ReplayQueue(position);
    this.#random = seededRandom(params.seed);
    this.#now = params.at;
  }

  async run(): Promise<Walk> {
    const { flow, input } = this.#params;
    const body = async (): Promise<unknown> => flow.fn(input);
    void startingNothing(() => runInScope(this, body)).then(
      (value) => (this.#end ??= { kind: "returned", value }),
      (error: unknown) => (this.#end ??= { kind: "threw", error }),
    );
    while (this.#end === undefined) {
      await afterTurn();
      if (this.#end !== undefined || (await this.#deliver())) continue;
      await this.#rest();
    }
    return { calls: this.#calls, end: this.#end };
  }

  ask(asked: CallSpec): Promise<unknown> {
    const { rules, given, onAsk } = this.#params;
    if (this.#end !== undefined) return new Promise(() => undefined);
    const name = nameOf(asked);
    const count = this.#counters.get(name) ?? 0;
    const id = `${name}:${count}`;
    const { kind } = asked;
    const spec = given.apply(asked, rules.overridesOf({ id, kind, name }));
    let h: string;
    try {
      h = hashOf(spec, inputsOf(spec), this.#params.source.state.started?.hash);
    } catch (error) {
      return rejectedCall(error);
    }
    this.#counters.set(name, count + 1);
    const ask = this.#calls.length;
    const decision = rules.decide({ id, kind, name, ask, h, settled: false });
    const call = { id, kind, name, ask, h, spec, decision, isUncertain: this.#isUncertain };
    onAsk?.(call);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#enqueue({ ...call, promise, resolve, reject, settled: false });
    return promise;
  }

  failTogether(): void {}

  log(): void {}

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.#random();
  }

  #enqueue(call: OpenCall): void {
    this.#calls.push(call);
    const { source } = this.#params;
    const { decision } = call;
    if (decision.do === "override") this.#certain.push(call, source.outcome(call.id)?.position);
    else if (decision.do === "reuse") this.#certain.push(call, decision.outcome.position);
    else {
      const standIn = this.#standInFor(call);
      if (standIn !== undefined) this.#standIns.push(call, standIn.position);
    }
  }

  /** The outcome the source has, though its input was another; not the failure that ended it. */
  #standInFor(call: OpenCall): ReturnType<ReplaySource["outcome"]> {
    const { source } = this.#params;
    const [other] = source.matching(call);
    const same = source.outcome(call.id);
    const alike = other === undefined ? undefined : source.outcome(other);
    const found = same?.entry.kind === call.kind ? same : alike;
    return found !== undefined && endedBy(source.state.ended, found.entry.id) ? undefined : found;
  }

  async #deliver(): Promise<boolean> {
    const certain = this.#certain.pop();
    if (certain !== undefined) {
      const { decision } = certain;
      if (decision.do === "override") await this.#give(certain, decision.override);
      else if (decision.do === "reuse") await this.#settle(certain, decision.outcome.entry);
      return true;
    }
    const call = this.#standIns.pop();
    const standIn = call && this.#standInFor(call);
    if (call === undefined || standIn === undefined) return false;
    this.#isUncertain = true;
    await this.#settle(call, standIn.entry);
    return true;
  }

  async #give(call: OpenCall, override: PlannedOverride & { field: "output" }): Promise<void> {
    call.settled = true;
    this.#now = Math.max(this.#now, this.#params.source.outcome(call.id)?.entry.at ?? 0);
    call.resolve(await this.#params.values.get(override.value));
  }

  async #settle(call: OpenCall, entry: OutcomeEntry): Promise<void> {
    call.settled = true;
    this.#now = Math.max(this.#now, entry.at);
    if (entry.t === "completed") call.resolve(await this.#params.values.get(entry.out));
    else rejectRecorded(call, reviveError(entry.err));
  }

  /** Nothing is left to deliver: give code of the flow's own a moment, then stop. */
  async #rest(): Promise<void> {
    const asked = this.#calls.length;
    for (let turns = 0; turns < patience.turns && this.#isAtRest(asked); turns++) await afterTurn();
    const open = this.#calls.filter((call) => !call.settled).map((call) => call.id);
    if (open.length === 0 && this.#isAtRest(asked)) await pause(patience.ms);
    if (!this.#isAtRest(asked)) return;
    this.#end = open.length > 0 ? { kind: "open", calls: open } : { kind: "elsewhere" };
  }

  #isAtRest(asked: number): boolean {
    return this.#end === undefined && this.#calls.length === asked;
  }
}

/** Delivered is as in an execution: what the last delivery set in motion comes first. */
function afterTurn(): Promise<true> {
  return inTurns(() => true);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
