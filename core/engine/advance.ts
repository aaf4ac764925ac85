import { KitaruExecutionError, KitaruStateError, hasCode } from "../errors.ts";
import { hashVersion } from "../hash.ts";
import {
  type AdvanceEntry,
  type EndedEntry,
  type Entry,
  type StartedEntry,
  formatVersion,
} from "../journal/entry.ts";
import {
  type Head,
  type HeadView,
  headKey,
  isEnd,
  listNames,
  readHead,
  updateHead,
} from "../journal/head.ts";
import {
  type Inbox,
  type InboxItem,
  inboxDraft,
  inboxKey,
  readInbox,
  storedInbox,
} from "../journal/inbox.ts";
import type { LoadedExecution } from "../journal/load.ts";
import { storeError } from "../journal/stored-error.ts";
import type {
  AdvanceParams,
  Directive,
  EndOfExecution,
  ParkParams,
} from "../ports/orchestrator.ts";
import { adopt, isCancelledChild } from "./adopt.ts";
import { cancelChildren, endOf as childEnd } from "./children.ts";
import { contextOf } from "./code.ts";
import { type EngineContext, makeNonce, observe } from "./context.ts";
import { FlowRun, type RunResult } from "./flow-run.ts";
import { openReplay } from "./replay/replay.ts";
import { isParentsCancel, isTakenBack } from "./retry-execution.ts";
import { expireJournal, expiryOf } from "./retention.ts";
import { Session, load, takeFresh } from "./session.ts";
import { isRetryPending, signal } from "./signal.ts";

/** Advances without progress after which an execution is given up: something kills every one of them. */
const poisonAdvances = 5;
/** Shortest time an execution is parked for. */
const shortestParkMs = 1000;

/**
 * Take an execution as far as it can go and say what to do next.
 * Every write is fenced by the epoch this advance takes; one that lost it writes nothing more.
 */
export async function advance(context: EngineContext, params: AdvanceParams): Promise<Directive> {
  const claim = await takeOver(context, params);
  if ("directive" in claim) return claim.directive;
  try {
    const directive = await goOn(claim, params);
    context.outages.delete(params.executionId);
    return directive;
  } catch (error) {
    if (hasCode(error, "backend")) await noteOutage(claim.session);
    throw error;
  }
}

async function goOn(claim: Claim, params: AdvanceParams): Promise<Directive> {
  const { session } = claim;
  if (session.state.ended !== undefined) return settleEnd(session);
  const poisoned = poisonedBy(session);
  if (poisoned !== undefined) return append(session, params, poisoned);
  const run = await makeRun(claim, params);
  params.onRunning?.(() => run.pokeInbox());
  return conclude(session, params, run, await run.drive());
}

// ---- steps 1 and 2: load, expire, take over

interface Claim {
  readonly session: Session;
  readonly adopted: readonly Entry[];
  readonly until: number;
  /** The claim of a fresh execution, which joins the first append of the run. */
  readonly pending: readonly Entry[];
}

async function takeOver(
  context: EngineContext,
  params: AdvanceParams,
): Promise<Claim | { readonly directive: Directive }> {
  for (;;) {
    const session = await openSession(context, params.executionId);
    const now = context.clock.now();
    const inbox = readInbox(session.inbox);
    const adopted = await adopt(session.context, inbox, session.state, now);
    const hasEnded = session.state.ended !== undefined && !isReopening(adopted);
    const isDone = hasEnded || (await isHeldByAnother(session, params, now));
    if (isDone && session.isAssumed) continue; // only a write would show whether it still is so
    if (hasEnded) return { directive: await settleEnd(session) };
    if (isDone) return { directive: { kind: "end" } };
    checkRunnable(session);
    const expiries = expiriesOf(session, inbox, now);
    if (expiries.length > 0) {
      await session.addToInbox(expiries);
      continue;
    }
    const { leaseMs, graceMs } = context.backend.capabilities;
    const until = (params.deadline ?? now + leaseMs) + graceMs;
    session.epoch = session.state.epoch + 1;
    const first = beginning(session, now);
    const entries: Entry[] = [
      ...first,
      claimEntry(session, session.state.position + first.length, params, until, now),
      ...adopted,
    ];
    // Nobody else knows of a fresh execution yet: its claim may share the first append. Should it lose against
    // somebody after all, what ran meanwhile is discarded.
    if (session.isFresh && adopted.length === 0)
      return { session, adopted, until, pending: entries };
    if (adopted.some((entry) => entry.t === "ended")) await cancelChildren(session);
    // what was to be deleted is kept before it goes on
    if (isReopening(adopted) && (await isKeptAnew(session))) continue;
    if (!(await appendClaim(session, entries))) continue;
    if (!isReopening(adopted) || (await reopened(session, inbox)))
      return { session, adopted, until, pending: [] };
  }
}

