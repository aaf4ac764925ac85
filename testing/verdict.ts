import { isDeepStrictEqual, inspect } from "node:util";
import { type EngineContext, engineContext } from "../core/engine/context.ts";
import { registry } from "../core/engine/definitions.ts";
import { messageOf } from "../core/errors.ts";
import { digest } from "../core/hash.ts";
import {
  type EndStatus,
  type EndedEntry,
  type Entry,
  type OutcomeEntry,
  readLines,
} from "../core/journal/entry.ts";
import { type Head, isEnd } from "../core/journal/head.ts";
import { type Inbox, type InboxItem, emptyInbox } from "../core/journal/inbox.ts";
import { JournalState } from "../core/journal/state.ts";
import type { Backend } from "../core/ports/backend.ts";
import type { RecordDraft } from "../core/ports/records.ts";
import type { Process } from "./process.ts";
import { type Rerun, rerun } from "./rerun.ts";

/** What a call or an execution came to. */
export type Settled = { readonly value: unknown } | { readonly error: string };

interface Answer {
  readonly id: string;
  readonly call: string;
  readonly value: unknown;
}

interface Rules {
  readonly expected: (recorded: (callId: string) => Settled | undefined) => readonly Settled[];
  readonly retries?: number;
  /** Whether enough advances may have died in a row for an execution to be given up. */
  readonly mayStall: boolean;
}

/** Everything one execution has stored, as it now is. */
class Story {
  readonly #segments = new Map<string, string>();
  head: Head | undefined;
  inbox: Inbox = emptyInbox;
  /** Who took the execution over last. */
  holder: Process | undefined;
  #epoch = 0;
  #state: JournalState | undefined;

  /** Items that this write takes out of the inbox though the journal has not taken them in. */
  wrote(process: Process, { sort, body }: RecordDraft): readonly InboxItem[] {
    if (sort === "head") this.head = JSON.parse(body) as Head;
    if (sort.startsWith("j/")) this.#extended(process, sort, body);
    if (sort !== "inbox") return [];
    const before = this.inbox.items;
    this.inbox = JSON.parse(body) as Inbox;
    const kept = new Set(this.inbox.items.map(({ i }) => i));
    return before.filter((item) => !kept.has(item.i) && !this.#isTakenIn(item));
  }

  #isTakenIn(item: InboxItem): boolean {
    const { items, outcomes, ended, retries } = this.state;
    if (items.has(item.i) || ended !== undefined) return true;
    if (item.kind === "cancel" && retries.length > 0) return true; // meant for the run that had failed
    if (item.kind === "child" && item.cancelled === true) return true; // the parent has looked
    return item.kind === "retry" || ("call" in item && outcomes.has(item.call));
  }

  get entries(): Entry[] {
    const segments = [...this.#segments].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return segments.flatMap(([sort, body]) => readLines(body, sort));
  }

  get state(): JournalState {
    if (this.#state === undefined) {
      this.#state = new JournalState();
      for (const entry of this.entries) this.#state.add(entry);
    }
    return this.#state;
  }

  #extended(process: Process, sort: string, body: string): void {
    this.#segments.set(sort, body);
    this.#state = undefined;
    if (this.state.epoch <= this.#epoch) return;
    this.#epoch = this.state.epoch;
    this.holder = process;
  }
}

/** Keeps account of one simulated run, and says in the end which rules were broken. */
export class Ledger {
  readonly violations: Set<string> = new Set();
  /** Calls run by an advance that had been superseded. */
  zombieRuns = 0;
  readonly #stories = new Map<string, Story>();
  readonly #accepted: Answer[] = [];
  readonly #refused: Answer[] = [];
  readonly #starts = new Map<string, number>();
  readonly #context: EngineContext;
  readonly #root: string;
  #isCancelled = false;

  constructor(backend: Backend, root: string) {
    this.#context = engineContext({ registry, backend });
    this.#root = root;
  }

  blame(violation: string): void {
    this.violations.add(violation);
  }

  // ---- what happens meanwhile

  wrote(process: Process, draft: RecordDraft): void {
    if (!draft.partition.startsWith("exec/")) return;
    const id = draft.partition.slice("exec/".length);
    const story = this.#stories.get(id) ?? new Story();
    this.#stories.set(id, story);
    for (const item of story.wrote(process, draft))
      this.blame(
        `${id} lost ${item.kind}${"call" in item ? ` of ${item.call}` : ""} from its inbox`,
      );
  }

