import {
  KitaruCancelledError,
  KitaruTimeoutError,
  KitaruUsageError,
  isKitaruError,
} from "../errors.ts";
import type {
  AttemptEntry,
  EndedEntry,
  Entry,
  OutcomeEntry,
  StartedEntry,
} from "../journal/entry.ts";
import { type InboxItem, readInbox } from "../journal/inbox.ts";
import { reviveError, storeError } from "../journal/stored-error.ts";
import { OutcomeLine } from "../journal/outcome-line.ts";
import { type JournalState, type KnownCall, isKnownOutcome } from "../journal/state.ts";
import type { TaskRef } from "../ports/orchestrator.ts";
import { isError } from "../storable.ts";
import { adopt, isCancelledChild } from "./adopt.ts";
import { type Call, hashOf, inputName, inputsOf, nameOf } from "./call.ts";
import { begin, openTasks } from "./calls/begin.ts";
import { cancelChild, startChild } from "./calls/child.ts";
import { wokenUp } from "./calls/sleep.ts";
import { capture } from "./captured.ts";
import { cancelChildren, repeatsOnce } from "./children.ts";
import { makeNonce } from "./context.ts";
import type { FlowDefinition } from "./definitions.ts";
import { type Divergence, divergenceError } from "./divergence.ts";
import { PositionHeap } from "./position-heap.ts";
import { seededRandom } from "./prng.ts";
import { type TakenItem, fencing, isTaken } from "./replay/fence.ts";
import type { Replay } from "./replay/replay.ts";
import { retriedAfter, voidedBy } from "./retry-execution.ts";
import { type CallSpec, type FlowScope, runInScope } from "./scope.ts";
import type { Session } from "./session.ts";
import { type StepOf, inTurns } from "./turns.ts";
import { rejectRecorded, rejectedCall } from "./unheard.ts";

/** How far a run got. */
export type RunResult =
  /** The `ended` entry is durable. */
  | { readonly kind: "ended" }
  | { readonly kind: "superseded" }
  /** Stopped before its deadline; `clean` when nothing was running. */
  | { readonly kind: "yield"; readonly clean: boolean }
  /** Isolated attempts must run elsewhere before anything else can happen. */
  | { readonly kind: "tasks"; readonly tasks: readonly TaskRef[]; readonly dueAt: number }
  /** Everything open waits for a time or for the outside world. */
  | { readonly kind: "park"; readonly label: string; readonly due: number | undefined };

interface FlowRunParams {
  readonly session: Session;
  readonly flow: FlowDefinition;
  readonly started: StartedEntry;
  /** Entries that open a fresh execution; they share the first append. */
  readonly pending: readonly Entry[];
  readonly input: unknown;
  /** Epoch milliseconds when the whole flow times out. */
  readonly timeoutAt?: number;
  readonly deadline?: number;
  readonly signal?: AbortSignal;
  /** Claim of this advance: renewed by a process without a deadline. */
  readonly owner: string;
  readonly until: number;
  /** Whether open child flows must be looked at: a notice may have been lost. */
  readonly checkChildren: boolean;
  /** What a replay takes over from its source. */
  readonly replay?: Replay;
  /** Whether this is a replay, or a child flow of one. */
  readonly isReplay: boolean;
}

/** How many calls the flow had asked and entries it had logged when it was told of something. */
interface Progress {
  readonly asks: number;
  readonly logs: number;
}

/** A call that failed, and how far the flow had come when it was told. */
interface Cause extends Progress {
  readonly id: string;
}

type Step = StepOf<RunResult>;

type Finish =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown };

/** Each its own: one shared by all would keep every flow body that ever awaited it. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}
/** Entries that are written although the flow has ended: what was paid for, said, and claimed. */
const keptAtEnd: ReadonlySet<Entry["t"]> = new Set(["llm", "log", "started", "advance"]);
/** How often a running advance looks into the inbox. */
const pollMs = 3000;
/** An open call that is due this soon is waited for instead of parking. */
const shortWaitMs = 1000;
/** Share of the time to the deadline, and its bound, in which nothing new is started. */
const yieldShare = 0.1;
/** Entries of delivered outcomes of a replay that are written at the latest together. */
const mostDelivered = 256;
const yieldMarginMs = 2000;

/**
 * Runs a flow body against its journal: delivers recorded outcomes in order, starts what is new,
 * and makes every outcome durable before the flow sees it.
 */
