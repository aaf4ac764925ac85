import { advance } from "../core/engine/advance.ts";
import { engineContext } from "../core/engine/context.ts";
import { type Registry, registry as programRegistry } from "../core/engine/definitions.ts";
import { load } from "../core/engine/session.ts";
import type { EndedEntry } from "../core/journal/entry.ts";
import { type Head, headDraft, headKey, readHead } from "../core/journal/head.ts";
import { executionPartition } from "../core/journal/journal.ts";
import type { Backend } from "../core/ports/backend.ts";
import type { RecordStore, StoredRecord } from "../core/ports/records.ts";
import { virtualClock } from "./clock.ts";
import { memoryRecords } from "./memory.ts";
import { memoryOrchestrator } from "./orchestrator.ts";

/** What came of running a finished journal once more. */
export interface Rerun {
  readonly ended: EndedEntry | undefined;
  /** Calls whose code ran, though every outcome was there. */
  readonly started: readonly string[];
}

/** Run the flow of a finished execution against a copy of its journal from which only the end is missing. */
export async function rerun(
  backend: Backend,
  executionId: string,
  registry: Registry = programRegistry,
): Promise<Rerun> {
  const own = executionPartition(executionId);
  const documents = await everyDocument(backend, executionId);
  const records = memoryRecords();
  for (const { partition, sort, body } of documents.filter(isSegment).map(withoutEnd))
    if (body !== "") await records.put({ partition, sort, body }, "absent");
  const head = documents.find(({ sort }) => sort === headKey(executionId).sort);
  if (head === undefined) throw new TypeError(`${executionId} has no head`);
  await records.put(headDraft(asQueued(readHead(head)), 1), "absent");
  const clock = virtualClock({ startAt: backend.clock?.now() ?? Date.now() });
  const orchestrator = memoryOrchestrator({ clock });
  const context = engineContext({
    registry,
    backend: {
      ...backend,
      records: besides(records, backend.records, own),
      clock,
      orchestrator,
    },
  });
  const started: string[] = [];
  context.observers.add({ started: ({ callId }) => started.push(callId) });
  const owner = (await load(context, executionId)).journal.state.lastAdvance?.owner ?? "rerun"; // need not wait
  await advance(context, { executionId, owner });
  return { ended: (await load(context, executionId)).journal.state.ended, started };
}

/** A copy of one partition; a replay reads its source where that is. */
function besides(copy: RecordStore, original: RecordStore, partition: string): RecordStore {
  const storeOf = (of: string): RecordStore => (of === partition ? copy : original);
  return {
    get: (key) => storeOf(key.partition).get(key),
    put: (draft, expectation) => copy.put(draft, expectation),
    delete: (key, expectation) => copy.delete(key, expectation),
    list: (params) => storeOf(params.partition).list(params),
    listIndex: (index, params) => copy.listIndex(index, params),
  };
}

async function everyDocument({ records }: Backend, executionId: string): Promise<StoredRecord[]> {
  const partition = executionPartition(executionId);
  const documents: StoredRecord[] = [];
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await records.list({ partition, ...(cursor === undefined ? {} : { cursor }) });
    documents.push(...page.items);
    cursor = page.cursor;
  }
  return documents;
}

function isSegment({ sort }: StoredRecord): boolean {
  return sort.startsWith("j/");
}

function withoutEnd(
  segment: StoredRecord,
  index: number,
  all: readonly StoredRecord[],
): StoredRecord {
  if (index < all.length - 1) return segment;
  const lines = segment.body.split("\n");
  const end = lines.findLastIndex((line) => line !== "");
  return {
    ...segment,
    body: lines
      .slice(0, end)
      .map((line) => `${line}\n`)
      .join(""),
  };
}

/** As if nobody had looked at the execution yet, and it were another's: its parent is not told again. */
function asQueued({ facts, view }: Head): Head {
  const { parent: _told, ...rest } = facts;
  return { facts: rest, view: { pos: 0, epoch: view.epoch, status: "queued" } };
}
