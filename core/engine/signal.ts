import { KitaruStateError, KitaruWaitValidationError } from "../errors.ts";
import { type Head, isEnd, readHead } from "../journal/head.ts";
import {
  type AnswerItem,
  type ChildItem,
  type Inbox,
  type InboxItem,
  inboxDraft,
  inboxKey,
  readInbox,
  storedInbox,
  versionOf,
} from "../journal/inbox.ts";
import type { LoadedExecution } from "../journal/load.ts";
import type { JournalState } from "../journal/state.ts";
import type { OpeningEntry, WaitingEntry } from "../journal/entry.ts";
import { validateJson } from "../schema.ts";
import { adopt } from "./adopt.ts";
import { checkTarget, checkUnasked } from "./answer-target.ts";
import { answerFields, checkAnswer, gateAnswer, isSameAnswer } from "./answer.ts";
import { type Pin, contextOf, definitionsAtHand } from "./code.ts";
import { type EngineContext, makeNonce } from "./context.ts";
import type { Registry } from "./definitions.ts";
import { isRetryable, isRevocable } from "./retry-execution.ts";
import { noExecution } from "./no-execution.ts";
import { load } from "./session.ts";
import { driverOf, restartExecution } from "./restart.ts";

/** Something to say to an execution. */
export type Signal =
  /** `target` is a call id, the name of a wait, or absent for the one pending wait. */
  | { readonly kind: "answer"; readonly target?: string; readonly value: unknown }
  | { readonly kind: "abort"; readonly target?: string }
  /** `item` makes a repeat of the same signal inert. */
  | { readonly kind: "cancel"; readonly item?: string }
  /** `item` is given by a parent that was retried: it makes a repeat inert. */
  | { readonly kind: "retry"; readonly item?: string }
  | ({ readonly kind: "child" } & Omit<ChildItem, "kind">);

/** What became of a signal. */
export interface SignalResult {
  /** Call it went to, for answers and aborts. */
  readonly callId?: string;
  /** The same thing had been said before; nothing was written. */
  readonly repeated: boolean;
}

interface Situation {
  readonly id: string;
  readonly head: Head;
  readonly state: JournalState;
  readonly inbox: Inbox;
}

/**
 * Say something to an execution and wake it. Resolves once it is durable: from then on it is not lost.
 * Throws a state error when it does not fit the execution's state, a wait-validation error for a bad answer.
 */
export async function signal(
  context: EngineContext,
  id: string,
  what: Signal,
): Promise<SignalResult> {
  const nonce = makeNonce(context);
  const known = context.resting.get(id);
  if (known !== undefined && known.journal.state.ended === undefined) {
    // only a write confirms that what is known still holds; anything else is said after a look at the store
    const said = await say(context, { id, what, nonce }, known, known).catch(() => undefined);
    if (said?.repeated === false) return said;
  }
  for (;;) {
    const execution = await read(context, id);
    const said = await say(context, { id, what, nonce }, execution);
    if (said === undefined) continue;
    if (said.repeated)
      await nudge(context, id, readInbox(execution.inbox), execution.journal.state);
    return said;
  }
}

async function read(context: EngineContext, id: string): Promise<LoadedExecution> {
  const { records, capabilities } = context.backend;
  // the inbox first: what it held then is in the journal that is read after, or still in the inbox
  const inbox = capabilities.snapshotPages === true ? undefined : await records.get(inboxKey(id));
  const execution = await load(context, id);
  return capabilities.snapshotPages === true ? execution : { ...execution, inbox };
}

/** Undefined when the inbox has changed: read again; our own write, if its reply was lost, is then found as a repeat. */
async function say(
  context: EngineContext,
  { id, what, nonce }: { readonly id: string; readonly what: Signal; readonly nonce: string },
  execution: LoadedExecution,
  known?: LoadedExecution,
): Promise<SignalResult | undefined> {
  const { records, capabilities } = context.backend;
  const { head, journal } = execution;
  if (head === undefined) throw noExecution(id);
  const inbox = readInbox(execution.inbox);
  const isReopening = mayBeMeantForRetry(what) && isRetryPending(inbox, journal.state);
  if (isReopening)
    for (const entry of await adopt(context, inbox, journal.state, context.clock.now()))
      journal.state.add(entry);
  const situation: Situation = { id, head: readHead(head), state: journal.state, inbox };
  const made = await itemFor(context, situation, what, nonce);
  if ("repeated" in made) return made;
  const { expiresAt: _past, ...kept } = inbox; // an execution that is told something is not over
  const next: Inbox = {
    ...kept,
    items: [...inbox.items, made],
    dueAt: context.clock.now() + signalGraceMs,
  };
  const draft = inboxDraft(id, next, capabilities.dueShards);
  const result = await records.put(draft, versionOf(execution.inbox));
  if (!result.ok) return undefined;
  const told = { ...execution, inbox: storedInbox(draft, next, result.version) };
  if (!isReopening) context.resting.told(id, told, known);
  await nudge(context, id, next, journal.state);
  return { ...("call" in made ? { callId: made.call } : {}), repeated: false };
}