export class FlowRun implements FlowScope {
  readonly kind = "flow";
  readonly executionId: string;
  readonly session: Session;
  readonly params: FlowRunParams;
  /** Attempts running in this process, by call id. */
  readonly running: Map<string, Call> = new Map();
  /** Asked, unsettled calls that something outside this process will settle. */
  readonly open: Map<string, Call> = new Map();

  /** Unsettled ones: what a settled call was given, and whatever that holds on to, may be forgotten. */
  readonly #calls = new Map<string, Call>();
  #asks = 0;
  readonly #counters = new Map<string, number>();
  /** What comes next, by its place in the journal: asked calls with an outcome, and the cancel. */
  readonly #deliverable = new PositionHeap<Call | typeof cancel>();
  /** Number of recorded calls the flow has not asked for in this advance. */
  #unasked: number;
  /** Values of outcomes made in this advance, so that a large one is not read back. */
  readonly #live = new Map<string, unknown>();
  readonly #causes = new Map<unknown, Cause>();
  readonly #together = new Map<unknown, readonly unknown[]>();
  #fresh: Call[] = [];
  #pending: Entry[];
  /**
   * So many of the pending entries come first: the claim, then outcomes a replay took over, which are delivered before
   * they are durable since a re-run takes over the same. What is delivered only later follows them in the journal too.
   */
  #delivered: number;
  /** Whether the claim of this advance is durable. */
  #isClaimed: boolean;
  #acks: (() => void)[] | undefined;
  #now: number;
  #random: (() => number) | undefined;
  #logs = 0;
  #recordedLogs: number;
  #finish: Finish | undefined;
  #failure: { readonly error: unknown } | undefined;
  #divergence: Divergence | undefined;
  #cancelError: (() => Error) | undefined;
  /** How far the flow had come when the cancel was delivered. */
  #cancelledAt: Progress | undefined;
  #closed = false;
  #ended = false;
  #wakeUp: (() => void) | undefined;
  #poked = false;
  #until: number;
  readonly #yieldAt: number;
  #tendAt: number;
  #polledAt: number;

  constructor(params: FlowRunParams, recordedLogs: number) {
    this.params = params;
    this.session = params.session;
    this.executionId = params.session.executionId;
    const { state, context } = this.session;
    const { started } = params;
    this.#unasked = state.known.size;
    this.#now = started.replayOf?.at ?? started.at;
    this.#recordedLogs = recordedLogs;
    this.#pending = [...params.pending];
    this.#delivered = params.pending.length;
    this.#isClaimed = params.pending.length === 0;
    this.#until = params.until;
    const now = context.clock.now();
    const { deadline } = params;
    this.#yieldAt =
      deadline === undefined
        ? Infinity
        : deadline - Math.min(yieldMarginMs, (deadline - now) * yieldShare);
    this.#polledAt = now;
    this.#tendAt = this.#nextTending();
    if (state.cancelling !== undefined) this.#deliverable.push(state.cancelling.position, cancel);
  }

  get cut(): Error | undefined {
    return this.#cancelError?.();
  }

  get version(): string {
    return this.session.context.version;
  }

  get state(): JournalState {
    return this.session.state;
  }

  // ---- what the flow body calls