async function isKeptAnew({ context, executionId, head }: Session): Promise<boolean> {
  if (readHead(head).expiresAt === undefined) return false;
  return expireJournal(context, executionId, undefined);
}

function isReopening(adopted: readonly Entry[]): boolean {
  return adopted.some((entry) => entry.t === "retried");
}

/** Take in what had been said before a retry, and let the head say that the end no longer stands. */
async function reopened(session: Session, inbox: Inbox): Promise<boolean> {
  const { context, state } = session;
  const kept = await adopt(context, inbox, state, context.clock.now());
  if (kept.length > 0 && !(await session.append(kept))) return false;
  // not at rest: of this advance nothing is known yet but that it goes on
  await putHead(session, soon(session), { status: "running", epoch: session.epoch - 1 });
  return true;
}

async function openSession(context: EngineContext, executionId: string): Promise<Session> {
  const fresh = await openFresh(context, executionId);
  const known = fresh ?? context.resting.take(executionId);
  const execution = known ?? (await load(context, executionId));
  if (execution.head === undefined)
    throw new KitaruStateError(`There is no execution "${executionId}" on this stack.`, {
      code: "not_found",
    });
  const code = isOver(execution) ? context : contextOf(context, readHead(execution.head).facts);
  const own = code instanceof Promise ? await code : code;
  return new Session(own, execution, execution.head, {
    isFresh: fresh !== undefined,
    isAssumed: known !== undefined,
  });
}

/** What a parent has said before it is told even to a child that has only just been created. */
async function openFresh(
  context: EngineContext,
  executionId: string,
): Promise<LoadedExecution | undefined> {
  const fresh = takeFresh(context, executionId);
  if (fresh?.head === undefined || readHead(fresh.head).facts.parent === undefined) return fresh;
  const inbox = await context.backend.records.get(inboxKey(executionId));
  return { ...fresh, inbox };
}

/** Whether none of the flow's code will run any more. */
function isOver({ journal, inbox }: LoadedExecution): boolean {
  return journal.state.ended !== undefined && !isRetryPending(readInbox(inbox), journal.state);
}

/**
 * Another owner's claim stands until it runs out, unless its advance has ended the execution or the owner is known to be
 * gone. A later start of the orchestration has not to wait for an earlier one that rests, and replaces it for good.
 */
async function isHeldByAnother(
  session: Session,
  { owner, generation }: AdvanceParams,
  now: number,
): Promise<boolean> {
  const last = session.state.lastAdvance;
  if (last === undefined || session.state.ended !== undefined) return false;
  const { gen = generation } = last;
  const isKnown = generation !== undefined && gen !== undefined;
  if (isKnown && generation < gen) return true;
  if (last.owner === owner || now >= last.until) return false;
  if (isKnown && generation > gen && isAtRest(session)) return false;
  return (await session.context.backend.orchestrator.isGone?.(last.owner)) !== true;
}

/** Whether the last advance has left everything in order and does nothing any more. */
function isAtRest({ head, state }: Session): boolean {
  return readHead(head).view.epoch >= state.epoch;
}

function checkRunnable(session: Session): void {
  const { flow, version, bundle } = readHead(session.head).facts;
  if (session.context.registry.flow(flow) !== undefined) return;
  if (bundle !== undefined)
    throw new KitaruStateError(
      `Execution ${session.executionId} is pinned to version ${version}, whose bundle ${bundle.slice(0, 12)} does not define flow "${flow}". Start it again on another version.`,
      { details: { flow, version } },
    );
  throw new KitaruStateError(
    `Flow "${flow}" of execution ${session.executionId} is not defined in this program. Load its module first: run it with \`kitaru dev\` (which loads the flows of kitaru.config.ts), or import the module that defines it.`,
    { details: { flow } },
  );
}

function expiriesOf(session: Session, inbox: Inbox, now: number): InboxItem[] {
  const { state, context } = session;
  if (state.cancelling !== undefined) return [];
  const items: InboxItem[] = [];
  for (const open of state.pending()) {
    if (open.t !== "waiting" || open.due === undefined || open.due > now) continue;
    const isSaid = inbox.items.some(
      (item) => "call" in item && item.call === open.id && !state.items.has(item.i),
    );
    if (!isSaid)
      items.push({
        kind: "expiry",
        call: open.id,
        name: open.name,
        i: makeNonce(context),
        at: now,
      });
  }
  return items;
}