/** What is said between a retry and the advance that takes it in is about the execution as that will find it. */
function mayBeMeantForRetry({ kind }: Signal): boolean {
  return kind === "answer" || kind === "abort" || kind === "cancel";
}

/** A signal whose wake was lost is found by the sweep after this. */
const signalGraceMs = 30_000;

/**
 * Wake whoever drives the execution, best effort. When it is known that nobody does, an
 * in-process orchestrator takes the execution over; otherwise the sweep finds it.
 */
export async function nudge(
  context: EngineContext,
  id: string,
  inbox: Inbox,
  state: JournalState,
): Promise<void> {
  const token = driverOf(inbox, state);
  const { orchestrator, records } = context.backend;
  try {
    if (token !== undefined && (await orchestrator.wake(token, id))) return;
    const head = await records.get({ partition: `exec/${id}`, sort: "head" });
    if (head !== undefined && orchestrator.canDrive?.(readHead(head).facts) === true)
      await restartExecution(context, head);
  } catch {
    // the item is durable and overdue in 30 s: the sweep heals whatever went wrong here
  }
}

/** What has been moved away is told nothing here any more: it would reach nobody. */
function checkHere({ id, state }: Situation): void {
  if (state.ended?.moved !== true) return;
  throw new KitaruStateError(
    `Execution ${id} was moved away with \`executions export --move\`. Talk to it on the stack where its file was imported; imported here, it goes on here.`,
  );
}

async function itemFor(
  context: EngineContext,
  situation: Situation,
  what: Signal,
  nonce: string,
): Promise<InboxItem | (SignalResult & { repeated: true })> {
  checkHere(situation);
  const at = context.clock.now();
  switch (what.kind) {
    case "answer":
      return answerItem(context, situation, what, { i: nonce, at });
    case "abort":
      return abortItem(context, situation, what.target, { i: nonce, at });
    case "cancel":
      return cancelItem(situation, what.item ?? nonce, at);
    case "retry":
      return retryItem(situation, what.item, { i: what.item ?? nonce, at });
    case "child":
      return situation.state.outcomes.has(what.call) || isChildEndSaid(situation, what)
        ? { repeated: true }
        : { i: nonce, at, ...what };
  }
}

function isChildEndSaid(situation: Situation, what: Omit<ChildItem, "kind">): boolean {
  const said = situation.inbox.items.filter(
    (item) => item.kind === "child" && item.call === what.call,
  );
  return said.some((item) => "cancelled" in item === (what.cancelled === true));
}

// ---- answers

interface Stamp {
  readonly i: string;
  readonly at: number;
}

async function answerItem(
  context: EngineContext,
  situation: Situation,
  what: Extract<Signal, { kind: "answer" }>,
  stamp: Stamp,
): Promise<InboxItem | (SignalResult & { repeated: true })> {
  const target = resolveTarget(context, situation, what.target);
  const item: Stamp & AnswerItem = {
    ...stamp,
    ...(await checkedAnswer(context, situation, target, what.value)),
  };
  const settled = settlement(situation, target);
  if (settled === undefined) return openOnly(situation, target, item);
  if (isSameAnswer(settled, item) || settled.i === stamp.i)
    return { callId: target, repeated: true };
  throw alreadySettled(situation, target, settled.how);
}

function abortItem(
  context: EngineContext,
  situation: Situation,
  wanted: string | undefined,
  stamp: Stamp,
): InboxItem | (SignalResult & { repeated: true }) {
  const target = resolveTarget(context, situation, wanted);
  const settled = settlement(situation, target);
  if (settled === undefined)
    return openOnly(situation, target, {
      ...stamp,
      kind: "abort",
      call: target,
      name: waitName(target),
    });
  if (settled.how === "aborted") return { callId: target, repeated: true };
  throw alreadySettled(situation, target, settled.how);
}

function openOnly<T>(situation: Situation, target: string, item: T): T {
  if (situation.state.ended === undefined) return item;
  throw new KitaruStateError(
    `Execution ${situation.id} has ended (${situation.state.ended.status}); its wait ${target} can no longer be answered.`,
  );
}