  ask(asked: CallSpec): Promise<unknown> {
    if (this.#closed) return never();
    const name = nameOf(asked);
    const count = this.#counters.get(name) ?? 0;
    const id = `${name}:${count}`;
    const spec = this.params.replay?.given(asked, id, name) ?? asked;
    const inputs = inputsOf(spec);
    const recorded = this.state.outcomes.get(id);
    let h: string;
    let captured: Call["inputs"] = noInputs;
    try {
      h = hashOf(spec, inputs, this.params.started.hash);
      if (recorded === undefined && (spec.kind === "checkpoint" || spec.kind === "flow"))
        captured = captureInputs(spec, inputs, id);
    } catch (error) {
      return rejectedCall(namedError(spec, inputs, id, error));
    }
    this.#counters.set(name, count + 1);
    const ask = this.#asks++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#asked({
      id,
      kind: spec.kind,
      name,
      ask,
      h,
      spec,
      inputs: captured,
      recorded,
      promise,
      resolve,
      reject,
      settled: false,
      work: undefined,
    });
    return promise;
  }

  failTogether(thrown: unknown, failures: readonly unknown[]): void {
    this.#together.set(thrown, failures);
  }

  log(fields: Readonly<Record<string, unknown>>): void {
    if (this.#closed || this.#logs++ < this.#recordedLogs) return;
    const at = this.session.context.clock.now();
    const put = this.session.context.values.put(fields, "the fields of log()");
    if (put instanceof Promise)
      this.background(put.then((ref) => this.record([{ t: "log", fields: ref, at }])));
    else this.record([{ t: "log", fields: put, at }]);
  }

  now(): number {
    return this.#now;
  }

  random(): number {
    this.#random ??= seededRandom(this.params.started.seed);
    return this.#random();
  }

  // ---- what attempts and openers call

  /** Queue entries for the next append; `ack` is called once they are durable. */
  record(entries: readonly Entry[], ack?: () => void): void {
    if (this.#closed) return;
    for (const entry of entries) this.#pending.push(entry);
    if (ack !== undefined) (this.#acks ??= []).push(ack);
    this.poke();
  }

  /** Like {@link record}; resolves once the entries are durable, and never when this advance is over before. */
  recordDurably(entries: readonly Entry[]): Promise<void> {
    return new Promise((resolve) => this.record(entries, resolve));
  }

  /** Let `work` go on beside the loop; what it throws ends the advance. */
  background(work: void | Promise<void>): void {
    work?.catch((error: unknown) => {
      this.#failure ??= { error };
      this.poke();
    });
  }

  /** Recorded failed attempts of a call, oldest first. */
  failures(callId: string): AttemptEntry[] {
    return this.state.attempts.get(callId)?.filter((attempt) => attempt.err !== undefined) ?? [];
  }

  /** Whether an at-most-once attempt of a call was begun and has left nothing. */
  hasUnfinishedAttempt(callId: string): boolean {
    return this.state.attempts.get(callId)?.some((attempt) => attempt.open === true) ?? false;
  }

  /** Remember a value that is about to be recorded as the outcome of `id`. */
  keep(id: string, value: unknown): void {
    this.#live.set(id, value);
  }

  /** Put a call back among those to start. */
  restart(call: Call): void {
    this.#fresh.push(call);
    this.poke();
  }

  /** Whether a result for `call` is still wanted. */
  wants(call: Call): boolean {
    return !this.#closed && !call.settled;
  }

  /** Make an idle run look around. */
  poke(): void {
    this.#wakeUp?.();
  }

  /** Make a running advance read the inbox. */
  pokeInbox(): void {
    this.#poked = true;
    this.poke();
  }

  /** Whether a child flow that may never have been started has not been looked after in this advance. */
  get hasUnseenChildren(): boolean {
    for (const open of this.state.pending())
      if (open.t === "scheduled" && open.child !== undefined && !this.open.has(open.id))
        return true;
    return false;
  }

  // ---- the loop

  /** Run until the flow ends, rests on the outside world, or must stop. */
  drive(): Promise<RunResult> {
    this.#startBody();
    return inTurns(() => this.#step()).finally(() => this.#close());
  }

  #step(): Step {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#divergence !== undefined) return this.#diverged(this.#divergence);
    if (this.#finish !== undefined) return this.#end(this.#finish);
    const next = this.#deliverable.pop();
    if (next !== undefined) return this.#deliver(next);
    const isFull = this.#delivered >= mostDelivered;
    const replayed = isFull ? undefined : this.params.replay?.next();
    if (replayed !== undefined) return this.#takeOver(replayed);
    const now = this.session.context.clock.now();
    return this.#poked || now >= this.#tendAt || this.params.signal?.aborted === true
      ? this.#tend(now).then((stopped) => stopped ?? this.#work(now))
      : this.#work(now);
  }

  /** Nothing is left to deliver: write, or begin what is new, or wait for it. */
  #work(now: number): Step {
    const isFull = this.#delivered >= mostDelivered;
    const hasNews = this.#isClaimed && this.#pending.length > this.#delivered;
    const canFlush = hasNews || isFull || this.#fresh.length === 0 || now >= this.#yieldAt;
    if (this.#pending.length > 0 && canFlush) return this.#flush();
    if (this.#fresh.length > 0 && now < this.#yieldAt) return this.#startFresh(now);
    if (this.running.size > 0) return this.#idle(now);
    return this.#rest(now);
  }

  #startBody(): void {
    const { flow, input } = this.params;
    const done = (finish: Finish): void => {
      this.#finish ??= finish;
      this.poke();
    };
    const body = async (): Promise<unknown> => flow.fn(input);
    void runInScope(this, body).then(
      (value) => done({ ok: true, value }),
      (error: unknown) => done({ ok: false, error }),
    );
  }

  #asked(call: Call): void {
    this.poke();
    const known = this.#unasked === 0 ? undefined : this.state.known.of(call.id, call.recorded);
    if (known !== undefined) this.#unasked--;
    if (this.#cancelError !== undefined && isRefusedWhileCancelling(call)) {
      call.settled = true;
      rejectRecorded(call, this.#cancelError());
      return;
    }
    this.#calls.set(call.id, call);
    if (
      known !== undefined &&
      (known.kind !== call.kind || known.h !== call.h || known.ask !== call.ask)
    )
      this.#divergence ??= { kind: "changed", call, known };
    const isTakenOver = this.params.replay?.take(call) === true;
    if (call.recorded !== undefined) this.#deliverable.push(call.recorded.position, call);
    else if (!isTakenOver) this.#fresh.push(call);
  }

  #deliver(next: Call | typeof cancel): undefined | Promise<undefined> {
    if (next === cancel) return this.#deliverCancel();
    const { recorded } = next;
    if (next.settled || recorded === undefined) return undefined;
    if (recorded instanceof OutcomeLine && this.params.replay === undefined)
      return this.#handLine(next, recorded);
    return this.#hand(next, recorded.entry);
  }

  /** Deliver an outcome of the source; it becomes durable together with what follows. */
  async #takeOver(call: Call): Promise<undefined> {
    if (call.kind === "wait" && this.params.replay?.isOutdated(call) === true) {
      this.restart(call);
      return undefined;
    }
    const taken = await this.params.replay?.entriesOf(call, this.#now);
    if (taken === undefined) return undefined;
    const entry = call.kind === "wait" ? await this.#fenced(call, taken.entry) : taken.entry;
    if (entry === undefined) return undefined;
    const entries = [...taken.attached, entry];
    this.#pending.splice(this.#delivered, 0, ...entries);
    this.#delivered += entries.length;
    return this.#hand(call, entry);
  }

  /** The inbox decides who settles a wait, also against a replay; undefined when somebody else has answered it. */
  async #fenced(call: Call, entry: OutcomeEntry): Promise<OutcomeEntry | undefined> {
    const { context } = this.session;
    const now = context.clock.now();
    for (;;) {
      const said = this.#saidOf(entry.id);
      if (said === "otherwise") break;
      if (said !== undefined) return { ...entry, item: said.i };
      const item = fencing(entry, makeNonce(context), now);
      if (await this.session.addToInbox([item])) return { ...entry, item: item.i };
      const inbox = await this.session.refreshInbox();
      if (inbox !== undefined) await this.#adopt(inbox.items, now);
    }
    this.params.replay?.overtaken(call);
    return undefined;
  }

  /** What the inbox has for a wait that a replay is about to settle: its own word on it, or somebody else's. */
  #saidOf(id: string): TakenItem | "otherwise" | undefined {
    if (this.#pending.some((entry) => isOutcome(entry) && entry.id === id)) return "otherwise";
    const refused = this.#pending.flatMap((entry) => (entry.t === "rejected" ? [entry.item] : []));
    const { items } = this.state;
    const said = readInbox(this.session.inbox).items.find(
      (item) =>
        "call" in item && item.call === id && !items.has(item.i) && !refused.includes(item.i),
    );
    if (said === undefined) return undefined;
    return isTaken(said) ? said : "otherwise"; // not taken in yet where an end comes before it
  }

  #handLine(call: Call, line: OutcomeLine): undefined {
    this.#settle(call);
    this.#now = Math.max(this.#now, line.at);
    call.resolve(line.value);
    return undefined;
  }

  #hand(call: Call, entry: OutcomeEntry): undefined | Promise<undefined> {
    const { id } = call;
    this.#settle(call);
    this.params.replay?.settled(call, entry);
    this.#now = Math.max(this.#now, entry.at);
    if (entry.t === "completed") {
      const value = this.#live.has(id)
        ? this.#live.get(id)
        : this.session.context.values.get(entry.out);
      this.#live.delete(id);
      if (value instanceof Promise) return value.then(call.resolve).then(nothing);
      call.resolve(value);
      return undefined;
    }
    const error = reviveError(entry.err);
    this.#causes.set(error, { id, ...this.#progress() });
    rejectRecorded(call, error);
    return undefined;
  }

  /** Cancelling is delivered once, to the calls that are open then; `finally` blocks run their checkpoints after it. */
  #deliverCancel(): undefined {
    const { entry } = this.state.cancelling ?? {};
    if (entry === undefined) return undefined;
    this.#now = Math.max(this.#now, entry.at);
    this.#cancelledAt = this.#progress();
    this.#cancelError =
      entry.reason === "timeout" ? () => this.#timeoutError() : () => this.#cancelledError();
    for (const call of this.#calls.values()) {
      if (call.settled) continue;
      if (call.kind === "flow") this.background(cancelChild(this, call));
      this.#settle(call);
      call.work?.abort(this.#cancelError());
      rejectRecorded(call, this.#cancelError());
    }
    this.#fresh = this.#fresh.filter((call) => !call.settled);
    return undefined;
  }

  #settle(call: Call): void {
    call.settled = true;
    this.open.delete(call.id);
    this.#calls.delete(call.id);
  }

  // ---- writing

  async #flush(): Promise<RunResult | undefined> {
    const entries = upToEnd(this.#pending);
    const acks = this.#acks;
    this.#pending = [];
    this.#delivered = 0;
    this.#acks = undefined;
    const cancelledBefore = this.state.cancelling !== undefined;
    if (entries.at(-1)?.t === "ended") await cancelChildren(this.session);
    if (!(await this.session.append(entries))) return this.#lost();
    this.#isClaimed = true;
    for (const entry of entries) {
      if (entry.t === "completed" || entry.t === "failed") this.#appended(entry.id);
      else if (entry.t === "ended") this.#ended = true;
    }
    if (!cancelledBefore && this.state.cancelling !== undefined)
      this.#deliverable.push(this.state.cancelling.position, cancel);
    for (const entry of entries)
      if (entry.t === "scheduled" && entry.child !== undefined) await startChild(this, entry.id);
    if (this.#ended) return { kind: "ended" };
    if (acks !== undefined) for (const ack of acks) ack();
    if (this.#finish !== undefined || this.#divergence !== undefined) return undefined;
    const next = this.#deliverable.pop();
    return next === undefined ? undefined : this.#deliver(next);
  }

  /** An advance that never got its claim looks again; one that lost it leaves the field. */
  #lost(): RunResult {
    return this.#isClaimed ? { kind: "superseded" } : { kind: "yield", clean: false };
  }

  #appended(id: string): void {
    const call = this.#calls.get(id);
    if (call === undefined || call.recorded !== undefined) return;
    call.recorded = this.state.outcomes.get(id);
    if (call.recorded !== undefined) this.#deliverable.push(call.recorded.position, call);
  }

  #startFresh(now: number): Step {
    const fresh = this.#fresh;
    this.#fresh = [];
    if (this.#unasked > 0)
      return this.#diverged({
        kind: "unasked",
        ids: this.#unaskedIds(),
        fresh: fresh.map((call) => call.id),
      });
    const begun = this.#beginFrom(fresh, 0, now);
    return begun === undefined ? this.#begun() : begun.then(() => this.#begun());
  }

  /** One after another, each when what the one before has to store first is stored. */
  #beginFrom(fresh: readonly Call[], from: number, now: number): undefined | Promise<void> {
    for (let index = from; index < fresh.length; index++) {
      const call = fresh[index];
      if (call === undefined || call.settled) continue;
      const begun = begin(this, call, now);
      if (begun !== undefined) return begun.then(() => this.#beginFrom(fresh, index + 1, now));
    }
    return undefined;
  }

  /** Nothing else can finish meanwhile: what has ended already need not wait for a turn. */
  #begun(): Step {
    const isDone = this.running.size === 0 && this.#pending.length > 0;
    return isDone && this.#failure === undefined ? this.#flush() : undefined;
  }

  // ---- time and the outside world

  #nextTending(): number {
    const { deadline } = this.params;
    const renewAt = deadline === undefined ? this.#until - this.#leaseMs() / 2 : Infinity;
    const timeoutAt =
      this.state.cancelling === undefined ? (this.params.timeoutAt ?? Infinity) : Infinity;
    return Math.min(
      this.#polledAt + pollMs,
      renewAt,
      deadline ?? Infinity,
      this.#earliestDue(),
      timeoutAt,
    );
  }

  #leaseMs(): number {
    return this.session.context.backend.capabilities.leaseMs;
  }

  #earliestDue(): number {
    let due = Infinity;
    for (const call of this.open.values())
      if (call.due !== undefined && call.due < due) due = call.due;
    return due;
  }

  async #tend(now: number): Promise<RunResult | undefined> {
    const { deadline, signal, owner, timeoutAt } = this.params;
    if ((deadline !== undefined && now >= deadline) || signal?.aborted === true)
      return this.#stop();
    this.#settleDue(now);
    await this.#expireWaits(now);
    if (this.#poked || now >= this.#polledAt + pollMs) {
      this.#poked = false;
      this.#polledAt = now;
      const inbox = await this.session.refreshInbox();
      if (inbox !== undefined) await this.#adopt(inbox.items, now);
    }
    if (timeoutAt !== undefined && now >= timeoutAt && this.state.cancelling === undefined)
      this.record([{ t: "cancelling", reason: "timeout", at: now }]);
    if (deadline === undefined && now >= this.#until - this.#leaseMs() / 2) {
      this.#until = now + this.#leaseMs() + this.session.context.backend.capabilities.graceMs;
      const { epoch } = this.session;
      const { gen } = this.state.lastAdvance ?? {};
      const by = { owner, ...(gen === undefined ? {} : { gen }) };
      this.record([{ t: "advance", epoch, ...by, until: this.#until, renew: true, at: now }]);
    }
    this.#tendAt = this.#nextTending();
    return undefined;
  }

  /** Stop here; what has been done already is kept. */
  async #stop(): Promise<RunResult> {
    const result = this.#pending.length > 0 ? await this.#flush() : undefined;
    return result ?? { kind: "yield", clean: this.running.size === 0 };
  }

  async #adopt(items: readonly InboxItem[], now: number): Promise<void> {
    const adopted = await adopt(this.session.context, { items }, this.state, now);
    const queued = new Set(this.#pending.flatMap((entry) => ("item" in entry ? [entry.item] : [])));
    this.record(adopted.filter((entry) => !("item" in entry) || !queued.has(entry.item)));
    for (const { call } of items.filter(isCancelledChild)) await startChild(this, call);
  }

  /** Sleeps that are over become outcomes; delayed attempts start. */
  #settleDue(now: number): void {
    for (const call of Array.from(this.open.values())) {
      if (call.due === undefined || call.due > now || call.kind === "wait") continue;
      delete call.due;
      if (call.kind === "sleep") this.record([wokenUp(call, now)]);
      else {
        this.open.delete(call.id);
        this.restart(call);
      }
    }
  }

  async #expireWaits(now: number): Promise<void> {
    const due = [...this.open.values()].filter(
      (call) => call.kind === "wait" && call.due !== undefined && call.due <= now,
    );
    if (due.length === 0) return;
    const { context } = this.session;
    const items = due.map((call): InboxItem => ({
      kind: "expiry",
      call: call.id,
      name: call.name,
      i: makeNonce(context),
      at: now,
    }));
    if (await this.session.addToInbox(items)) {
      for (const call of due) delete call.due;
      await this.#adopt(items, now);
    } else {
      const inbox = await this.session.refreshInbox();
      if (inbox !== undefined) await this.#adopt(inbox.items, now);
    }
  }

  /** Sleep until something happens or is due. */
  async #idle(now: number): Promise<undefined> {
    this.#tendAt = this.#nextTending();
    const at = now < this.#yieldAt ? Math.min(this.#tendAt, this.#yieldAt) : this.#tendAt;
    const { clock } = this.session.context;
    const { signal } = this.params;
    if (this.#isBusy() || signal?.aborted === true) return undefined;
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wakeUp = undefined;
        cancel();
        signal?.removeEventListener("abort", wake);
        resolve(undefined);
      };
      const cancel = clock.schedule(at - now, wake);
      this.#wakeUp = wake;
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  #isBusy(): boolean {
    return (
      this.#poked ||
      this.#pending.length > 0 ||
      this.#deliverable.peek() !== undefined ||
      this.params.replay?.hasNext === true ||
      this.#finish !== undefined ||
      this.#failure !== undefined ||
      this.#divergence !== undefined
    );
  }

  async #rest(now: number): Promise<RunResult | undefined> {
    if (this.#isBusy()) return undefined;
    if (this.#fresh.length > 0) return { kind: "yield", clean: true };
    const tasks = openTasks(this);
    if (tasks !== undefined) return { kind: "tasks", ...tasks };
    if (this.open.size === 0) return this.#restOnNothing(now);
    const due = Math.min(this.#earliestDue(), this.#timeoutDue());
    if (due - now <= shortWaitMs && due < this.#yieldAt) {
      await this.#idle(now);
      return undefined;
    }
    return { kind: "park", label: this.#label(), due: due === Infinity ? undefined : due };
  }

  #timeoutDue(): number {
    return this.state.cancelling === undefined ? (this.params.timeoutAt ?? Infinity) : Infinity;
  }

  async #restOnNothing(now: number): Promise<RunResult | undefined> {
    if (now < this.#yieldAt) {
      await this.#idle(now);
      return undefined;
    }
    return this.#end({
      ok: false,
      error: new KitaruUsageError(
        `Flow "${this.params.flow.name}" awaits something of its own in its body (a timer, a request, a file), which nothing can wake it from. Do such work inside a checkpoint; in the body use sleep(), wait() and checkpoints only.`,
      ),
    });
  }

  #label(): string {
    const open = [...this.open.values()];
    return (open.find((call) => call.kind === "wait") ?? open[0])?.name ?? this.params.flow.name;
  }

  // ---- ends

  async #diverged(found: Divergence): Promise<RunResult> {
    const error = await divergenceError(found, this.state, this.session.context.values);
    const delivered = this.#pending.slice(0, this.#delivered);
    const ended = this.#endedEntry({ status: "failed", err: storeError(error) });
    return this.#append([...delivered, ended]);
  }

  async #end(finish: Finish): Promise<RunResult> {
    if (this.#unasked > 0 && this.#cancelError === undefined)
      return this.#diverged({ kind: "unasked", ids: this.#unaskedIds(), fresh: [] });
    const ended = { ...(await this.#outcomeOf(finish)), ...this.#untold() };
    const kept = this.#pending.filter(
      (entry, index) => index < this.#delivered || keptAtEnd.has(entry.t),
    );
    const again = await this.#automaticRetry(ended);
    if (again === undefined) await cancelChildren(this.session); // also those the flow was told are cancelled
    return this.#append(again === undefined ? [...kept, ended] : [...kept, again]);
  }

  /** Number of calls asked, where the journal tells nothing of some that are open. */
  #untold(): Pick<EndedEntry, "asked"> {
    const isTold = [...this.#calls.keys()].every((id) => this.state.known.has(id));
    return isTold ? {} : { asked: this.#asks };
  }

  #unaskedIds(): string[] {
    const isUnasked = ({ id, name }: KnownCall): boolean =>
      Number(id.slice(name.length + 1)) >= (this.#counters.get(name) ?? 0);
    return this.state.known
      .values()
      .filter(isUnasked)
      .map(({ id }) => id);
  }

  async #append(entries: readonly Entry[]): Promise<RunResult> {
    if (!(await this.session.append(entries))) return this.#lost();
    return entries.at(-1)?.t === "retried" ? { kind: "yield", clean: true } : { kind: "ended" };
  }

  async #outcomeOf(finish: Finish): Promise<EndedEntry> {
    const cancelling = this.state.cancelling?.entry;
    if (cancelling?.reason === "cancel") return this.#cut("cancelled", this.#cancelledError());
    if (cancelling?.reason === "timeout") return this.#cut("failed", this.#timeoutError());
    if (!finish.ok) return this.#failed(finish.error);
    try {
      const out = await this.session.context.values.put(
        finish.value,
        `the result of flow "${this.params.flow.name}"`,
      );
      return this.#endedEntry({ status: "completed", out });
    } catch (error) {
      if (isKitaruError(error) && error.code === "serialization") return this.#failed(error);
      throw error;
    }
  }

  /** The end of a flow that was told to. */
  #cut(status: "cancelled" | "failed", error: Error): EndedEntry {
    const progress = this.#cancelledAt ?? this.#progress(); // over before it saw it: nothing came after
    return this.#endedEntry({ status, err: storeError(error), ...progress });
  }

  #failed(error: unknown): EndedEntry {
    return this.#endedEntry({ status: "failed", err: storeError(error), ...this.#causeOf(error) });
  }

  #causeOf(error: unknown): Pick<EndedEntry, "cause" | "causes" | "asks" | "logs"> {
    const found = this.#failuresIn(error);
    const [first, ...others] = new Set(found.map(({ id }) => id));
    if (first === undefined) return {};
    const causes = [...others, ...this.#untoldFailures()];
    const asks = Math.max(...found.map((cause) => cause.asks)); // it let them through when it had been told of all
    const logs = Math.max(...found.map((cause) => cause.logs));
    return { cause: first, ...(causes.length === 0 ? {} : { causes }), asks, logs };
  }

  /** The calls whose failures the flow let through: themselves, gathered into one, or wrapped as a cause. */
  #failuresIn(error: unknown, seen = new Set<unknown>()): readonly Cause[] {
    if (seen.has(error)) return [];
    seen.add(error);
    const thrown = [error, ...(this.#together.get(error) ?? [])];
    const own = thrown.flatMap((one) => this.#causes.get(one) ?? []);
    if (!isError(error)) return own;
    const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
    const found = [...own, ...errors.flatMap((one) => this.#failuresIn(one, seen))];
    const isTold = found.length > 0 || error.cause === undefined;
    return isTold ? found : this.#failuresIn(error.cause, seen);
  }

  /** Calls that have failed too, which the flow has not been told: it may never get beyond them. */
  #untoldFailures(): string[] {
    return [...this.#calls.values()]
      .filter(
        ({ id, kind }) => kind !== "wait" && this.state.outcomes.get(id)?.entry.t === "failed",
      )
      .map(({ id }) => id);
  }

  #endedEntry(fields: Omit<EndedEntry, "t" | "at">): EndedEntry {
    return { t: "ended", ...fields, at: this.session.context.clock.now() };
  }

  async #automaticRetry(ended: EndedEntry): Promise<Entry | undefined> {
    if (ended.status !== "failed" || ended.cause === undefined) return undefined;
    const used = this.state.retries.filter((entry) => entry.auto === true).length;
    if (used >= this.params.flow.retries) return undefined;
    const unwritten = this.#pending.slice(0, this.#delivered).filter(isKnownOutcome);
    const voids = voidedBy(this.state, ended, unwritten);
    if (await repeatsOnce(this.session.context, this.state, voids)) return undefined;
    return { ...retriedAfter(ended, voids), auto: true, at: ended.at };
  }

  #progress(): Progress {
    return { asks: this.#asks, logs: this.#logs };
  }

  #cancelledError(): Error {
    return new KitaruCancelledError(`Execution ${this.executionId} was cancelled.`);
  }

  #timeoutError(): Error {
    return new KitaruTimeoutError(
      `Execution ${this.executionId} did not finish within the timeout of flow "${this.params.flow.name}" (${this.params.flow.timeoutMs ?? 0} ms, counted from its start, waiting included).`,
    );
  }

  #close(): void {
    this.#closed = true;
    for (const call of this.running.values())
      call.work?.abort(new KitaruCancelledError(`The advance that ran ${call.id} is over.`));
  }
}

