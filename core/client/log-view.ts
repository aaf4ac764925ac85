import type { Entry, LlmEntry } from "../journal/entry.ts";
import { type StoredError, describeError } from "../journal/stored-error.ts";
import type { ValueRef } from "../journal/values.ts";
import type { LlmRecord } from "../ports/model.ts";
import type { LogLine } from "./execution.ts";

/** A log line whose fields are still where they are stored. */
export interface LogLineView {
  readonly line: Omit<LogLine, "fields">;
  readonly fields?: ValueRef;
}

/** What was logged and what the runtime did, by time. */
export function logLinesOf(entries: readonly Entry[]): LogLineView[] {
  return entries
    .flatMap((entry): LogLineView[] => {
      if (entry.t === "log") return [logged(entry)];
      const message = describe(entry);
      if (message === undefined) return [];
      const callId = "id" in entry ? { callId: entry.id } : {};
      return [{ line: { at: new Date(entry.at), ...callId, kind: "lifecycle", message } }];
    })
    .toSorted((a, b) => a.line.at.getTime() - b.line.at.getTime());
}

function logged(entry: Extract<Entry, { t: "log" }>): LogLineView {
  const callId = entry.id === undefined ? {} : { callId: entry.id };
  const line = { at: new Date(entry.at), ...callId, kind: "log", message: "log" } as const;
  return { line, fields: entry.fields };
}

/** A process is known by its number and the socket it listens on; the number is enough for people. */
function ownerName(owner: string): string {
  return owner.replace(/^(\d+)@.*$/, "process $1");
}

function describe(entry: Exclude<Entry, { t: "log" }>): string | undefined {
  switch (entry.t) {
    case "started":
      return `started flow ${entry.flow}, version ${entry.version}`;
    case "advance":
      return entry.renew === true || entry.epoch === 1
        ? undefined
        : `resumed by ${ownerName(entry.owner)}`;
    case "completed":
      return completed(entry);
    case "failed":
      return `failed: ${describeError(entry.err)}`;
    case "attempt":
      return attempted(entry);
    case "waiting":
      if (entry.disp !== undefined) return undefined;
      return `waiting for an answer${entry.question === undefined ? "" : `: ${entry.question}`}`;
    case "sleeping":
      return `sleeping until ${new Date(entry.due).toISOString()}`;
    case "scheduled":
      return entry.child === undefined
        ? `attempt ${entry.no} scheduled`
        : `child execution ${entry.child} started`;
    case "llm":
      return asked(entry);
    case "artifact":
      return `saved artifact ${entry.name} (${entry.type})`;
    case "loaded":
      return `loaded ${entry.name ?? "the result"} of ${entry.from}/${entry.call}`;
    case "cancelling":
      return entry.reason === "cancel" ? "cancelling" : "cancelling: the flow's timeout has passed";
    case "retried":
      if (entry.from !== undefined) return `moved here from stack ${entry.from}`;
      return `retried${entry.voids.length === 0 ? "" : `: ${entry.voids.join(", ")} will run again`}`;
    case "rejected":
      return `answer rejected: ${entry.reason}`;
    case "ended":
      if (entry.moved === true) return "moved away";
      return `${entry.status}${entry.err === undefined ? "" : `: ${describeError(entry.err)}`}`;
  }
}

function completed(entry: Extract<Entry, { t: "completed" }>): string {
  if (entry.expired === true) return "expired without an answer";
  if (entry.disp !== undefined) return `completed (${entry.disp})`;
  if (entry.kind === "wait") return "answered";
  const model = entry.llm === undefined ? "" : `, ${modelText(entry.llm)}`;
  const took = entry.s === undefined ? "" : ` in ${entry.at - entry.s} ms`;
  return `completed${took}${model}`;
}

function attempted(entry: Extract<Entry, { t: "attempt" }>): string {
  if (entry.open === true) return `attempt ${entry.no} started`;
  return `attempt ${entry.no} failed${because(entry.err)}`;
}

function because(error: StoredError | undefined): string {
  return error === undefined ? "" : `: ${describeError(error)}`;
}

function asked({ name, llm, s, at }: LlmEntry): string {
  return `${name}: ${modelText(llm)} in ${at - s} ms`;
}

function modelText({ resolvedModel, totalTokens }: LlmRecord): string {
  return `${resolvedModel}${totalTokens === undefined ? "" : `, ${totalTokens} tokens`}`;
}
