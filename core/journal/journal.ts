import { KitaruBackendError, KitaruSerializationError } from "../errors.ts";
import { hashVersion } from "../hash.ts";
import type { Expectation, RecordStore, StoredRecord } from "../ports/records.ts";
import {
  type AdvanceEntry,
  type Entry,
  type StartedEntry,
  formatVersion,
  writeLines,
} from "./entry.ts";
import { OutcomeLine, scanLines } from "./outcome-line.ts";
import { JournalState } from "./state.ts";
import { utf8Length } from "./values.ts";

/** Partition that holds every document of an execution. */
export function executionPartition(executionId: string): string {
  return `exec/${executionId}`;
}

interface Tail {
  readonly sort: string;
  readonly body: string;
  readonly bytes: number;
  readonly version: Expectation;
}

/** What decides how a journal is written. */
export interface JournalParams {
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
    for (const segment of segments) {
      scanLines(segment, (line) => {
        if (line instanceof OutcomeLine) this.state.addLine(line);
        else this.#fold(line);
      });
      this.#characters += segment.body.length;
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
    const { partition } = this.#params;
    for (let from = 0; from < lines.length;) {
      const { sort, version } = this.#tail;
      const { to, bytes } = this.#fitting(lines, from);
      const text = to === from + 1 ? (lines[from] ?? "") : lines.slice(from, to).join("");
      const body = this.#tail.body + text;
      const result = await records.put({ partition, sort, body }, version);
      const written = result.ok ? result.version : await this.#ownWrite(records, sort, body);
      if (written === undefined) return "superseded";
      this.#characters += text.length;
      this.#tail = this.#advanceTail({ sort, body, bytes, version: written });
      for (; from < to; from++) this.#fold(entries[from] as Entry);
    }
    return "appended";
  }

  /** A conflict may be the echo of our own write whose reply was lost: the body then holds our nonce. */
  async #ownWrite(records: RecordStore, sort: string, body: string): Promise<string | undefined> {
    const found = await records.get({ partition: this.#params.partition, sort });
    return found?.body === body ? found.version : undefined;
  }

  /** Index after the last line that still fits the store's record limit together with the tail, and the bytes of it all. */
  #fitting(
    lines: readonly string[],
    from: number,
  ): { readonly to: number; readonly bytes: number } {
    const limit = this.#params.recordBytes;
    let bytes = this.#tail.bytes;
    for (let to = from; to < lines.length; to++) {
      const added = utf8Length(lines[to] ?? "");
      if (bytes + added <= limit) bytes += added;
      else if (to > from) return { to, bytes };
      else throw entryTooLarge(added, limit - this.#segmentBytes);
    }
    return { to: lines.length, bytes };
  }

  #fold(entry: Entry): void {
    if (entry.t === "started") {
      checkFormat(entry);
      this.#segmentBytes = entry.segmentBytes;
    }
    if (entry.t === "advance") checkPlace(entry, this.state.position);
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

/** How the sort keys of segments begin. */
export const segmentPrefix = "j/";

/** Sort key of a segment by its place. */
export function segmentSort(index: number): string {
  return `${segmentPrefix}${String(index).padStart(6, "0")}`;
}

/** Place of a segment by its sort key. */
export function segmentNumber(sort: string): number {
  return Number(sort.slice(segmentPrefix.length));
}

/** What is there is not all that was written. */
export function brokenJournal(why: string): KitaruBackendError {
  return new KitaruBackendError(
    `The journal is incomplete: ${why}. Restore its records from a backup; nothing was changed.`,
    { code: "corrupt" },
  );
}

function checkPlace({ epoch, pos }: AdvanceEntry, position: number): void {
  if (pos === undefined || pos === position) return;
  throw brokenJournal(
    `advance ${epoch} came after ${pos} entries, and ${position} of them are there`,
  );
}

function checkFormat({ format, hash }: StartedEntry): void {
  if (format > formatVersion) throw newer(`journal format ${format}`, formatVersion);
  if (hash > hashVersion) throw newer(`hash format ${hash}`, hashVersion);
}

function newer(found: string, supported: number): KitaruBackendError {
  return new KitaruBackendError(
    `It was written by a newer version of kitaru (${found}, this version reads up to ${supported}). Update the kitaru package; nothing was changed.`,
    { code: "corrupt" },
  );
}

function entryTooLarge(bytes: number, limit: number): KitaruSerializationError {
  return new KitaruSerializationError(
    `One journal entry takes ${bytes} bytes; this stack's limit is ${limit} bytes. Pass fewer or smaller arguments, or lower inlineBytes of this stack.`,
  );
}