/** Nothing but what is kept follows an end that was taken in beside other entries, and the end comes last. */
function upToEnd(entries: readonly Entry[]): readonly Entry[] {
  const end = entries.findIndex((entry) => entry.t === "ended");
  const ended = entries[end];
  if (ended === undefined || end === entries.length - 1) return entries;
  const kept = entries.filter((entry, index) => index < end || keptAtEnd.has(entry.t));
  return [...kept, ended];
}

function isOutcome(entry: Entry): entry is OutcomeEntry {
  return entry.t === "completed" || entry.t === "failed";
}

function nothing(): undefined {
  return undefined;
}

/** All but checkpoints: cleaning up neither waits, nor starts something large, nor lets an agent's loop go on. */
function isRefusedWhileCancelling({ kind }: Call): boolean {
  return kind !== "checkpoint";
}

/** In the place of a call: the delivery of the cancel. */
const cancel = "cancel";
const noInputs: Call["inputs"] = [];

function captureInputs(spec: CallSpec, inputs: readonly unknown[], id: string): Call["inputs"] {
  return inputs.map((input, index) => capture(input, () => `${inputName(spec, index)} of ${id}`));
}

/** Encoding names the path inside the argument; hashing all of them at once cannot. */
function namedError(
  spec: CallSpec,
  inputs: readonly unknown[],
  id: string,
  error: unknown,
): unknown {
  try {
    captureInputs(spec, inputs, id);
  } catch (named) {
    return named;
  }
  return error;
}
