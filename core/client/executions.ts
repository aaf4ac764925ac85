import { readEntries } from "../engine/artifacts.ts";
import { registry } from "../engine/definitions.ts";
import { loadDefinitions } from "../engine/loading.ts";
import type { Runtime } from "../engine/runtime.ts";
import { load } from "../engine/session.ts";
import { type SignalResult, nudge, signal } from "../engine/signal.ts";
import { flowsPartition } from "../engine/start.ts";
import { readStatus, statusOf } from "../engine/status.ts";
import { KitaruStateError } from "../errors.ts";
import { type ExecutionStatus, type Head, isEnd, readHead } from "../journal/head.ts";
import { readInbox } from "../journal/inbox.ts";
import type { StoredError } from "../journal/stored-error.ts";
import type { ValueRef } from "../journal/values.ts";
import { type FlowHandle, handleOf } from "../primitives/handle.ts";
import { type JournalView, type PendingWait, viewJournal } from "./view.ts";

/** An execution in a list. */
export interface ExecutionSummary {
  readonly id: string;
  readonly flow: string;
  readonly version: string;
  readonly stack: string;
  readonly status: ExecutionStatus;
  readonly createdAt: Date;
  readonly startedAt?: Date;
  readonly endedAt?: Date;
  readonly error?: StoredError;
  /** The call of another execution that started it. */
  readonly parent?: { readonly id: string; readonly call: string };
}

/** Everything about an execution. Values stay refs until they are asked for. */
export interface Execution extends ExecutionSummary, Omit<JournalView, "logs"> {
  readonly input: unknown;
  readonly output?: unknown;
}

/** Which executions to list. */
export interface ListOptions {
  readonly flow?: string;
  readonly status?: ExecutionStatus;
  /** @default 20 */
  readonly limit?: number;
}

/** A log line with its fields read. */
export interface LogLine {
  readonly at: Date;
  readonly callId?: string;
  readonly message: string;
  readonly fields?: unknown;
}

/** Executions of one stack. */
export class Executions {
  readonly #open: () => Promise<Runtime>;

  constructor(open: () => Promise<Runtime>) {
    this.#open = open;
  }

  /** Everything about one execution. Throws a state error (`not_found`) when there is none. */
  async get(id: string): Promise<Execution> {
    const { context } = await this.#open();
    const execution = await load(context, id);
    const status = statusOf(execution, id, context.clock.now());
    const head = headOf(execution.head, id);
    const { logs: _logs, ...view } = viewJournal(head, await readEntries(context, id));
    const out = execution.journal.state.ended?.out;
    return {
      ...summaryOf(head, status),
      ...view,
      input: await context.values.get(head.facts.input),
      ...(out === undefined ? {} : { output: await context.values.get(out) }),
    };
  }

