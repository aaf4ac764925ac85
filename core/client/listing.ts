import { noExecution } from "../engine/no-execution.ts";
import type { EngineContext } from "../engine/context.ts";
import { load } from "../engine/session.ts";
import { flowsPartition } from "../engine/start.ts";
import { tellStatus } from "../engine/status.ts";
import { type KitaruError, KitaruUsageError, hasCode, isKitaruError } from "../errors.ts";
import { type Head, type HeadFacts, headKey, isEnd, readHead } from "../journal/head.ts";
import { readInbox, timeKey } from "../journal/inbox.ts";
import { type StoredError, storeError } from "../journal/stored-error.ts";
import type { ListParams, Page, StoredRecord } from "../ports/records.ts";
import { errorInfo } from "./call-view.ts";
import type { ExecutionSummary, ListedStatus } from "./execution.ts";
import { pendingWaitsOf } from "./execution-view.ts";

/** Which executions to list. */
export interface ListOptions {
  readonly flow?: string;
  /** Only executions of this status, or of one of these. */
  readonly status?: ListedStatus | readonly ListedStatus[];
  /** Only direct replays of this execution. */
  readonly replayOf?: string;
  /** Most executions of a page, from 1 to 1000. @default 20 */
  readonly limit?: number;
  /** Continue after the execution that has this cursor; from {@link ExecutionSummary.cursor}. */
  readonly cursor?: string;
}

const statuses = [
  "queued",
  "running",
  "waiting",
  "completed",
  "failed",
  "cancelled",
  "damaged",
] as const satisfies readonly ListedStatus[];
const defaultLimit = 20;
const largestLimit = 1000;

/**
 * List executions of one flow or of all, newest first. One that cannot be read hides no other: it is listed as damaged.
 * Throws a usage error for options that do not fit.
 */
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
  for await (const one of newestFirst(context, flows, { before: cursor, since, atOnce: limit })) {
    if (replayOf !== undefined && one.head?.facts.replayOf?.id !== replayOf) continue;
    const item = await summarize(context, one);
    if (item === undefined || (wanted !== undefined && !wanted.has(item.status))) continue;
    items.push(item);
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
  if (record === undefined) throw noExecution(replayOf);
  const { facts } = readHead(record);
  if (flow !== undefined && flow !== facts.flow) return { flows: [] };
  return { flows: [facts.flow], since: timeKey(facts.createdAt - clockSkewMs) };
}

function checkStatuses(status: ListOptions["status"]): ReadonlySet<ListedStatus> | undefined {
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
): AsyncGenerator<Listed> {
  const next = async (source: AsyncIterator<Listed>): Promise<Candidate[]> => {
    const result = await source.next();
    return result.done === true ? [] : [{ listed: result.value, source }];
  };
  const sources = flows.map((flow) => listedOf(context, flow, range));
  let candidates = (await Promise.all(sources.map(next))).flat();
  for (;;) {
    const newest = newestOf(candidates);
    if (newest === undefined) return;
    yield newest.listed;
    const following = await next(newest.source);
    candidates = candidates.flatMap((one) => (one === newest ? following : [one]));
  }
}

interface Candidate {
  readonly listed: Listed;
  readonly source: AsyncIterator<Listed>;
}

function newestOf(candidates: readonly Candidate[]): Candidate | undefined {
  let newest = candidates[0];
  for (const one of candidates)
    if (newest !== undefined && one.listed.cursor > newest.listed.cursor) newest = one;
  return newest;
}

/** An execution in a list: its head, or why that cannot be read. */
type Listed =
  | { readonly cursor: string; readonly head: Head }
  | (Damaged & { readonly cursor: string; readonly head?: never });

interface Damaged {
  readonly id: string;
  readonly flow: string;
  readonly error: KitaruError;
  readonly createdAt: number;
}