/** The call an answer goes to: a call id as it is; a name as the one pending wait of that name. */
function resolveTarget(
  context: EngineContext,
  situation: Situation,
  wanted: string | undefined,
): string {
  if (wanted !== undefined) checkTarget(wanted);
  const target = targetOf(situation, wanted);
  const { state, head } = situation;
  if (!state.known.has(target) && !state.outcomes.has(target))
    checkUnasked(context, head.facts, waitName(target));
  return target;
}

function targetOf(situation: Situation, wanted: string | undefined): string {
  const { id, state } = situation;
  const pending = pendingWaits(situation);
  if (wanted === undefined) {
    const [only, ...others] = pending;
    if (only === undefined) throw noneWaiting(situation);
    if (others.length > 0)
      throw new KitaruStateError(
        `Execution ${id} has ${pending.length} pending waits. Name one of them: ${pending.map((wait) => wait.id).join(", ")}.`,
        { details: { waits: pending.map((wait) => wait.id) } },
      );
    return only.id;
  }
  if (wanted.includes(":")) return checkWaitId(situation, wanted);
  const named = pending.filter((wait) => wait.name === wanted);
  const [only, ...others] = named;
  if (only !== undefined && others.length > 0)
    throw new KitaruStateError(
      `Execution ${id} has ${named.length} pending waits named "${wanted}". Name one call: ${named.map((wait) => wait.id).join(", ")}.`,
      { details: { waits: named.map((wait) => wait.id) } },
    );
  if (only !== undefined) return only.id;
  return lastSettled(situation, wanted) ?? firstUnasked(situation, wanted, state);
}

function checkWaitId({ id, state }: Situation, callId: string): string {
  const known = state.known.get(callId) ?? state.outcomes.get(callId)?.entry;
  if (known !== undefined && known.kind !== "wait")
    throw new KitaruStateError(
      `${callId} of execution ${id} is not a wait but a ${known.kind}; only waits can be answered.`,
    );
  return callId;
}

function firstUnasked(situation: Situation, name: string, state: JournalState): string {
  if (state.known.values().some((call) => call.name === name && call.kind !== "wait"))
    throw new KitaruStateError(
      `"${name}" of execution ${situation.id} is not a wait; only waits can be answered.`,
    );
  return `${name}:0`;
}

/**
 * The latest settled wait of a name: a repeated click goes to it and never to the next round. Waits of a name are asked in
 * the order of their numbers: what was said to one in advance, while an earlier one is still to come, does not count.
 */
function lastSettled({ state, inbox }: Situation, name: string): string | undefined {
  const settled = [...state.outcomes.keys()].filter((id) => waitName(id) === name);
  const said = inbox.items.flatMap((item) =>
    (item.kind === "answer" || item.kind === "abort") && item.name === name ? [item.call] : [],
  );
  const isWait = (id: string): boolean =>
    (state.known.get(id) ?? state.outcomes.get(id)?.entry)?.kind === "wait";
  const numbers = new Set([...settled.filter(isWait), ...said].map(callNumber));
  let count = 0;
  while (numbers.has(count)) count++;
  return count === 0 ? undefined : `${name}:${count - 1}`;
}

/** Waits that are asked and that nobody has said anything to. */
function pendingWaits(situation: Situation): WaitingEntry[] {
  if (situation.state.ended !== undefined) return [];
  return [...situation.state.pending()].filter(
    (open): open is WaitingEntry =>
      open.t === "waiting" && findItem(situation, open.id) === undefined,
  );
}

interface Settlement {
  readonly how: "answered" | "aborted" | "expired";
  /** Digests of the answer. */
  readonly vh?: string;
  readonly gh?: string;
  /** Inbox item it came from. */
  readonly i?: string;
}

function settlement(situation: Situation, callId: string): Settlement | undefined {
  const entry = situation.state.outcomes.get(callId)?.entry;
  if (entry?.t === "failed") return { how: "aborted" };
  if (entry?.t === "completed")
    return {
      how: entry.expired === true ? "expired" : "answered",
      ...(entry.expired === true || entry.vh === undefined ? {} : { vh: entry.vh }),
      ...(entry.gh === undefined ? {} : { gh: entry.gh }),
      ...(entry.item === undefined ? {} : { i: entry.item }),
    };
  const item = findItem(situation, callId);
  switch (item?.kind) {
    case "answer":
      return { ...item, how: "answered" };
    case "abort":
      return { how: "aborted" };
    case "expiry":
      return { how: "expired" };
    default:
      return undefined;
  }
}

/** An inbox item for a call that the journal has not taken in; one it refused does not count. */
function findItem(
  { inbox, state }: Situation,
  callId: string,
): Extract<InboxItem, { call: string }> | undefined {
  return inbox.items.find(
    (item): item is Extract<InboxItem, { call: string }> =>
      "call" in item && item.call === callId && !state.items.has(item.i),
  );
}

