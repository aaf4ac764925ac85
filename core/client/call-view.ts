import type {
  AttemptEntry,
  Entry,
  LlmEntry,
  OpeningEntry,
  OutcomeEntry,
} from "../journal/entry.ts";
import type { StoredError } from "../journal/stored-error.ts";
import type {
  ArtifactView,
  AttemptView,
  CallView,
  CallStatus,
  ErrorView,
  LlmView,
} from "./execution.ts";

/** Everything the journal says about one call. */
interface CallEntries {
  readonly first: AttemptEntry | OpeningEntry | OutcomeEntry | LlmEntry;
  readonly attempts: AttemptEntry[];
  readonly llms: LlmEntry[];
  opening?: OpeningEntry;
  outcome?: OutcomeEntry;
}

interface CallViewParams {
  readonly entries: readonly Entry[];
  readonly artifacts: readonly ArtifactView[];
  /** Epoch milliseconds. */
  readonly now: number;
  /** Label of a checkpoint, if this program defines it. */
  readonly typeOf: (name: string) => string | undefined;
}

/** The calls of an execution in the order they were asked; answers nobody has asked for yet come last. */
export function callsOf({ entries, artifacts, now, typeOf }: CallViewParams): CallView[] {
  const ended = isEnded(entries);
  const byCall = Map.groupBy(artifacts, (artifact) => artifact.callId);
  return [...collect(entries).values()]
    .toSorted((a, b) => askOf(a) - askOf(b))
    .map((call): CallView => {
      const { outcome } = call;
      const { id } = call.first;
      const name = nameOf(call);
      const type = typeOf(name);
      return {
        id,
        kind: kindOf(call),
        name,
        ...(type === undefined ? {} : { type }),
        status: statusOf(call, ended, now),
        disposition: outcome?.disp ?? "executed",
        attempts: attemptsOf(call),
        startedAt: new Date(startOf(call)),
        ...(outcome === undefined ? {} : { endedAt: new Date(outcome.at) }),
        ...(outcome?.t === "failed" ? { error: errorInfo(outcome.err) } : {}),
        llm: llmsOf(call),
        artifacts: byCall.get(id) ?? [],
      };
    });
}

/** A recorded failure, without what only the machine needs. */
export function errorInfo({ name, message, code, stack, cause }: StoredError): ErrorView {
  return {
    name,
    message,
    ...(code === undefined ? {} : { code }),
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined ? {} : { cause: errorInfo(cause) }),
  };
}

function isEnded(entries: readonly Entry[]): boolean {
  return entries.findLast((entry) => entry.t === "ended" || entry.t === "retried")?.t === "ended";
}

function collect(entries: readonly Entry[]): Map<string, CallEntries> {
  const calls = new Map<string, CallEntries>();
  for (const entry of entries) {
    if (entry.t === "retried") for (const id of entry.voids) calls.delete(id);
    else if (isAboutCall(entry)) add(calls, entry);
  }
  return calls;
}

function isAboutCall(entry: Entry): entry is CallEntries["first"] {
  switch (entry.t) {
    case "attempt":
    case "waiting":
    case "sleeping":
    case "scheduled":
    case "completed":
    case "failed":
    case "llm":
      return true;
    default:
      return false;
  }
}

function add(calls: Map<string, CallEntries>, entry: CallEntries["first"]): void {
  const known = calls.get(entry.id);
  // a model call is the first entry of a checkpoint that makes one; what follows knows more of the call
  const call =
    known === undefined || known.first.t === "llm"
      ? { attempts: [], llms: [], ...known, first: entry }
      : known;
  calls.set(entry.id, call);
  switch (entry.t) {
    case "attempt":
      call.attempts.push(entry);
      break;
    case "llm":
      call.llms.push(entry);
      break;
    case "completed":
    case "failed":
      call.outcome ??= entry; // the first outcome of a call stands
      break;
    default:
      call.opening = entry;
  }
}

/** A checkpoint that has recorded only a model call so far is known by its id alone. */
function nameOf({ first }: CallEntries): string {
  return first.t === "llm" ? first.id.slice(0, first.id.lastIndexOf(":")) : first.name;
}

function kindOf({ first }: CallEntries): CallView["kind"] {
  return first.t === "llm" ? "checkpoint" : first.kind;
}

function askOf({ first, opening, outcome }: CallEntries): number {
  const asked = first.t === "llm" ? undefined : first.ask;
  return asked ?? opening?.ask ?? outcome?.ask ?? Number.MAX_SAFE_INTEGER;
}

function startOf({ first, attempts, opening, outcome }: CallEntries): number {
  const starts = [attempts[0]?.s, opening?.at, outcome?.s].filter((at) => at !== undefined);
  return starts.length === 0 ? (first.t === "llm" ? first.s : first.at) : Math.min(...starts);
}

function statusOf(call: CallEntries, ended: boolean, now: number): CallStatus {
  const { outcome, opening, attempts } = call;
  if (outcome !== undefined) return outcome.t;
  if (ended) return "cancelled";
  const retryAt = attempts.at(-1)?.retryAt;
  if (retryAt !== undefined) return now < retryAt ? "waiting" : "running";
  if (opening === undefined) return "running";
  return opening.t === "scheduled" && opening.child === undefined ? "running" : "waiting";
}

function attemptsOf({ attempts, outcome }: CallEntries): AttemptView[] {
  const byNumber = new Map<number, AttemptView>();
  for (const { no, s, at, err, open } of attempts)
    byNumber.set(no, {
      number: no,
      startedAt: new Date(s),
      ...(open === true ? {} : { endedAt: new Date(at) }),
      ...(err === undefined ? {} : { error: errorInfo(err) }),
    });
  const last = outcome === undefined ? undefined : lastAttempt(outcome, byNumber);
  if (last !== undefined) byNumber.set(last.number, last);
  return [...byNumber.values()];
}

/** The attempt that made the outcome; a wait, a sleep and what was taken over from elsewhere had none. */
function lastAttempt(
  outcome: OutcomeEntry,
  earlier: ReadonlyMap<number, AttemptView>,
): AttemptView | undefined {
  const { s, at, tries = 1, disp } = outcome;
  if (s === undefined || disp !== undefined) return undefined;
  return {
    number: tries,
    startedAt: earlier.get(tries)?.startedAt ?? new Date(s),
    endedAt: new Date(at),
    ...(outcome.t === "failed" ? { error: errorInfo(outcome.err) } : {}),
  };
}

function llmsOf({ llms, outcome }: CallEntries): LlmView[] {
  const inside = llms.map(({ llm, name, no, disp, s, at }): LlmView => ({
    ...llm,
    name,
    attempt: no,
    usage: disp === "reused" ? disp : "incurred",
    ...(disp === "overridden" ? { overridden: true } : {}),
    startedAt: new Date(s),
    endedAt: new Date(at),
  }));
  if (outcome?.llm === undefined) return inside;
  const { llm, name, tries = 1, s, at } = outcome;
  const own: LlmView = {
    ...llm,
    name,
    attempt: tries,
    usage: outcome.disp === "reused" ? "reused" : "incurred",
    startedAt: new Date(s ?? at),
    endedAt: new Date(at),
  };
  return [...inside, own];
}
