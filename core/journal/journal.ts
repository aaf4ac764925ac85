import { KitaruBackendError, KitaruSerializationError } from "../errors.ts";
import type { Expectation, RecordStore, StoredRecord } from "../ports/records.ts";
import { type Entry, formatVersion, readLines, writeLines } from "./entry.ts";
import { JournalState } from "./state.ts";
import { utf8Length } from "./values.ts";

/** Partition that holds every document of an execution. */
export function executionPartition(executionId: string): string {
  return `exec/${executionId}`;
}

/** All documents of one execution, as one paged listing saw them. */
export interface LoadedExecution {
  readonly head: StoredRecord | undefined;
  readonly inbox: StoredRecord | undefined;
  /** Outcome documents of isolated attempts, by sort key. */
  readonly tasks: ReadonlyMap<string, StoredRecord>;
  readonly journal: Journal;
}

interface Tail {
  readonly sort: string;
  readonly body: string;
  readonly bytes: number;
  readonly version: Expectation;
}

interface JournalParams {
  readonly partition: string;
  /** Segment size for an execution whose journal does not exist yet. */
  readonly segmentBytes: number;
  /** Largest record the store takes. */
  readonly recordBytes: number;
}

/** Outcome of an append. */
export type AppendResult = "appended" | "superseded";

/**
 * The ordered record of one execution, packed into segments.
 *
 * Only the last segment is mutable and appending is a compare-and-swap of it, so one write gives order,
 * fencing and packing. A full segment is never appended to, therefore creating the next one is a fence too.
 */
export class Journal {
  readonly state: JournalState = new JournalState();
  readonly #params: JournalParams;
  #segmentBytes: number;
  #tail: Tail;
  #characters = 0;

  constructor(params: JournalParams, segments: readonly StoredRecord[]) {
    this.#params = params;
    this.#segmentBytes = params.segmentBytes;
    for (const { body, sort } of segments) {
      for (const entry of readLines(body, sort)) this.#fold(entry);
      this.#characters += body.length;
    }
    this.#tail = this.#tailAfter(segments);
  }

  /** How much text it is. */
  get characters(): number {
    return this.#characters;
  }

  /** Append entries in order through `records`, which must be the store they were read from. `nonce` must be unique to this append. Applied-but-unreported writes are recognised. */
  async append(
    records: RecordStore,
    entries: readonly Entry[],
    nonce: string,
  ): Promise<AppendResult> {
    const lines = writeLines(entries, nonce);
    for (let from = 0; from < lines.length;) {
      const to = this.#fitting(lines, from);
      const text = to === from + 1 ? (lines[from] ?? "") : lines.slice(from, to).join("");
      if (!(await this.#write(records, text))) return "superseded";
      for (; from < to; from++) this.#fold(entries[from] as Entry);
    }
    return "appended";
  }

  async #write(records: RecordStore, text: string): Promise<boolean> {
    const { partition } = this.#params;
    const { sort, version, bytes } = this.#tail;
    const body = this.#tail.body + text;
    const result = await records.put({ partition, sort, body }, version);
    const written = result.ok ? result.version : await this.#ownWrite(records, sort, body);
    if (written === undefined) return false;
    this.#characters += text.length;
    this.#tail = this.#advanceTail({
      sort,
      body,
      bytes: bytes + utf8Length(text),
      version: written,
    });
    return true;
  }

  /** A conflict may be the echo of our own write whose reply was lost: the body then holds our nonce. */
  async #ownWrite(records: RecordStore, sort: string, body: string): Promise<string | undefined> {
    const found = await records.get({ partition: this.#params.partition, sort });
    return found?.body === body ? found.version : undefined;
  }

  /** Index after the last line that still fits the store's record limit together with the tail. */
  #fitting(lines: readonly string[], from: number): number {
    const limit = this.#params.recordBytes;
    let bytes = this.#tail.bytes;
    let to = from;
    for (; to < lines.length; to++) {
      bytes += utf8Length(lines[to] ?? "");
      if (bytes > limit) break;
    }
    if (to === from) throw entryTooLarge(utf8Length(lines[from] ?? ""), limit - this.#segmentBytes);
    return to;
  }

  #fold(entry: Entry): void {
    if (entry.t === "started") {
      checkFormat(entry.format);
      this.#segmentBytes = entry.segmentBytes;
    }
    this.state.add(entry);
  }

  #tailAfter(segments: readonly StoredRecord[]): Tail {
    const last = segments.at(-1);
    if (last === undefined) return { sort: segmentSort(0), body: "", bytes: 0, version: "absent" };
    const { sort, body, version } = last;
    return this.#advanceTail({ sort, body, bytes: utf8Length(body), version });
  }

  #advanceTail(tail: Tail): Tail {
    if (tail.bytes < this.#segmentBytes) return tail;
    return {
      sort: segmentSort(segmentNumber(tail.sort) + 1),
      body: "",
      bytes: 0,
      version: "absent",
    };
  }
}

const segmentPrefix = "j/";

function segmentSort(index: number): string {
  return `${segmentPrefix}${String(index).padStart(6, "0")}`;
}

function segmentNumber(sort: string): number {
  return Number(sort.slice(segmentPrefix.length));
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
 * Pages are not one snapshot. A segment that has a successor but is not full as read was read before it
 * filled up, so entries would be missing between the two: the listing is repeated.
 */
export async function loadExecution(params: LoadParams): Promise<LoadedExecution> {
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
    const hole = findHole(segments);
    if (hole === undefined)
      return { head, inbox, tasks, journal: new Journal({ ...params, partition }, segments) };
    if (tries === tornListings) throw brokenJournal(hole);
  }
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

/** Where the segments do not join up, if anywhere. */
function findHole(segments: readonly StoredRecord[]): string | undefined {
  const first = segments[0];
  if (first === undefined) return undefined;
  const misplaced = segments.findIndex((segment, index) => segmentNumber(segment.sort) !== index);
  if (misplaced !== -1) return `${segmentSort(misplaced)} is missing`;
  const segmentBytes = segmentBytesOf(first);
  const short = segments.slice(0, -1).find((segment) => utf8Length(segment.body) < segmentBytes);
  return short === undefined ? undefined : `${short.sort} ends too early`;
}

function segmentBytesOf(first: StoredRecord): number {
  const end = first.body.indexOf("\n");
  const started = readLines(first.body.slice(0, end === -1 ? undefined : end), first.sort)[0];
  if (started?.t !== "started")
    throw brokenJournal(`${first.sort} does not begin with \`started\``);
  return started.segmentBytes;
}

function brokenJournal(why: string): KitaruBackendError {
  return new KitaruBackendError(
    `The journal of this execution is incomplete: ${why}. Restore its records from a backup; nothing was changed.`,
    { code: "corrupt" },
  );
}

function checkFormat(format: number): void {
  if (format <= formatVersion) return;
  throw new KitaruBackendError(
    `This execution was written by a newer version of kitaru (journal format ${format}, this version reads up to ${formatVersion}). Update the kitaru package; nothing was changed.`,
    { code: "corrupt" },
  );
}

function entryTooLarge(bytes: number, limit: number): KitaruSerializationError {
  return new KitaruSerializationError(
    `One journal entry takes ${bytes} bytes; this stack's limit is ${limit} bytes. Pass fewer or smaller arguments, or lower inlineBytes of this stack.`,
  );
}
