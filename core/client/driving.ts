import { pathToFileURL } from "node:url";
import { contextOf, definitionsAtHand } from "../engine/code.ts";
import type { EngineContext } from "../engine/context.ts";
import { loadDefinitions } from "../engine/loading.ts";
import type { Runtime } from "../engine/runtime.ts";
import { load } from "../engine/session.ts";
import { type Signal, nudge, signal } from "../engine/signal.ts";
import { driverOf, isBeingStarted, takeUpAwaited } from "../engine/restart.ts";
import { settledStart } from "../engine/starts.ts";
import { readStatus, statusOf } from "../engine/status.ts";
import { KitaruStateError } from "../errors.ts";
import { loadFailureOf } from "../load-failure.ts";
import { type ExecutionStatus, type Head, isEnd, readHead } from "../journal/head.ts";
import { readInbox } from "../journal/inbox.ts";
import type { LoadedExecution } from "../journal/load.ts";
import { pendingWaitsOf } from "./execution-view.ts";
import { isOverdue, restOf } from "./rest.ts";

/** Who takes an execution further. */
export type Driver = "this process" | "another process" | "nobody";

/** What became of something said to an execution. It is durable in every case. */
export interface Receipt {
  /** Call it went to, for answers and aborts. */
  readonly callId?: string;
  /** The same thing had been said before; nothing was written. */
  readonly repeated: boolean;
  /** `nobody`: it is taken up once a process that has the flow looks, such as `kitaru dev`. */
  readonly drivenBy: Driver;
  /** Why this process could not take over. */
  readonly problem?: Error;
}

interface Preparation {
  readonly drivenBy: Driver;
  readonly problem?: Error;
}

/** Say something to an execution, and take it over if the process that drove it is gone. */
export async function say(runtime: Runtime, id: string, what: Signal): Promise<Receipt> {
  const { context } = runtime;
  await settledStart(id);
  const execution = await load(context, id);
  const prepared = await prepare(context, execution, needsSchema(execution, what));
  const { callId, repeated } = await signal(context, id, what);
  return { ...(callId === undefined ? {} : { callId }), repeated, ...prepared };
}

/**
 * Take an execution over in this process, unless another one drives it.
 * Throws a state error when it has ended, or rests on waits that nobody has answered.
 */
export async function takeOver(runtime: Runtime, id: string): Promise<Driver> {
  const { context } = runtime;
  await settledStart(id);
  const execution = await load(context, id);
  if (!isEndUntold(execution)) checkResumable(execution, id, context.clock.now());
  const { drivenBy, problem } = await prepare(context, execution, false);
  if (problem !== undefined && drivenBy === "nobody") throw problem;
  await nudge(context, id, readInbox(execution.inbox), execution.journal.state);
  return drivenBy;
}

const shortestLookMs = 20;
const longestLookMs = 500;

/**
 * Resolve to the status of an execution once it has ended or rests on a wait that nobody has answered, its own or one
 * of its children's. Rejects when this process drove it and had to give up, or cannot take it over from one that is gone. With `onRest`, a rest on time is told once.
 */
export async function untilRest(
  runtime: Runtime,
  id: string,
  onRest?: () => void,
): Promise<ExecutionStatus> {
  let isTold = false;
  let ended = runtime.ended(id, shortestLookMs);
  for (let lookMs = shortestLookMs; ; lookMs = Math.min(longestLookMs, lookMs * 2)) {
    const head = await ended;
    if (head !== undefined) return readStatus(runtime.context, id);
    ended = runtime.ended(id, lookMs); // before looking, so that no failure goes unheard
    const rest = await restOf(runtime.context, id);
    if (rest === "wait") return "waiting";
    if (rest === "time" && !isTold) {
      isTold = true;
      onRest?.();
    }
    if (lookMs === longestLookMs) await takeOverIfGone(runtime, id);
  }
}

/** Take an execution over whose process has gone while somebody waits for it. Throws why, where that cannot be. */
async function takeOverIfGone({ context }: Runtime, id: string): Promise<void> {
  const { orchestrator } = context.backend;
  if (orchestrator.isGone === undefined || orchestrator.drives?.(id) === true) return;
  const execution = await load(context, id);
  if (execution.journal.state.ended !== undefined) return;
  if (isBeingStarted(execution, context.clock.now())) return;
  const { drivenBy, problem } = await prepare(context, execution, false);
  if (problem !== undefined) throw problem;
  if (drivenBy === "this process") await takeUpAwaited(context, id);
}

