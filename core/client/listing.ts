import type { EngineContext } from "../engine/context.ts";
import { load } from "../engine/session.ts";
import { flowsPartition } from "../engine/start.ts";
import { statusOf } from "../engine/status.ts";
import { KitaruStateError, KitaruUsageError } from "../errors.ts";
import {
  type ExecutionStatus,
  type Head,
  type HeadFacts,
  headKey,
  isEnd,
  readHead,
} from "../journal/head.ts";
import { readInbox, timeKey } from "../journal/inbox.ts";
import type { StoredError } from "../journal/stored-error.ts";
import type { ListParams, Page, StoredRecord } from "../ports/records.ts";
import { errorInfo } from "./call-view.ts";
import type { ExecutionSummary } from "./execution.ts";
import { pendingWaitsOf } from "./execution-view.ts";

/** Which executions to list. */
export interface ListOptions {
  readonly flow?: string;
  /** Only executions of this status, or of one of these. */
  readonly status?: ExecutionStatus | readonly ExecutionStatus[];
  /** Only direct replays of this execution. */
  readonly replayOf?: string;
  /** Most executions of a page, from 1 to 1000. @default 20 */
  readonly limit?: number;
  /** Continue after the execution that has this cursor; from {@link ExecutionSummary.cursor}. */
  readonly cursor?: string;
}

const statuses = ["queued", "running", "waiting", "completed", "failed", "cancelled"] as const;
const defaultLimit = 20;
const largestLimit = 1000;

/** List executions of one flow or of all, newest first. Throws a usage error for options that do not fit. */
export async function listExecutions(
  context: EngineContext,
  options: ListOptions,
): Promise<ExecutionSummary[]> {
  const { cursor, replayOf, limit = defaultLimit } = options;
  const wanted = checkStatuses(options.status);
  checkLimit(limit);
  checkCursor(cursor);
  const { flows, since } = await rangeOf(context, options);
  const items: ExecutionSummary[] = [];
  for await (const head of newestFirst(context, flows, { before: cursor, since, atOnce: limit })) {
    if (replayOf !== undefined && head.facts.replayOf?.id !== replayOf) continue;
    const item = await summarize(context, head);
    if (item !== undefined && (wanted === undefined || wanted.has(item.status))) items.push(item);
    if (items.length === limit) break;
  }
  return items;
}

/** Clocks of processes that start executions may be this far apart. */
const clockSkewMs = 3_600_000;

/** A replay is one of the same flow, and not older than what it replays. */
async function rangeOf(
  context: EngineContext,
  { flow, replayOf }: ListOptions,
): Promise<{ readonly flows: readonly string[]; readonly since?: string }> {
  if (replayOf === undefined)
    return { flows: flow === undefined ? await flowNames(context) : [flow] };
  const record = await context.backend.records.get(headKey(replayOf));
  if (record === undefined)
    throw new KitaruStateError(
      `There is no execution ${JSON.stringify(replayOf)} on this stack. \`kitaru executions list\` shows what there is.`,
      { code: "not_found" },
    );
  const { facts } = readHead(record);
  if (flow !== undefined && flow !== facts.flow) return { flows: [] };
  return { flows: [facts.flow], since: timeKey(facts.createdAt - clockSkewMs) };
}

function checkStatuses(status: ListOptions["status"]): ReadonlySet<ExecutionStatus> | undefined {
  if (status === undefined) return undefined;
  const wanted = typeof status === "string" ? [status] : status;
  const unknown = wanted.find((one) => !statuses.includes(one));
  if (unknown !== undefined)
    throw new KitaruUsageError(`"${unknown}" is not a status. Statuses: ${statuses.join(", ")}.`);
  return new Set(wanted);
}

/** Throw a usage error unless `limit` is a number of items one page may have. */
export function checkLimit(limit: number, name = "limit"): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= largestLimit) return;
  throw new KitaruUsageError(
    `${name} must be a whole number from 1 to ${largestLimit}, not ${String(limit)}.`,
  );
}

function checkCursor(cursor: string | undefined): void {
  if (cursor === undefined || /^\d{15}\/./.test(cursor)) return;
  throw new KitaruUsageError(
    `${JSON.stringify(cursor)} is not a cursor of this list. Pass the \`cursor\` of the last execution listed, unchanged.`,
  );
}

/** Names of all flows that were ever started. */
export async function flowNames(context: EngineContext): Promise<string[]> {
  const { records } = context.backend;
  const names: string[] = [];
  const pages = pagesOf((cursor) => records.list({ partition: flowsPartition, ...cursor }));
  for await (const record of pages) names.push(record.sort);
  return names;
}

