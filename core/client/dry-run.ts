import { changedInput } from "../engine/divergence.ts";
import type { EngineContext } from "../engine/context.ts";
import { readGiven } from "../engine/replay/given.ts";
import { type Decision, ReplayRules, type Why } from "../engine/replay/rules.ts";
import {
  type PreparedReplay,
  type ReplayRequest,
  prepareReplay,
} from "../engine/replay/start-replay.ts";
import { type Walk, type WalkEnd, type WalkedCall, walk } from "../engine/replay/walk.ts";
import { messageOf } from "../errors.ts";
import type { CallKind, PlannedOverride, ReplayPlan } from "../journal/entry.ts";
import { ValueStore } from "../journal/values.ts";
import { type UsageTotals, sumUsage } from "../models/usage.ts";
import type { BlobStore } from "../ports/blobs.ts";

/** What a replay would do with a call. */
export type DryRunAction =
  | "reused"
  | "executed"
  | "overridden"
  /** A person is asked, though an answer is recorded or was once given. */
  | "asked again"
  /** It was to be skipped, and nothing is recorded of it. */
  | "refused";

/** A call a replay would come by. */
export interface DryRunCall {
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  readonly action: DryRunAction;
  readonly why: string;
  /** Call whose outcome is taken over, when its id is another. */
  readonly source?: string;
  /**
   * It is asked after results that are not known yet, and what is told of it holds if those are as recorded: it may
   * also be executed, or not be asked at all.
   */
  readonly dependsOnNewResults: boolean;
}

/** What a replay would do, found out without running or writing anything. */
export interface DryRun {
  readonly source: string;
  readonly flow: string;
  /** In the order the flow would ask for them. */
  readonly calls: readonly DryRunCall[];
  /** `completed` and `failed` with recorded outcomes standing in for new ones. */
  readonly end: "completed" | "failed" | "unknown";
  /** Why the flow fails, or what it is not known after. */
  readonly endReason?: string;
  /** Model usage of what would be taken over. */
  readonly reusedUsage: UsageTotals;
  /** Targets of overrides that no call would ask for. */
  readonly unusedOverrides?: readonly string[];
}

/** Find out what a replay would do: the flow body runs against recorded outcomes, and nothing else runs. */
export async function dryRun(context: EngineContext, request: ReplayRequest): Promise<DryRun> {
  const prepared = await prepareReplay(withoutWrites(context), request);
  const { context: apart, flow, pin, source, plan, inherited, input } = prepared;
  const walked = await walk({
    flow,
    input,
    source,
    executionId: "dry-run",
    version: pin.version,
    rules: new ReplayRules({ source, plan, isVoided: () => false }),
    given: await readGiven(apart.values, apart.registry, plan.overrides ?? []),
    values: apart.values,
    seed: inherited.seed,
    at: inherited.of.at,
  });
  const calls = await Promise.all(walked.calls.map((call) => dryRunCall(prepared, call)));
  const unused = unusedOf(plan.overrides ?? [], walked, prepared);
  return {
    source: source.id,
    flow: flow.name,
    calls,
    ...endOf(walked.end),
    reusedUsage: reusedUsage(walked, prepared),
    ...(unused.length === 0 ? {} : { unusedOverrides: unused }),
  };
}

/** The same context, whose values stay in memory. */
function withoutWrites(context: EngineContext): EngineContext {
  const { blobs, capabilities } = context.backend;
  const kept = new Map<string, Uint8Array>();
  const apart: BlobStore = {
    put: async (key, bytes) => void kept.set(key, bytes.slice()),
    get: async (key) => kept.get(key)?.slice() ?? blobs.get(key),
    list: (params) => blobs.list(params),
  };
  return { ...context, values: new ValueStore(apart, capabilities.inlineBytes) };
}

