import { type Head, headDraft, isEnd, readHead } from "../journal/head.ts";
import { type Inbox, inboxDraft, inboxKey, readInbox } from "../journal/inbox.ts";
import { executionPartition } from "../journal/journal.ts";
import type { Capabilities } from "../ports/backend.ts";
import type { StoredRecord } from "../ports/records.ts";
import type { EngineContext } from "./context.ts";

/** Records written at once. */
const atOnce = 10;

/** When the records of an execution may be deleted, in epoch milliseconds; undefined while it has not ended, and for ever. */
export function expiryOf(
  { retentionMs }: Capabilities,
  { status, endedAt }: Head["view"],
): number | undefined {
  if (retentionMs === undefined || endedAt === undefined || !isEnd(status)) return undefined;
  return Math.ceil((endedAt + retentionMs) / 1000) * 1000; // all of them vanish in the same second
}

/**
 * Have everything an execution has recorded but its head and its inbox deleted at a time, or kept. Resolves to whether
 * anything had to be written.
 */
export async function expireJournal(
  context: EngineContext,
  executionId: string,
  at: number | undefined,
): Promise<boolean> {
  let isChanged = false;
  for await (const page of pagesOf(context, executionId)) {
    const other = page.filter(
      ({ sort, expiresAt }) => sort !== "head" && sort !== "inbox" && expiresAt !== at,
    );
    isChanged ||= other.length > 0;
    for (let first = 0; first < other.length; first += atOnce)
      await Promise.all(
        other.slice(first, first + atOnce).map((record) => expireRecord(context, record, at)),
      );
  }
  return isChanged;
}

/** Keep an execution for good whose records were to be deleted: somebody builds on it. */
export async function keepExecution(context: EngineContext, executionId: string): Promise<void> {
  const { records, capabilities } = context.backend;
  const partition = executionPartition(executionId);
  while (await expireJournal(context, executionId, undefined));
  const inbox = await records.get(inboxKey(executionId));
  if (inbox !== undefined) {
    const { expiresAt: _past, ...kept }: Inbox = readInbox(inbox);
    await records.put(inboxDraft(executionId, kept, capabilities.dueShards), inbox.version);
  }
  const head = await records.get({ partition, sort: "head" });
  if (head === undefined) return;
  const { expiresAt: _gone, ...kept }: Head = readHead(head);
  await records.put(headDraft(kept, capabilities.dueShards), head.version);
}

async function* pagesOf(
  { backend }: EngineContext,
  executionId: string,
): AsyncGenerator<readonly StoredRecord[]> {
  const partition = executionPartition(executionId);
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await backend.records.list({
      partition,
      ...(cursor === undefined ? {} : { cursor }),
    });
    yield page.items;
    cursor = page.cursor;
  }
}

/** Whoever has written it meanwhile goes on with the execution. */
async function expireRecord(
  { backend }: EngineContext,
  { partition, sort, body, version }: StoredRecord,
  at: number | undefined,
): Promise<void> {
  const draft = { partition, sort, body, ...(at === undefined ? {} : { expiresAt: at }) };
  await backend.records.put(draft, version);
}