async function checkedAnswer(
  context: EngineContext,
  situation: Situation,
  target: string,
  value: unknown,
): Promise<AnswerItem> {
  const name = waitName(target);
  const base = { kind: "answer", call: target, name } as const;
  const open = situation.state.opens.get(target);
  const definition = (await definitionsFor(context, situation.head.facts, open))?.wait(name);
  if (definition !== undefined) {
    const checked = await checkAnswer(definition, value);
    if (!checked.ok) throw invalidAnswer(situation.id, target, checked.issues);
    const isGate = definition.schema === undefined;
    const given = isGate ? undefined : value;
    return { ...base, ...(await answerFields(context, target, checked.value, given)) };
  }
  if (open?.t === "waiting") {
    const checked =
      open.gate === true
        ? gateAnswer(value)
        : open.schema === undefined
          ? undefined
          : await validateJson(open.schema as Record<string, unknown>, value);
    if (checked?.ok === false) throw invalidAnswer(situation.id, target, checked.issues);
    if (open.gate === true) return { ...base, ...(await answerFields(context, target, undefined)) };
  }
  return { ...base, ...(await answerFields(context, target, value)), raw: true };
}

/** An answer is checked by the execution's own code where that is at hand, or where nothing else can check it. */
async function definitionsFor(
  context: EngineContext,
  pin: Pin,
  open: OpeningEntry | undefined,
): Promise<Registry | undefined> {
  const isUncheckable = open?.t === "waiting" && open.gate !== true && open.schema === undefined;
  if (isUncheckable) return (await contextOf(context, pin)).registry;
  return definitionsAtHand(context, pin);
}

function invalidAnswer(id: string, target: string, issues: string): KitaruWaitValidationError {
  return new KitaruWaitValidationError(
    `The answer to ${target} of execution ${id} does not fit its schema: ${issues}. The wait stays pending; answer again.`,
    { details: { call: target } },
  );
}

const settledAs: Readonly<Record<Settlement["how"], string>> = {
  answered: "has already been answered with another value",
  aborted: "has already been aborted",
  expired: "has expired",
};

function alreadySettled(
  { id }: Situation,
  target: string,
  how: Settlement["how"],
): KitaruStateError {
  return new KitaruStateError(
    `The wait ${target} of execution ${id} ${settledAs[how]}; that stands.`,
    { code: "conflict", details: { call: target, how } },
  );
}

function noneWaiting({ id, state }: Situation): KitaruStateError {
  return new KitaruStateError(
    state.ended === undefined
      ? `Execution ${id} has no pending wait. Name the wait to answer it before it is asked.`
      : `Execution ${id} has ended (${state.ended.status}) and has no pending wait.`,
  );
}

function waitName(callId: string): string {
  const colon = callId.lastIndexOf(":");
  return colon === -1 ? callId : callId.slice(0, colon);
}

function callNumber(callId: string): number {
  return Number(callId.slice(callId.lastIndexOf(":") + 1));
}

// ---- cancel and retry

function cancelItem(
  { id, state, inbox }: Situation,
  item: string,
  at: number,
): InboxItem | { repeated: true } {
  if (state.items.has(item) || inbox.items.some((known) => known.i === item))
    return { repeated: true };
  if (state.ended !== undefined)
    throw new KitaruStateError(
      `Execution ${id} cannot be cancelled: it has ended (${state.ended.status}).`,
    );
  return { i: item, at, kind: "cancel" };
}

function retryItem(
  { id, head, state, inbox }: Situation,
  byParent: string | undefined,
  stamp: Stamp,
): InboxItem | { repeated: true } {
  if (state.items.has(stamp.i) || isRetryPending(inbox, state)) return { repeated: true };
  const { ended } = state;
  if (byParent !== undefined && ended !== undefined && isRevocable(state, ended))
    return { ...stamp, kind: "retry", parent: true };
  if (ended?.status !== "failed") {
    const status = ended?.status ?? (isEnd(head.view.status) ? "running" : head.view.status);
    throw new KitaruStateError(
      `Only failed executions can be retried. Execution ${id} is currently ${status}.`,
    );
  }
  if (!isRetryable(ended))
    throw new KitaruStateError(
      `Execution ${id} cannot be retried: the flow threw an error of its own (${ended.err?.message ?? ""}), which a retry would only repeat. Change the code or the input and use \`kitaru executions replay ${id}\`.`,
    );
  return { ...stamp, kind: "retry" };
}

/** Whether a retry has been asked for that no advance has taken in. */
export function isRetryPending(inbox: Inbox, state: JournalState): boolean {
  return inbox.items.some((item) => item.kind === "retry" && !state.items.has(item.i));
}
