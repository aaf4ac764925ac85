import type { RecordStore, StoredRecord } from "../ports/records.ts";
import { ofExecution } from "./damage.ts";
import { readLines } from "./entry.ts";
import { readHead } from "./head.ts";
import {
  Journal,
  type JournalParams,
  brokenJournal,
  executionPartition,
  segmentNumber,
  segmentPrefix,
  segmentSort,
} from "./journal.ts";
import { utf8Length } from "./values.ts";

/** All documents of one execution, as one paged listing saw them. */
export interface LoadedExecution {
  readonly head: StoredRecord | undefined;
  readonly inbox: StoredRecord | undefined;
  /** Outcome documents of isolated attempts, by sort key. */
  readonly tasks: ReadonlyMap<string, StoredRecord>;
  readonly journal: Journal;
}

interface LoadParams {
  readonly records: RecordStore;
  readonly executionId: string;
  readonly segmentBytes: number;
  readonly recordBytes: number;
}

/**
 * Read all documents of an execution.
 *
 * Pages are not one snapshot. A segment that has a successor but is not full as read was read before it filled up, so
 * entries would be missing between the two, and a head may have counted entries that came after: the listing is
 * repeated. Throws a backend error (`corrupt`) when something is missing for good.
 */
export async function loadExecution(params: LoadParams): Promise<LoadedExecution> {
  try {
    return await loadDocuments(params);
  } catch (error) {
    throw ofExecution(params.executionId, error);
  }
}

async function loadDocuments(params: LoadParams): Promise<LoadedExecution> {
  const partition = executionPartition(params.executionId);
  for (let tries = 1; ; tries++) {
    const documents = await listAll(params.records, partition);
    const segments: StoredRecord[] = [];
    const tasks = new Map<string, StoredRecord>();
    let head: StoredRecord | undefined;
    let inbox: StoredRecord | undefined;
    for (const document of documents) {
      if (document.sort === "head") head = document;
      else if (document.sort === "inbox") inbox = document;
      else if (document.sort.startsWith(segmentPrefix)) segments.push(document);
      else if (document.sort.startsWith("t/")) tasks.set(document.sort, document);
    }
    const { journal, hole } = join({ ...params, partition }, head, segments);
    if (journal !== undefined) return { head, inbox, tasks, journal };
    if (tries === tornListings) throw brokenJournal(hole);
  }
}

type Joined =
  | { readonly journal: Journal; readonly hole?: never }
  | { readonly journal?: never; readonly hole: string };

/** The journal that segments make, or what is missing between them. */
function join(
  params: JournalParams,
  head: StoredRecord | undefined,
  segments: readonly StoredRecord[],
): Joined {
  const hole = findHole(segments);
  const joined = segments.slice(0, hole?.at);
  if (hole !== undefined && !isAway(params, joined)) return { hole: hole.why };
  if (head === undefined && segments.length > 0) return { hole: "the head is missing" };
  const journal = new Journal(params, joined);
  const counted = head === undefined ? 0 : readHead(head).view.pos;
  const { position } = journal.state;
  if (position >= counted) return { journal };
  return { hole: `the head has counted ${counted} entries, and ${position} are there` };
}

/** An execution of which there is nothing but its head. */
export function freshExecution(
  params: Omit<LoadParams, "records">,
  head: StoredRecord,
): LoadedExecution {
  const partition = executionPartition(params.executionId);
  return {
    head,
    inbox: undefined,
    tasks: new Map(),
    journal: new Journal({ ...params, partition }, []),
  };
}

/** A listing torn by a writer is whole after one more; what still has a hole after so many is broken. */
const tornListings = 20;

async function listAll(records: RecordStore, partition: string): Promise<StoredRecord[]> {
  const first = await records.list({ partition });
  const items = [...first.items];
  for (let cursor = first.cursor; cursor !== undefined;) {
    const page = await records.list({ partition, cursor });
    items.push(...page.items);
    cursor = page.cursor;
  }
  return items;
}

/** Whether what is behind belongs to the return of an execution that was moved away: until that is whole, it is still away. */
function isAway(params: JournalParams, joined: readonly StoredRecord[]): boolean {
  return joined.length > 0 && new Journal(params, joined).state.ended?.moved === true;
}

interface Hole {
  /** Number of segments before it. */
  readonly at: number;
  readonly why: string;
}

/** Where the segments do not join up, if anywhere. Throws a backend error (`corrupt`) when they do not begin as a journal. */
export function findHole(segments: readonly StoredRecord[]): Hole | undefined {
  const first = segments[0];
  if (first === undefined) return undefined;
  const misplaced = segments.findIndex((segment, index) => segmentNumber(segment.sort) !== index);
  if (misplaced === 0) return { at: 0, why: `${segmentSort(0)} is missing` };
  const segmentBytes = segmentBytesOf(first);
  const short = segments.findIndex(
    ({ body }, index) => index < segments.length - 1 && utf8Length(body) < segmentBytes,
  );
  const at = short === -1 ? misplaced : short + 1;
  if (misplaced !== -1)
    return { at: Math.min(at, misplaced), why: `${segmentSort(misplaced)} is missing` };
  return short === -1 ? undefined : { at, why: `${segmentSort(short)} ends too early` };
}

function segmentBytesOf(first: StoredRecord): number {
  const end = first.body.indexOf("\n");
  const started = readLines(first.body.slice(0, end === -1 ? undefined : end), first.sort)[0];
  if (started?.t !== "started")
    throw brokenJournal(`${first.sort} does not begin with \`started\``);
  return started.segmentBytes;
}
