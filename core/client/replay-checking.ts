import { pinOfVersion } from "../deployments/invoke.ts";
import { getVersion } from "../deployments/versions.ts";
import { contextOf } from "../engine/code.ts";
import { type EngineContext, localVersion } from "../engine/context.ts";
import type { FlowDefinition } from "../engine/definitions.ts";
import { loadSource } from "../engine/replay/source.ts";
import type { Runtime } from "../engine/runtime.ts";
import { load } from "../engine/session.ts";
import { statusOf } from "../engine/status.ts";
import { KitaruStateError, KitaruUsageError } from "../errors.ts";
import { type ExecutionStatus, type HeadFacts, isEnd } from "../journal/head.ts";
import type { JournalState } from "../journal/state.ts";
import { loadCode } from "./driving.ts";
import { checkLimit, headsOf } from "./listing.ts";
import type { CheckedExecution, ReplayCheck, ReplayCheckOptions } from "./replay-check.ts";
import { checkExecution } from "./replay-check-execution.ts";

const defaultLast = 20;
const headsAtOnce = 100;

/**
 * Run the flow bodies of a build against what executions have recorded: nothing else runs, nothing is written.
 * Throws a state error when the flow or the version is not there, a usage error for options that do not fit.
 */
export async function replayCheck(
  runtime: Runtime,
  options: ReplayCheckOptions,
): Promise<ReplayCheck> {
  const { flow, against, last = defaultLast } = options;
  checkLimit(last, "last");
  const version = await versionOf(runtime, options);
  const code = await codeOf(runtime, flow, against);
  const executions: CheckedExecution[] = [];
  let checked = 0;
  for await (const { facts } of headsOf(runtime.context, flow, { atOnce: headsAtOnce })) {
    if (checked === last) break;
    if (version !== undefined && facts.version !== version) continue;
    const execution = await check(runtime.context, code, facts, options.values === true);
    executions.push(execution);
    if (execution.result !== "skipped") checked++;
  }
  const diverged = executions.filter(({ result }) => result === "diverged").length;
  return {
    flow,
    against: String(against),
    ...(version === undefined ? {} : { version }),
    ok: diverged === 0,
    executions,
    summary: { checked, diverged, skipped: executions.length - checked },
  };
}

/** Version whose executions are wanted; undefined for those of any. */
async function versionOf(
  runtime: Runtime,
  { flow, tag, version }: ReplayCheckOptions,
): Promise<string | undefined> {
  if (tag !== undefined && version !== undefined)
    throw new KitaruUsageError(
      "`tag` and `version` exclude each other: whose executions are meant? Give one of them.",
    );
  if (tag === undefined) return version === undefined ? undefined : String(version);
  return String((await getVersion(runtime, flow, { tag })).version);
}

// ---- the code

interface Code {
  readonly context: EngineContext;
  readonly flow: FlowDefinition;
}

async function codeOf(
  runtime: Runtime,
  flow: string,
  against: ReplayCheckOptions["against"],
): Promise<Code> {
  if (against === localVersion) await haveLocal(runtime, flow);
  const context = await contextOf(runtime.context, await pinOfVersion(runtime, flow, against));
  const definition = context.registry.flow(flow);
  if (definition !== undefined) return { context, flow: definition };
  throw new KitaruStateError(
    against === localVersion
      ? `Flow "${flow}" is not defined in this program. Import the module that defines it, or name that under \`flows\` in kitaru.config.ts.`
      : `Version ${against} of flow "${flow}" does not define that flow any more. Deploy it again.`,
    { code: "not_found" },
  );
}

/** The module of a flow that runs from source is known by its executions. */
async function haveLocal({ context }: Runtime, flow: string): Promise<void> {
  if (context.program.flow(flow) !== undefined) return;
  for await (const { facts } of headsOf(context, flow, { atOnce: headsAtOnce })) {
    if (facts.source === undefined || facts.bundle !== undefined) continue;
    const problem = await loadCode(context, facts);
    if (problem !== undefined) throw problem;
    return;
  }
}

// ---- the executions

async function check(
  context: EngineContext,
  code: Code,
  facts: HeadFacts,
  isShowing: boolean,
): Promise<CheckedExecution> {
  const { id, version } = facts;
  const loaded = await load(context, id);
  const { state } = loaded.journal;
  const status = statusOf(loaded, id, context.clock.now());
  const shown = { id, version, status, createdAt: new Date(facts.createdAt) };
  const reason = whyNot(facts, status, state);
  if (reason !== undefined) return { ...shown, result: "skipped", reason, divergences: [] };
  const source = await loadSource(context, { id, position: state.position });
  const divergences = await checkExecution({ ...code, facts, source, isShowing });
  return { ...shown, result: divergences.length === 0 ? "match" : "diverged", divergences };
}

/** Why what an execution recorded does not tell what its flow does by itself, if that is so. */
function whyNot(
  facts: HeadFacts,
  status: ExecutionStatus,
  { started, ended, cancelling }: JournalState,
): string | undefined {
  if (started === undefined || (!isEnd(status) && status !== "waiting")) return `it is ${status}`;
  if (facts.replayOf !== undefined) return "it is a replay";
  if (ended?.moved === true) return "it was moved away";
  if (cancelling !== undefined)
    return cancelling.entry.reason === "cancel" ? "it was cancelled" : "it timed out";
  const code = ended?.err?.code;
  return code === "divergence" || code === "stalled" ? `it ended as ${code}` : undefined;
}