/** What there is of a flow, newest first. */
async function* listedOf(
  context: EngineContext,
  flow: string,
  range: HeadRange,
): AsyncGenerator<Listed> {
  let before = range.before === undefined ? latest : timeOf(range.before);
  for await (const record of recordsOf(context, flow, range)) {
    const head = headOrError(record);
    if (!isKitaruError(head)) {
      before = head.facts.createdAt;
      yield { head, cursor: sortOf(head.facts) };
      continue;
    }
    const { partition } = record;
    before = await placeOf(context, flow, { partition, before });
    const facts = { id: partition.slice("exec/".length), createdAt: before };
    yield { ...facts, flow, error: head, cursor: sortOf(facts) };
  }
}

/** Beyond all times a key can hold. */
const latest = 10 ** 15 - 1;

function timeOf(sort: string): number {
  return Number(sort.slice(0, sort.indexOf("/")));
}

/**
 * When an execution was created whose head cannot be read: the index still has it in its place, and nothing lies between
 * that and the one before it in the list.
 */
async function placeOf(
  context: EngineContext,
  flow: string,
  { partition, before }: { readonly partition: string; readonly before: number },
): Promise<number> {
  let low = 0;
  for (let high = before + 1; high - low > 1;) {
    const middle = Math.floor((low + high) / 2);
    const range = { since: timeKey(middle), before: timeKey(high), atOnce: 1 };
    if (await isAmong(recordsOf(context, flow, range), partition)) low = middle;
    else high = middle;
  }
  return low;
}

async function isAmong(found: AsyncIterable<StoredRecord>, partition: string): Promise<boolean> {
  for await (const record of found) if (record.partition === partition) return true;
  return false;
}

function headOrError(record: StoredRecord): Head | KitaruError {
  try {
    return readHead(record);
  } catch (error) {
    if (hasCode(error, "corrupt")) return error;
    throw error;
  }
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
  range: HeadRange,
): AsyncGenerator<Head> {
  for await (const record of recordsOf(context, flow, range)) yield readHead(record);
}

function recordsOf(
  context: EngineContext,
  flow: string,
  { before, since, atOnce }: HeadRange,
): AsyncGenerator<StoredRecord> {
  const { records } = context.backend;
  const params: ListParams = {
    partition: `flow/${flow}`,
    reverse: true,
    limit: atOnce,
    ...(since === undefined ? {} : { from: since }),
    ...(before === undefined ? {} : { to: before }),
  };
  return pagesOf((cursor) => records.listIndex("flow", { ...params, ...cursor }));
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
export function sortOf({ createdAt, id }: Pick<HeadFacts, "createdAt" | "id">): string {
  return `${timeKey(createdAt)}/${id}`;
}

/** Undefined when the index lags behind and the execution is gone. */
async function summarize(
  context: EngineContext,
  listed: Listed,
): Promise<ExecutionSummary | undefined> {
  if (listed.head === undefined) return damagedSummary(listed);
  const { facts, view } = listed.head;
  // an ended execution is due again only when somebody wants it retried
  if (isEnd(view.status) && listed.head.dueAt === undefined)
    return summary(facts, { ...view, pendingWaits: [] });
  try {
    return await summarizeJournal(context, facts);
  } catch (error) {
    if (!hasCode(error, "corrupt")) throw error;
    return summary(facts, { status: "damaged", err: storeError(error), pendingWaits: [] });
  }
}

async function summarizeJournal(
  context: EngineContext,
  facts: HeadFacts,
): Promise<ExecutionSummary | undefined> {
  const execution = await load(context, facts.id);
  if (execution.head === undefined) return undefined;
  const { state } = execution.journal;
  const { started, ended } = state;
  return summary(facts, {
    status: await tellStatus(context, execution, facts.id),
    startedAt: started?.at,
    endedAt: ended?.at,
    err: ended?.err,
    pendingWaits: pendingWaitsOf(state, readInbox(execution.inbox)).map(({ wait }) => wait.id),
  });
}

function damagedSummary({
  id,
  flow,
  error,
  createdAt,
  cursor,
}: Damaged & { readonly cursor: string }): ExecutionSummary {
  return {
    id,
    flow,
    version: "unknown",
    stack: "unknown",
    status: "damaged",
    createdAt: new Date(createdAt),
    error: errorInfo(storeError(error)),
    pendingWaits: [],
    cursor,
  };
}

interface Progress {
  readonly status: ListedStatus;
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