function beginning(session: Session, now: number): StartedEntry[] {
  if (session.state.started !== undefined) return [];
  const { facts } = readHead(session.head);
  return [
    {
      t: "started",
      format: formatVersion,
      hash: facts.replayOf === undefined ? hashVersion : (facts.replayOf.hash ?? 1),
      segmentBytes: session.context.backend.capabilities.segmentBytes,
      flow: facts.flow,
      version: facts.version,
      seed: facts.seed,
      input: facts.input,
      h: facts.h,
      ...(facts.replayOf === undefined ? {} : { replayOf: facts.replayOf }),
      at: now,
    },
  ];
}

function claimEntry(
  session: Session,
  pos: number,
  { owner, generation }: AdvanceParams,
  until: number,
  at: number,
): AdvanceEntry {
  const { epoch, state } = session;
  const gen = generation === undefined ? {} : { gen: generation };
  const outage = lastOutage(session);
  const isNews = outage !== undefined && state.barren.some((one) => one <= outage);
  return { t: "advance", epoch, owner, until, pos, ...gen, ...(isNews ? { outage } : {}), at };
}

// ---- outages of the store

/** Take the epoch; the store may have written that although it failed. */
async function appendClaim(session: Session, entries: readonly Entry[]): Promise<boolean> {
  try {
    return await session.append(entries);
  } catch (error) {
    if (hasCode(error, "backend")) await noteOutage(session);
    throw error;
  }
}

/** Last epoch that ended because the store failed, as this process and the head know it. */
function lastOutage({ context, executionId, head }: Session): number | undefined {
  const known = [context.outages.get(executionId), readHead(head).view.outage];
  return known.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a));
}

/** That the store failed says nothing about the flow. Said to the head too, best effort: it may answer by now. */
async function noteOutage(session: Session): Promise<void> {
  const { context, executionId, epoch, state } = session;
  if (state.ended !== undefined) return;
  context.outages.set(executionId, epoch);
  const { view } = readHead(session.head); // nothing has come to rest since
  const change = { outage: epoch, epoch: view.epoch };
  await putHead(session, soon(session), change).catch(() => undefined);
}

/** The end of an execution that several advances in a row could not bring to rest. */
function poisonedBy(session: Session): EndedEntry | undefined {
  const { state, context } = session;
  const { view } = readHead(session.head);
  const crashed = state.barren.filter((epoch) => epoch > view.epoch && epoch !== session.epoch);
  if (crashed.length < poisonAdvances) return undefined;
  const open = [...state.pending()].map((call) => call.id);
  const last = [...state.outcomes.keys()].at(-1);
  const where =
    open.length > 0
      ? `Open calls: ${open.join(", ")}.`
      : `It was after ${last === undefined ? "the start" : last}.`;
  const error = new KitaruExecutionError(
    `${poisonAdvances} advances in a row ended without progress: something there kills the process that runs them. ${where} Mend the cause and retry the execution.`,
    { code: "stalled", details: { open } },
  );
  return { t: "ended", status: "failed", err: storeError(error), at: context.clock.now() };
}

// ---- step 3: run

async function makeRun(
  { session, adopted, until, pending }: Claim,
  params: AdvanceParams,
): Promise<FlowRun> {
  const { context, state } = session;
  const { facts, view } = readHead(session.head);
  const flow = context.registry.flow(facts.flow);
  const started = state.started ?? pending.find((entry) => entry.t === "started");
  if (flow === undefined || started === undefined) throw new TypeError("takeOver has checked both");
  const lastRetry = state.retries.findLast((entry) => entry.auto !== true);
  const timeoutAt =
    facts.timeoutAt === undefined
      ? undefined
      : facts.timeoutAt + (lastRetry === undefined ? 0 : lastRetry.at - facts.createdAt);
  const previousCrashed = session.epoch > 1 && view.epoch < session.epoch - 1;
  const { replayOf } = started;
  const replay = replayOf && (await openReplay(session, replayOf));
  return new FlowRun(
    {
      session,
      flow,
      started,
      pending,
      input: await context.values.get(facts.input), // a copy of its own: the flow may change it, `started` must not
      owner: params.owner,
      until,
      checkChildren: previousCrashed || mustCheckChildren(session, adopted),
      isReplay: facts.isReplay === true,
      ...(replay === undefined ? {} : { replay }),
      ...(timeoutAt === undefined ? {} : { timeoutAt }),
      ...(params.deadline === undefined ? {} : { deadline: params.deadline }),
      ...(params.signal === undefined ? {} : { signal: params.signal }),
    },
    state.flowLogs,
  );
}