/** Whether the process that ended an execution was gone before its head, its parent and those who wait heard of it. */
function isEndUntold({ head, journal }: LoadedExecution): boolean {
  return (
    journal.state.ended !== undefined && head !== undefined && !isEnd(readHead(head).view.status)
  );
}

function checkResumable(execution: LoadedExecution, id: string, now: number): void {
  const status = statusOf(execution, id, now);
  if (isEnd(status))
    throw new KitaruStateError(
      `Execution ${id} has ended (${status}); there is nothing to resume.${status === "failed" ? ` \`kitaru executions retry ${id}\` tries the call that failed again.` : ""}`,
    );
  if (status !== "waiting" || isOverdue(execution, id, now)) return;
  const waits = pendingWaitsOf(execution.journal.state, readInbox(execution.inbox));
  if (waits.length === 0) return;
  const ids = waits.map(({ wait }) => wait.id);
  throw new KitaruStateError(
    `Execution ${id} waits for an answer to ${ids.join(", ")}. Answer with \`kitaru executions input ${id}\`; that resumes it.`,
    { details: { waits: ids } },
  );
}

/** Have the flow at hand if nobody else drives the execution, or if an answer can only be checked by its code. */
async function prepare(
  context: EngineContext,
  execution: LoadedExecution,
  isNeeded: boolean,
): Promise<Preparation> {
  if (execution.head === undefined) return { drivenBy: "nobody" };
  const { orchestrator } = context.backend;
  const { facts } = readHead(execution.head);
  if (orchestrator.canDrive === undefined) return { drivenBy: "another process" };
  const isAtHand =
    orchestrator.canDrive(facts) &&
    definitionsAtHand(context, facts)?.flow(facts.flow) !== undefined;
  const isElsewhere = !isAtHand && (await isDrivenElsewhere(context, execution));
  if (isAtHand || (isElsewhere && !isNeeded))
    return { drivenBy: isElsewhere ? "another process" : "this process" };
  const problem = await loadCode(context, facts);
  if (isElsewhere) return { drivenBy: "another process" };
  return problem === undefined ? { drivenBy: "this process" } : { drivenBy: "nobody", problem };
}

/** An answer is checked before it is kept: by the recorded form of the schema, else by the code. */
function needsSchema({ journal }: LoadedExecution, what: Signal): boolean {
  if (what.kind !== "answer") return false;
  return [...journal.state.pending()].some(
    (open) => open.t === "waiting" && open.gate !== true && open.schema === undefined,
  );
}

async function isDrivenElsewhere(
  context: EngineContext,
  { inbox, journal }: LoadedExecution,
): Promise<boolean> {
  const token = driverOf(readInbox(inbox), journal.state);
  if (token === undefined || journal.state.ended !== undefined) return false;
  return (await context.backend.orchestrator.isGone?.(token)) !== true;
}

/** Load the code of an execution; what keeps it from being loaded, if anything. */
export async function loadCode(
  context: EngineContext,
  facts: Head["facts"],
): Promise<Error | undefined> {
  if (facts.bundle === undefined) return loadFlow(context, facts);
  try {
    await contextOf(context, facts);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new KitaruStateError(String(error));
  }
}

async function loadFlow(
  context: EngineContext,
  facts: Pick<Head["facts"], "flow" | "source" | "id">,
): Promise<Error | undefined> {
  const { flow, source, id } = facts;
  const isDefined = (): boolean => context.program.flow(flow) !== undefined;
  if (isDefined()) return undefined;
  if (source === undefined)
    return new KitaruStateError(
      `The module of flow "${flow}" of execution ${id} is not known. Import it in this program first, or name it under \`flows\` in kitaru.config.ts and run \`kitaru dev\`.`,
    );
  try {
    await loadDefinitions(() => import(pathToFileURL(source).href), isDefined);
  } catch (error) {
    return new KitaruStateError(
      `${source}, the module of flow "${flow}", cannot be loaded: ${loadFailureOf(error)}. Mend it and resume execution ${id}.`,
      { cause: error },
    );
  }
  if (isDefined()) return undefined;
  return new KitaruStateError(
    `${source} does not define flow "${flow}" any more. Put the flow back, or load its module first, and resume execution ${id}.`,
  );
}