  /** The newest executions first; the status of those that have not ended is read from their journals. */
  async list(options: ListOptions = {}): Promise<ExecutionSummary[]> {
    const { limit = 20, status } = options;
    const runtime = await this.#open();
    const flows = options.flow === undefined ? await flowNames(runtime) : [options.flow];
    const found: ExecutionSummary[] = [];
    for (const flow of flows) {
      let taken = 0;
      for await (const head of headsOf(runtime, flow)) {
        const current = isEnd(head.view.status)
          ? head.view.status
          : await readStatus(runtime.context, head.facts.id);
        if (status !== undefined && current !== status) continue;
        found.push(summaryOf(head, current));
        if (++taken === limit) break;
      }
    }
    return found.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime()).slice(0, limit);
  }

  /** The newest execution. Throws a state error (`not_found`) when there is none. */
  async latest(options: Omit<ListOptions, "limit"> = {}): Promise<ExecutionSummary> {
    const [newest] = await this.list({ ...options, limit: 1 });
    if (newest !== undefined) return newest;
    const what = [
      options.flow && `flow "${options.flow}"`,
      options.status && `status ${options.status}`,
    ].filter(Boolean);
    throw new KitaruStateError(
      `No executions found${what.length === 0 ? "" : ` for ${what.join(" and ")}`}.`,
      {
        code: "not_found",
      },
    );
  }

  /** Questions that await an answer. */
  async pendingWaits(id: string): Promise<readonly PendingWait[]> {
    return (await this.get(id)).pendingWaits;
  }

  /**
   * Answer a wait: the one that is pending, one by name, or one by call id. Resolves once the answer is durable.
   * An execution nobody drives goes on in this process.
   */
  async input(
    id: string,
    options: { readonly wait?: string; readonly value: unknown },
  ): Promise<SignalResult> {
    const { wait: target, value } = options;
    return this.#signal(id, { kind: "answer", value, ...(target === undefined ? {} : { target }) });
  }

  /** Make a wait throw `wait_aborted` in the flow. */
  async abortWait(id: string, options: { readonly wait?: string } = {}): Promise<SignalResult> {
    const { wait: target } = options;
    return this.#signal(id, { kind: "abort", ...(target === undefined ? {} : { target }) });
  }

  /** Ask an execution to end. A second cancel ends it without running any more of its code. */
  async cancel(id: string): Promise<void> {
    await this.#signal(id, { kind: "cancel" });
  }

  /** Run a failed execution again from the call that failed; all other outcomes stay. */
  async retry(id: string): Promise<FlowHandle<unknown>> {
    await this.#signal(id, { kind: "retry" });
    return handleOf(id, await this.#open());
  }

  /**
   * Go on with an execution whose process is gone. Throws a state error when it has ended, awaits an answer,
   * or is being driven by a process that is alive.
   */
  async resume(id: string): Promise<FlowHandle<unknown>> {
    const runtime = await this.#open();
    const { context, backend } = runtime;
    const execution = await load(context, id);
    const status = statusOf(execution, id, context.clock.now());
    if (isEnd(status))
      throw new KitaruStateError(
        `Execution ${id} has ended (${status}); there is nothing to resume.`,
      );
    const head = headOf(execution.head, id);
    const waits = viewJournal(head, await readEntries(context, id)).pendingWaits;
    const inbox = readInbox(execution.inbox);
    if (waits.length > 0 && inbox.items.length === 0 && status === "waiting")
      throw new KitaruStateError(
        `Execution ${id} awaits ${waits.map((wait) => wait.id).join(", ")}. Answer it (\`kitaru executions input ${id}\`); it then goes on by itself.`,
      );
    await this.#loadFlow(head);
    const owner = execution.journal.state.lastAdvance?.owner;
    if (owner !== undefined && (await backend.orchestrator.wake(owner, id)))
      return handleOf(id, runtime);
    await nudge(context, id, inbox, execution.journal.state);
    return handleOf(id, runtime);
  }

  /** What happened, in order of time. */
  async logs(id: string, options: { readonly call?: string } = {}): Promise<LogLine[]> {
    const { context } = await this.#open();
    const execution = await load(context, id);
    const head = headOf(execution.head, id);
    const { logs } = viewJournal(head, await readEntries(context, id));
    const wanted = logs.filter(
      (line) => options.call === undefined || line.callId === options.call,
    );
    return Promise.all(
      wanted.map(async ({ fields, ...line }) =>
        fields === undefined ? line : { ...line, fields: await context.values.get(fields) },
      ),
    );
  }

  /** Hold an execution, to await its result. */
  async handle<T = unknown>(id: string): Promise<FlowHandle<T>> {
    return handleOf<T>(id, await this.#open());
  }

  /** Read a value the execution refers to. */
  async value(ref: ValueRef): Promise<unknown> {
    return (await this.#open()).context.values.get(ref);
  }

  async #signal(id: string, what: Parameters<typeof signal>[2]): Promise<SignalResult> {
    const runtime = await this.#open();
    const { head } = await load(runtime.context, id);
    if (head !== undefined) await this.#loadFlow(readHead(head)).catch(() => undefined); // others may know the flow
    return signal(runtime.context, id, what);
  }

  /** Make this process able to drive the flow, when the module that defines it is known. */
  async #loadFlow({ facts }: Head): Promise<void> {
    const { flow, source } = facts;
    if (registry.flow(flow) !== undefined || source === undefined) return;
    const { pathToFileURL } = await import("node:url");
    await loadDefinitions(
      () => import(pathToFileURL(source).href),
      () => registry.flow(flow) !== undefined,
    );
  }
}

async function flowNames(runtime: Runtime): Promise<string[]> {
  const names: string[] = [];
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await runtime.backend.records.list({
      partition: flowsPartition,
      ...(cursor === undefined ? {} : { cursor }),
    });
    names.push(...page.items.map((record) => record.sort));
    cursor = page.cursor;
  }
  return names;
}

async function* headsOf(runtime: Runtime, flow: string): AsyncGenerator<Head> {
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await runtime.backend.records.listIndex("flow", {
      partition: `flow/${flow}`,
      reverse: true,
      limit: 100,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const record of page.items) yield readHead(record);
    cursor = page.cursor;
  }
}

function headOf(record: Parameters<typeof readHead>[0] | undefined, id: string): Head {
  if (record !== undefined) return readHead(record);
  throw new KitaruStateError(
    `There is no execution "${id}" on this stack. \`kitaru executions list\` shows what there is.`,
    { code: "not_found" },
  );
}

function summaryOf({ facts, view }: Head, status: ExecutionStatus): ExecutionSummary {
  const { id, flow, version, stack, createdAt, parent } = facts;
  return {
    id,
    flow,
    version,
    stack,
    status,
    createdAt: new Date(createdAt),
    ...(view.startedAt === undefined ? {} : { startedAt: new Date(view.startedAt) }),
    ...(view.endedAt === undefined ? {} : { endedAt: new Date(view.endedAt) }),
    ...(view.err === undefined ? {} : { error: view.err }),
    ...(parent === undefined ? {} : { parent }),
  };
}
