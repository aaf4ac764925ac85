import type {
  CallKind,
  Disposition,
  Entry,
  LlmEntry,
  OutcomeEntry,
  WaitingEntry,
} from "../journal/entry.ts";
import type { Head } from "../journal/head.ts";
import type { StoredError } from "../journal/stored-error.ts";
import { type ValueRef, isBlobRef } from "../journal/values.ts";
import { type Usage, sumUsage } from "../models/usage.ts";
import type { LlmRecord } from "../ports/model.ts";

/** One try of a call. */
export interface AttemptView {
  readonly number: number;
  readonly startedAt: Date;
  readonly endedAt?: Date;
  readonly error?: StoredError;
}

/** One use of a checkpoint, llm, wait, sleep or child flow. */
export interface CallView {
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  readonly status: "running" | "waiting" | "completed" | "failed";
  readonly disposition?: Disposition;
  readonly attempts: readonly AttemptView[];
  readonly startedAt?: Date;
  readonly endedAt?: Date;
  readonly error?: StoredError;
  readonly llm: readonly LlmRecord[];
  /** Names of the artifacts it saved. */
  readonly artifacts: readonly string[];
}

/** A question that awaits its answer. */
export interface PendingWait {
  readonly id: string;
  readonly name: string;
  readonly question?: string;
  /** JSON Schema of the answer. */
  readonly schema?: unknown;
  /** Takes no value: continue or abort. */
  readonly isGate: boolean;
  readonly askedAt: Date;
  readonly expiresAt?: Date;
  readonly metadata?: ValueRef;
}

/** A named value an execution keeps. */
export interface ArtifactView {
  /** `executionId/callId/name`. */
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly callId: string;
  /** Bytes, for a value that is stored as a blob. */
  readonly size?: number;
  readonly savedAt: Date;
  readonly ref: ValueRef;
}

/** A line of an execution's log. */
export interface LogView {
  readonly at: Date;
  readonly callId?: string;
  readonly message: string;
  readonly fields?: ValueRef;
}

/** The parts of an execution that its journal tells. */
export interface JournalView {
  readonly calls: readonly CallView[];
  readonly pendingWaits: readonly PendingWait[];
  readonly artifacts: readonly ArtifactView[];
  readonly logs: readonly LogView[];
  readonly usage: Usage;
}

/** Read a journal the way a person wants to see it. */
export function viewJournal(head: Head, entries: readonly Entry[]): JournalView {
  const calls = new Map<string, CallDraft>();
  const artifacts: ArtifactView[] = [];
  const logs: LogView[] = [];
  for (const entry of entries) {
    addToCalls(calls, entry);
    artifacts.push(...artifactsOf(head.facts.id, entry));
    const line = logOf(entry);
    if (line !== undefined) logs.push(line);
  }
  const voided = new Set(entries.flatMap((entry) => (entry.t === "retried" ? entry.voids : [])));
  const views = [...calls.values()].map(toView);
  return {
    calls: views,
    pendingWaits: isOver(entries) ? [] : [...calls.values()].flatMap(pendingOf),
    artifacts: artifacts.filter(({ callId }) => !voided.has(callId) || calls.has(callId)),
    logs,
    usage: sumUsage(
      views.flatMap((call) => call.llm.map((record) => ({ record, kind: usageKind(call) }))),
    ),
  };
}

interface CallDraft {
  readonly id: string;
  readonly kind: CallKind;
  readonly name: string;
  readonly ask: number;
  readonly attempts: AttemptView[];
  readonly llms: LlmRecord[];
  readonly artifacts: string[];
  open?: WaitingEntry;
  openedAt?: number;
  outcome?: OutcomeEntry;
}

function addToCalls(calls: Map<string, CallDraft>, entry: Entry): void {
  switch (entry.t) {
    case "completed":
    case "failed":
      settle(draftOf(calls, entry), entry);
      break;
    case "waiting": {
      const draft = draftOf(calls, entry);
      draft.open = entry;
      draft.openedAt ??= entry.at;
      break;
    }
    case "sleeping":
    case "scheduled":
      draftOf(calls, entry).openedAt ??= entry.at;
      break;
    case "attempt":
      if (entry.err !== undefined)
        draftOf(calls, entry).attempts.push({
          number: entry.no,
          startedAt: new Date(entry.s),
          endedAt: new Date(entry.at),
          error: entry.err,
        });
      break;
    case "llm":
      calls.get(entry.id)?.llms.push(entry.llm);
      if (!calls.has(entry.id)) draftOf(calls, unknownCall(entry)).llms.push(entry.llm);
      break;
    case "artifact":
      draftOf(calls, { id: entry.id, kind: "checkpoint", name: nameOf(entry.id) }).artifacts.push(
        entry.name,
      );
      break;
    case "retried":
      for (const id of entry.voids) calls.delete(id);
      break;
    case "started":
    case "advance":
    case "log":
    case "cancelling":
    case "rejected":
    case "ended":
      break;
  }
}

function unknownCall(entry: LlmEntry): Pick<CallDraft, "id" | "kind" | "name"> {
  return { id: entry.id, kind: "checkpoint", name: nameOf(entry.id) };
}

function draftOf(
  calls: Map<string, CallDraft>,
  call: {
    readonly id: string;
    readonly kind: CallKind;
    readonly name: string;
    readonly ask?: number;
  },
): CallDraft {
  const known = calls.get(call.id);
  if (known !== undefined) return known;
  const { id, kind, name, ask = Number.MAX_SAFE_INTEGER } = call;
  const made: CallDraft = { id, kind, name, ask, attempts: [], llms: [], artifacts: [] };
  calls.set(id, made);
  return made;
}