/** A look that nothing called for may be due to a notice of a child that was lost. */
function mustCheckChildren({ inbox }: Session, adopted: readonly Entry[]): boolean {
  if (adopted.length === 0 || isReopening(adopted)) return true;
  return readInbox(inbox).items.some(isCancelledChild);
}

// ---- step 4: at rest

async function conclude(
  session: Session,
  params: AdvanceParams,
  run: FlowRun,
  result: RunResult,
): Promise<Directive> {
  switch (result.kind) {
    case "ended":
      return settleEnd(session);
    case "superseded":
      return superseded(session, params.owner);
    case "yield":
      // stopping in good order is no crash, whatever was running
      if (result.clean || params.signal?.aborted === true)
        // not at rest where the next advance must look after a child as after a crash
        await putHead(session, soon(session), run.hasUnseenChildren ? before(session) : {});
      return { kind: "advance", epoch: session.epoch };
    case "tasks":
      await putHead(session, result.dueAt + session.context.backend.capabilities.graceMs);
      return { kind: "tasks", tasks: result.tasks, epoch: session.epoch };
    case "park":
      return park(session, result.label, result.due);
  }
}

/** As if this advance had not come to rest. */
function before({ epoch }: Session): Partial<HeadView> {
  return { epoch: epoch - 1 };
}

async function park(session: Session, label: string, due: number | undefined): Promise<Directive> {
  const { clock, backend, resting } = session.context;
  await putHead(session, soon(session)); // findable before parked
  const { execution, executionId, head, inbox } = session;
  resting.keep(executionId, { ...execution, head, inbox });
  const now = clock.now();
  const wakeAt = Math.min(
    now + backend.capabilities.heartbeatMs,
    Math.max(due ?? Infinity, now + shortestParkMs),
  );
  return {
    kind: "park",
    label,
    seen: session.inbox?.version ?? "absent",
    wakeAt,
    epoch: session.epoch,
  };
}

/** A late double of the same owner leaves the field to the other, which goes on; a stranger ends. */
async function superseded(session: Session, owner: string): Promise<Directive> {
  const { journal } = await load(session.context, session.executionId);
  return { kind: journal.state.lastAdvance?.owner === owner ? "advance" : "end" };
}

async function append(session: Session, params: AdvanceParams, entry: Entry): Promise<Directive> {
  return (await session.append([entry])) ? settleEnd(session) : superseded(session, params.owner);
}

/** Bring head, parent and inbox in line with an end that is in the journal. Repeatable. */
async function settleEnd(session: Session): Promise<Directive> {
  const { context, executionId } = session;
  const { parent } = readHead(session.head).facts;
  const ended = session.state.ended;
  const isNews = ended !== undefined && !isParentsCancel(session.state, ended);
  if (parent !== undefined && isNews) await tellParent(session, parent, ended);
  await letExpire(session); // before the head: until then it is what lets a sweep find one that was killed here
  await putHead(session, undefined);
  await clearInboxDue(session); // after the head: until then it is what lets a sweep find one that was killed here
  if (parent !== undefined && !isNews) await askParent(session, parent);
  observe(context, (o) => o.ended?.({ executionId, head: readHead(session.head) }));
  return { kind: "end", ...(ended === undefined ? {} : { ended: endOf(ended) }) };
}

/** Once it has ended, all its records expire in the same second. */
async function letExpire(session: Session): Promise<void> {
  const { context, executionId } = session;
  const at = expiryOf(context.backend.capabilities, viewOf(session));
  if (at !== undefined) await expireJournal(context, executionId, at);
}

function endOf({ status, err }: EndedEntry): EndOfExecution {
  return { status, ...(err === undefined ? {} : { code: err.code ?? err.name }) };
}

async function tellParent(
  { context, executionId }: Session,
  parent: { readonly id: string; readonly call: string },
  ended: EndedEntry,
): Promise<void> {
  const end = childEnd(executionId, ended);
  try {
    await signal(context, parent.id, { kind: "child", call: parent.call, ...end });
  } catch (error) {
    if (!(error instanceof KitaruStateError)) throw error; // the parent is gone or has ended
  }
}