async function dryRunCall(prepared: PreparedReplay, call: WalkedCall): Promise<DryRunCall> {
  const { id, kind, name, decision, isUncertain } = call;
  const taken = decision.do === "reuse" ? decision.outcome.entry.id : id;
  return {
    id,
    kind,
    name,
    action: actionOf(kind, decision),
    why: await whyOf(prepared, call),
    ...(taken === id ? {} : { source: taken }),
    dependsOnNewResults: isUncertain,
  };
}

function actionOf(kind: CallKind, decision: Decision): DryRunAction {
  switch (decision.do) {
    case "override":
      return "overridden";
    case "reuse":
      return "reused";
    case "refuse":
      return "refused";
    case "execute":
      return kind === "wait" ? "asked again" : "executed";
  }
}

async function whyOf(prepared: PreparedReplay, call: WalkedCall): Promise<string> {
  const { decision, kind } = call;
  switch (decision.do) {
    case "override":
      return "its output is given";
    case "refuse":
      return "it is to be skipped, and no outcome of it is recorded";
    case "reuse":
      return decision.isForced === true ? "it is skipped" : "its input is as recorded";
    case "execute":
      return `${await whyExecuted(prepared, call, decision.why)}${kind === "flow" ? untoldInside : ""}`;
  }
}

/** A child flow that is executed replays the one before it, and decides about its calls by itself. */
const untoldInside = "; which of its own calls it takes over shows when it runs";

async function whyExecuted(
  { context, source, plan }: PreparedReplay,
  call: WalkedCall,
  why: Why,
): Promise<string> {
  const { id, kind, name } = call;
  if (why === "from") return id === plan.from ? "from here on" : `it follows ${String(plan.from)}`;
  if (why === "override") return overrideReason(plan, [id, `${kind}.${name}`]);
  if (why !== "input changed") return reasons[why];
  const path = await changedInput(call, source.state, context.values);
  return path === undefined ? reasons[why] : `${reasons[why]} at ${path}`;
}

function overrideReason({ overrides = [] }: ReplayPlan, targets: readonly string[]): string {
  const [own] = overrides.filter(({ target }) => targets.includes(target));
  return own === undefined
    ? "a model call inside it is overridden"
    : `its ${own.field} is overridden`;
}

const reasons: Readonly<Record<Exclude<Why, "from" | "override">, string>> = {
  "input changed": "its input changed",
  "not recorded": "it is not recorded",
  "no outcome": "it had no outcome",
  "ended the source": "its failure ended the execution",
  retried: "its failure is tried again",
  used: "its recorded outcome serves another call",
  "asked again": "something before it is new",
  answered: "it is answered already",
};

function endOf(end: WalkEnd): Pick<DryRun, "end" | "endReason"> {
  switch (end.kind) {
    case "returned":
      return { end: "completed" };
    case "threw":
      return { end: "failed", endReason: messageOf(end.error) };
    case "open":
      return { end: "unknown", endReason: `what follows ${end.calls.join(", ")} is not known` };
    case "elsewhere":
      return { end: "unknown", endReason: "the flow body awaits something of its own" };
  }
}

function reusedUsage({ calls }: Walk, { source }: PreparedReplay): UsageTotals {
  const ids = calls.flatMap(({ decision }) =>
    decision.do === "reuse" ? [decision.outcome.entry] : [],
  );
  const records = ids.flatMap((entry) => [
    ...(source.state.llms.get(entry.id) ?? []).map(({ llm }) => llm),
    ...(entry.llm === undefined ? [] : [entry.llm]),
  ]);
  return sumUsage(records.map((record) => ({ record, kind: "reused" }))).reused;
}

function unusedOf(
  overrides: readonly PlannedOverride[],
  { calls }: Walk,
  { source }: PreparedReplay,
): string[] {
  const asked = new Set(calls.flatMap(({ id, kind, name }) => [id, `${kind}.${name}`]));
  for (const { id, decision } of calls)
    if (decision.do === "execute")
      for (const { name } of source.state.llms.get(id) ?? []) asked.add(`llm.${name}`);
  const targets = overrides.map(({ target }) => target);
  return [...new Set(targets.filter((target) => !asked.has(target)))];
}