function settle(draft: CallDraft, entry: OutcomeEntry): void {
  if (draft.outcome !== undefined) return;
  draft.outcome = entry;
  if (entry.llm !== undefined) draft.llms.push(entry.llm);
  if (entry.prompt !== undefined) draft.artifacts.push(`${entry.name}_prompt`);
  if (entry.response !== undefined) draft.artifacts.push(`${entry.name}_response`);
  if (entry.s === undefined) return;
  draft.attempts.push({
    number: entry.tries ?? 1,
    startedAt: new Date(entry.s),
    endedAt: new Date(entry.at),
    ...(entry.t === "failed" ? { error: entry.err } : {}),
  });
}

function toView(draft: CallDraft): CallView {
  const { id, kind, name, attempts, llms, artifacts, outcome, openedAt } = draft;
  const startedAt = openedAt ?? attempts[0]?.startedAt.getTime();
  return {
    id,
    kind,
    name,
    status: outcome?.t ?? (draft.openedAt === undefined ? "running" : "waiting"),
    ...(outcome === undefined ? {} : { disposition: outcome.disp ?? "executed" }),
    attempts,
    ...(startedAt === undefined ? {} : { startedAt: new Date(startedAt) }),
    ...(outcome === undefined ? {} : { endedAt: new Date(outcome.at) }),
    ...(outcome?.t === "failed" ? { error: outcome.err } : {}),
    llm: llms,
    artifacts,
  };
}

function pendingOf({ id, name, open, outcome }: CallDraft): PendingWait[] {
  if (open === undefined || outcome !== undefined) return [];
  return [
    {
      id,
      name,
      isGate: open.gate === true,
      askedAt: new Date(open.at),
      ...(open.question === undefined ? {} : { question: open.question }),
      ...(open.schema === undefined ? {} : { schema: open.schema }),
      ...(open.due === undefined ? {} : { expiresAt: new Date(open.due) }),
      ...(open.meta === undefined ? {} : { metadata: open.meta }),
    },
  ];
}

function artifactsOf(executionId: string, entry: Entry): ArtifactView[] {
  if (entry.t === "artifact")
    return [artifact(executionId, entry, entry.name, entry.type, entry.out)];
  if (entry.t !== "llm" && entry.t !== "completed") return [];
  const { prompt, response, name } = entry;
  return [
    ...(prompt === undefined
      ? []
      : [artifact(executionId, entry, `${name}_prompt`, "prompt", prompt)]),
    ...(response === undefined
      ? []
      : [artifact(executionId, entry, `${name}_response`, "response", response)]),
  ];
}

function artifact(
  executionId: string,
  entry: { readonly id: string; readonly at: number },
  name: string,
  type: string,
  ref: ValueRef,
): ArtifactView {
  return {
    id: `${executionId}/${entry.id}/${name}`,
    name,
    type,
    callId: entry.id,
    ...(isBlobRef(ref) ? { size: ref.n } : {}),
    savedAt: new Date(entry.at),
    ref,
  };
}

function logOf(entry: Entry): LogView | undefined {
  const at = new Date(entry.at);
  switch (entry.t) {
    case "log":
      return {
        at,
        message: "log",
        fields: entry.fields,
        ...(entry.id === undefined ? {} : { callId: entry.id }),
      };
    case "started":
      return { at, message: `started flow ${entry.flow}` };
    case "completed":
      return {
        at,
        callId: entry.id,
        message:
          entry.expired === true
            ? "expired"
            : `completed${entry.disp === undefined ? "" : ` (${entry.disp})`}`,
      };
    case "failed":
      return { at, callId: entry.id, message: `failed: ${entry.err.message}` };
    case "attempt":
      return entry.err === undefined
        ? undefined
        : { at, callId: entry.id, message: `attempt ${entry.no} failed: ${entry.err.message}` };
    case "waiting":
      return {
        at,
        callId: entry.id,
        message: `waiting${entry.question === undefined ? "" : `: ${entry.question}`}`,
      };
    case "sleeping":
      return {
        at,
        callId: entry.id,
        message: `sleeping until ${new Date(entry.due).toISOString()}`,
      };
    case "scheduled":
      return {
        at,
        callId: entry.id,
        message:
          entry.child === undefined ? `scheduled attempt ${entry.no}` : `started ${entry.child}`,
      };
    case "llm":
      return {
        at,
        callId: entry.id,
        message: `${entry.name} answered by ${entry.llm.resolvedModel}`,
      };
    case "cancelling":
      return { at, message: entry.reason === "cancel" ? "cancel requested" : "timed out" };
    case "retried":
      return { at, message: `retried${entry.voids.length === 0 ? "" : ` from ${entry.voids[0]}`}` };
    case "rejected":
      return { at, callId: entry.id, message: `answer refused: ${entry.reason}` };
    case "ended":
      return {
        at,
        message: `${entry.status}${entry.err === undefined ? "" : `: ${entry.err.message}`}`,
      };
    case "advance":
    case "artifact":
      return undefined;
  }
}

function isOver(entries: readonly Entry[]): boolean {
  return entries.findLast((entry) => entry.t === "ended" || entry.t === "retried")?.t === "ended";
}

function usageKind(call: CallView): "incurred" | "reused" {
  return call.disposition === "reused" ? "reused" : "incurred";
}

function nameOf(callId: string): string {
  return callId.slice(0, callId.lastIndexOf(":"));
}