  /** The code of a call begins to run. */
  started(process: Process, event: { executionId: string; callId: string; name: string }): void {
    const { executionId, callId, name } = event;
    const key = `${executionId} ${callId}`;
    const times = (this.#starts.get(key) ?? 0) + 1;
    this.#starts.set(key, times);
    const story = this.#stories.get(executionId);
    const isOnce = registry.checkpoint(name)?.semantics === "at-most-once";
    const retries = story?.state.retries.length ?? 0;
    if (isOnce && times > 1 + retries) this.blame(`at-most-once call ${key} ran ${times} times`);
    if (story?.state.outcomes.has(callId) !== true) return;
    if (story.holder === process) this.blame(`${key} ran again after its outcome was recorded`);
    else this.zombieRuns += 1;
  }

  accepted(id: string, call: string, value: unknown): void {
    this.#accepted.push({ id, call, value });
  }

  refused(id: string, call: string, value: unknown): void {
    this.#refused.push({ id, call, value });
  }

  cancelled(): void {
    this.#isCancelled = true;
  }

  executions(): string[] {
    return [...this.#stories.keys()];
  }

  /** How an execution has ended, as its head says. */
  statusOf(id: string): EndStatus | undefined {
    const status = this.#stories.get(id)?.head?.view.status;
    return status !== undefined && isEnd(status) ? status : undefined;
  }

  /** Whether the execution has failed, and nobody has asked yet for it to be retried. */
  mayRetry(most: number): boolean {
    const root = this.#stories.get(this.#root);
    if (root?.state.ended?.status !== "failed" || root.state.retries.length >= most) return false;
    return this.isOver();
  }

  /** Whether the execution has ended, and nobody has asked for it to be retried. */
  isOver(): boolean {
    const { state, inbox } = this.#stories.get(this.#root) ?? new Story();
    const isRetried = inbox.items.some((item) => item.kind === "retry" && !state.items.has(item.i));
    return state.ended !== undefined && !isRetried;
  }

  /** Waits nobody has answered. */
  asked(): { id: string; call: string; name: string }[] {
    return [...this.#stories].flatMap(([id, { state, inbox }]) => {
      if (state.ended !== undefined) return [];
      const said = inbox.items.flatMap((item) => ("call" in item ? [item.call] : []));
      return [...state.pending()]
        .filter((open) => open.t === "waiting" && !said.includes(open.id))
        .map((open) => ({ id, call: open.id, name: open.name }));
    });
  }

  /** Whether everything has ended and nobody has to look at it any more. */
  isSettled(): boolean {
    return [...this.#stories].every(
      ([id, { head, inbox }]) =>
        (this.statusOf(id) !== undefined || isUnstarted(head, id, this.#root)) &&
        head?.dueAt === undefined &&
        inbox.dueAt === undefined,
    );
  }

  // ---- the verdict

  /** Check all rules; resolves to how the execution ended. */
  async close(rules: Rules): Promise<EndStatus | undefined> {
    for (const [id, story] of this.#stories) {
      this.#checkJournal(id, story);
      this.#checkEnd(id, story, rules);
      if (story.state.ended !== undefined) await this.#checkRerun(id, story.state.ended);
    }
    this.#checkAnswers();
    const root = this.#stories.get(this.#root);
    if (root?.state.ended === undefined) this.blame("stuck");
    else await this.#checkResult(root.state, root.state.ended, rules);
    return root?.state.ended?.status;
  }

  #checkJournal(id: string, { entries }: Story): void {
    let epoch = 0;
    let isEnded = false;
    const outcomes = new Map<string, string>();
    const attempts = new Map<string, number>();
    for (const entry of entries) {
      if (isEnded && entry.t !== "retried" && entry.t !== "advance")
        this.blame(`${id} has a ${entry.t} entry after its end`);
      switch (entry.t) {
        case "advance":
          if (entry.renew !== true && entry.epoch !== epoch + 1)
            this.blame(`${id} goes from epoch ${epoch} to ${entry.epoch}`);
          if (entry.renew === true && entry.epoch !== epoch)
            this.blame(`${id} renews epoch ${entry.epoch} in epoch ${epoch}`);
          epoch = entry.epoch;
          break;
        case "completed":
        case "failed":
          // a child's end may be both told and found
          if ((outcomes.get(entry.id) ?? textOf(entry)) !== textOf(entry))
            this.blame(`${id} ${entry.id} has two outcomes`);
          outcomes.set(entry.id, textOf(entry));
          break;
        case "attempt":
          if (entry.err === undefined) break;
          if (entry.no !== (attempts.get(entry.id) ?? 0) + 1)
            this.blame(`${id} ${entry.id} has attempt ${entry.no} out of order`);
          attempts.set(entry.id, entry.no);
          break;
        case "retried":
          isEnded = false;
          for (const call of entry.voids) {
            outcomes.delete(call);
            attempts.delete(call);
          }
          break;
        case "ended":
          isEnded = true;
          break;
        default:
      }
    }
  }

  #checkEnd(id: string, { head, inbox, state }: Story, rules: Rules): void {
    if (state.ended === undefined) {
      if (!isUnstarted(head, id, this.#root) && id !== this.#root)
        this.blame(`child ${id} has not ended`);
      return;
    }
    const status = this.statusOf(id);
    if (status !== state.ended.status)
      this.blame(
        `the head of ${id} says ${status ?? "nothing"}, its journal ${state.ended.status}`,
      );
    if (head?.view.pos !== state.position && status !== undefined) {
      const barren = state.position - (head?.view.pos ?? 0);
      if (barren > state.barren.length) this.blame(`the head of ${id} is ${barren} entries behind`);
    }
    if (head?.dueAt !== undefined) this.blame(`the head of ${id} is due after its end`);
    if (inbox.dueAt !== undefined) this.blame(`the inbox of ${id} is due after its end`);
    if (state.ended.err?.code === "stalled" && !rules.mayStall)
      this.blame(`${id} was given up though hardly anything died`);
    if (state.ended.status === "cancelled" && !this.#isCancelled && id === this.#root)
      this.blame("cancelled by nobody");
    if (state.retries.length > (rules.retries ?? 0)) this.blame(`${id} was retried too often`);
  }

  #checkAnswers(): void {
    for (const { id, call, value } of this.#accepted) {
      const story = this.#stories.get(id);
      const settling = story?.entries.filter(
        (entry) => (entry.t === "completed" || entry.t === "failed") && entry.id === call,
      );
      if (settling?.some((entry) => entry.t === "completed" && entry.vh === digest(value)) === true)
        continue;
      const what = `the answer ${inspect(value)} to ${id} ${call} was accepted`;
      if (settling !== undefined && settling.length > 0) this.blame(`${what}, another one stands`);
    }
    for (const { id, call, value } of this.#refused) {
      const outcome = this.#stories.get(id)?.state.outcomes.get(call)?.entry;
      if (outcome?.t === "completed" && outcome.expired !== true && outcome.vh === digest(value))
        this.blame(`the answer ${inspect(value)} to ${id} ${call} was refused though it stands`);
    }
  }

  async #checkResult(state: JournalState, ended: EndedEntry, rules: Rules): Promise<void> {
    if (ended.status === "cancelled" || ended.err?.code === "stalled") return;
    const recorded = new Map<string, Settled>();
    for (const [call, { entry }] of state.outcomes) recorded.set(call, await this.#settled(entry));
    const result = await this.#settled(ended);
    const expected = rules.expected((call) => recorded.get(call));
    if (expected.some((settled) => isDeepStrictEqual(settled, result))) return;
    this.blame(
      `it ended with ${inspect(result)} instead of ${expected.map((e) => inspect(e)).join(" or ")}`,
    );
  }

  async #settled({ out, err }: Pick<EndedEntry, "out" | "err">): Promise<Settled> {
    if (err !== undefined) return { error: err.message };
    return { value: out === undefined ? undefined : await this.#context.values.get(out) };
  }

  async #checkRerun(id: string, ended: EndedEntry): Promise<void> {
    if (ended.status === "cancelled" || ended.err?.code === "stalled") return; // not by the flow's own code
    const again = await this.#rerun(id);
    if (again === undefined) return;
    if (again.started.length > 0)
      this.blame(`the journal of ${id} runs ${again.started.join(", ")} once more`);
    if (!isDeepStrictEqual(endOf(ended), again.ended && endOf(again.ended)))
      this.blame(
        `the journal of ${id} re-runs to ${inspect(again.ended)} instead of ${inspect(ended)}`,
      );
  }

  async #rerun(id: string): Promise<Rerun | undefined> {
    try {
      return await rerun(this.#context.backend, id);
    } catch (error) {
      this.blame(`the journal of ${id} cannot be re-run: ${messageOf(error)}`);
      return undefined;
    }
  }
}

/** Something may have been said to a child that then never was started. */
function isUnstarted(head: Head | undefined, id: string, root: string): boolean {
  return head === undefined && id !== root;
}

function textOf(entry: OutcomeEntry): string {
  return JSON.stringify(entry.t === "completed" ? entry.out : entry.err.message);
}

function endOf({ status, out, err }: EndedEntry): unknown {
  return { status, out, message: err?.message, code: err?.code };
}