/** Merges the flows' own orders, reading no page before it is needed. */
async function* newestFirst(
  context: EngineContext,
  flows: readonly string[],
  range: HeadRange,
): AsyncGenerator<Head> {
  const next = async (source: AsyncIterator<Head>): Promise<Candidate[]> => {
    const result = await source.next();
    return result.done === true ? [] : [{ head: result.value, source }];
  };
  const sources = flows.map((flow) => headsOf(context, flow, range));
  let candidates = (await Promise.all(sources.map(next))).flat();
  for (;;) {
    const newest = newestOf(candidates);
    if (newest === undefined) return;
    yield newest.head;
    const following = await next(newest.source);
    candidates = candidates.flatMap((one) => (one === newest ? following : [one]));
  }
}

interface Candidate {
  readonly head: Head;
  readonly source: AsyncIterator<Head>;
}

function newestOf(candidates: readonly Candidate[]): Candidate | undefined {
  let newest = candidates[0];
  for (const one of candidates)
    if (newest !== undefined && sortOf(one.head.facts) > sortOf(newest.head.facts)) newest = one;
  return newest;
}

/** Which heads of a flow to read. */
export interface HeadRange {
  /** Sort key before which they are; exclusive. */
  readonly before?: string | undefined;
  /** Lowest sort key. */
  readonly since?: string | undefined;
  /** Most heads of a page. */
  readonly atOnce: number;
}

/** Heads of a flow, newest first. */
export async function* headsOf(
  context: EngineContext,
  flow: string,
  { before, since, atOnce }: HeadRange,
): AsyncGenerator<Head> {
  const { records } = context.backend;
  const params: ListParams = {
    partition: `flow/${flow}`,
    reverse: true,
    limit: atOnce,
    ...(since === undefined ? {} : { from: since }),
    ...(before === undefined ? {} : { to: before }),
  };
  const pages = pagesOf((cursor) => records.listIndex("flow", { ...params, ...cursor }));
  for await (const record of pages) yield readHead(record);
}

type Cursor = { readonly cursor?: string };

async function* pagesOf(
  read: (cursor: Cursor) => Promise<Page<StoredRecord>>,
): AsyncGenerator<StoredRecord> {
  for (let cursor: Cursor | undefined = {}; cursor !== undefined;) {
    const page: Page<StoredRecord> = await read(cursor);
    yield* page.items;
    cursor = page.cursor === undefined ? undefined : { cursor: page.cursor };
  }
}

/** Sort key of an execution among those of its flow. */
export function sortOf({ createdAt, id }: HeadFacts): string {
  return `${timeKey(createdAt)}/${id}`;
}

/** Undefined when the index lags behind and the execution is gone. */
async function summarize(
  context: EngineContext,
  head: Head,
): Promise<ExecutionSummary | undefined> {
  const { facts, view } = head;
  // an ended execution is due again only when somebody wants it retried
  if (isEnd(view.status) && head.dueAt === undefined)
    return summary(facts, { ...view, pendingWaits: [] });
  const execution = await load(context, facts.id);
  if (execution.head === undefined) return undefined;
  const { state } = execution.journal;
  const { started, ended } = state;
  return summary(facts, {
    status: statusOf(execution, facts.id, context.clock.now()),
    startedAt: started?.at,
    endedAt: ended?.at,
    err: ended?.err,
    pendingWaits: pendingWaitsOf(state, readInbox(execution.inbox)).map(({ wait }) => wait.id),
  });
}

interface Progress {
  readonly status: ExecutionStatus;
  readonly startedAt?: number | undefined;
  readonly endedAt?: number | undefined;
  readonly err?: StoredError | undefined;
  readonly pendingWaits: readonly string[];
}

function summary(facts: HeadFacts, progress: Progress): ExecutionSummary {
  const { id, flow, version, stack, createdAt, parent, replayOf } = facts;
  const { status, startedAt, endedAt, err, pendingWaits } = progress;
  return {
    id,
    flow,
    version,
    stack,
    status,
    createdAt: new Date(createdAt),
    ...(startedAt === undefined ? {} : { startedAt: new Date(startedAt) }),
    ...(endedAt === undefined ? {} : { endedAt: new Date(endedAt) }),
    ...(err === undefined ? {} : { error: errorInfo(err) }),
    pendingWaits,
    ...(parent === undefined ? {} : { parent }),
    ...(replayOf === undefined ? {} : { replayOf: replayOf.id }),
    cursor: sortOf(facts),
  };
}