/** A parent that was retried before its cancel had come to an end has seen the child running: let it look again. */
async function askParent(
  { context, state }: Session,
  parent: { readonly id: string; readonly call: string },
): Promise<void> {
  const record = await context.backend.records.get(headKey(parent.id));
  if (record === undefined || isEnd(readHead(record).view.status)) return;
  const { journal } = await load(context, parent.id);
  if (journal.state.ended !== undefined || !isTakenBack(state, journal.state)) return;
  await signal(context, parent.id, { kind: "child", call: parent.call, cancelled: true });
}

async function clearInboxDue(session: Session): Promise<void> {
  const inbox = readInbox(session.inbox);
  const { expiresAt } = readHead(session.head);
  const isClear = inbox.dueAt === undefined && inbox.expiresAt === expiresAt;
  if (session.inbox === undefined || isClear) return;
  const { dueAt: _settled, ...kept } = inbox;
  const rest: Inbox = { ...kept, ...(expiresAt === undefined ? {} : { expiresAt }) };
  const { records, capabilities } = session.context.backend;
  // on a conflict something new arrived, and what wrote it will look again
  await records.put(
    inboxDraft(session.executionId, rest, capabilities.dueShards),
    session.inbox.version,
  );
}

function soon(session: Session): number {
  return session.context.clock.now() + session.context.backend.capabilities.graceMs;
}

/** Stamp the head with what the journal says now; a later stamp is never replaced. */
async function putHead(
  session: Session,
  dueAt: number | undefined,
  change: Partial<HeadView> = {},
): Promise<void> {
  const { context } = session;
  const view = { ...viewOf(session), ...change };
  session.head = await updateHead(
    context.backend.records,
    session.head,
    context.backend.capabilities.dueShards,
    (head) => (isStale(head, view, dueAt) ? withView(session, head, view, dueAt) : undefined),
  );
}

function isStale(head: Head, view: HeadView, dueAt: number | undefined): boolean {
  if (head.view.pos > view.pos) return false;
  return head.view.pos < view.pos || head.view.epoch < view.epoch || head.dueAt !== dueAt;
}

function withView(
  { context }: Session,
  head: Head,
  view: HeadView,
  dueAt: number | undefined,
): Head {
  const expiresAt = expiryOf(context.backend.capabilities, view);
  return {
    facts: head.facts,
    view,
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

function viewOf(session: Session): HeadView {
  const { state, epoch } = session;
  const ended = state.ended;
  const waits = [...state.pending()].filter((open) => open.t === "waiting").map((open) => open.id);
  const isOpen = ended === undefined;
  const [saved, loaded] = [listNames(state.saved), listNames(state.loaded)];
  return {
    pos: state.position,
    epoch: Math.max(epoch, isOpen ? 0 : state.epoch),
    status: ended?.status ?? (anyPending(session) ? "waiting" : "running"),
    ...(state.started === undefined ? {} : { startedAt: state.started.at }),
    ...(ended === undefined ? {} : { endedAt: ended.at }),
    ...(isOpen && waits.length > 0 ? { waits } : {}),
    ...(ended?.out === undefined ? {} : { out: ended.out }),
    ...(ended?.err === undefined ? {} : { err: ended.err }),
    ...(saved === undefined ? {} : { saved }),
    ...(loaded === undefined ? {} : { loaded }),
  };
}

function anyPending(session: Session): boolean {
  for (const open of session.state.pending())
    if (open.t !== "scheduled" || open.child !== undefined) return true;
  return [...session.state.attempts.values()].some(
    (attempts) => attempts.at(-1)?.retryAt !== undefined,
  );
}

/** Park under a token; false when something arrived that no advance has adopted. */
export async function parkExecution(context: EngineContext, params: ParkParams): Promise<boolean> {
  const { records, capabilities } = context.backend;
  const inbox: Inbox = {
    items: [],
    parked: params.token,
    dueAt: params.wakeAt + capabilities.graceMs,
  };
  const draft = inboxDraft(params.executionId, inbox, capabilities.dueShards);
  const result = await records.put(draft, params.seen);
  if (result.ok) {
    const record = storedInbox(draft, inbox, result.version);
    context.resting.parked(params.executionId, params.seen, record);
    return true;
  }
  context.resting.drop(params.executionId);
  const found = await records.get(draft);
  return found?.body === draft.body;
}
