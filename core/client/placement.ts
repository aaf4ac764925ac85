import { load } from "../engine/session.ts";
import { startParams } from "../engine/restart.ts";
import { noteFlow } from "../engine/start.ts";
import { statusOf } from "../engine/status.ts";
import type { Runtime } from "../engine/runtime.ts";
import { KitaruStateError, KitaruUsageError } from "../errors.ts";
import { type Entry, readLines, writeLines } from "../journal/entry.ts";
import { type Head, headDraft, headKey, isEnd, readHead, updateHead } from "../journal/head.ts";
import { inboxDraft, inboxKey, versionOf } from "../journal/inbox.ts";
import { executionPartition, segmentSort } from "../journal/journal.ts";
import { findHole } from "../journal/load.ts";
import { utf8Length } from "../journal/values.ts";
import type { Expectation, RecordDraft, StoredRecord } from "../ports/records.ts";
import { type ExportedExecution, linesOf } from "./export-documents.ts";
import type { FileHeader } from "./export-file.ts";

/** Where an execution on its way into a stack comes from. */
export interface Origin {
  readonly header: FileHeader;
  /** Whether its original may go on. */
  readonly isCopy: boolean;
}

/** What a stack has of an execution that was moved away from it. */
interface Remains {
  readonly head: StoredRecord;
  readonly segments: readonly StoredRecord[];
}

/**
 * One execution on its way into a stack. What makes it count is written last: of one that is new its head; of one that was
 * moved away from here and comes back, the next piece of its journal. Interrupted, it is repeated with the same file.
 */
export class Placement {
  readonly #runtime: Runtime;
  readonly #one: ExportedExecution;
  readonly #origin: Origin;
  readonly #remains: Remains | undefined;
  readonly #segments: readonly RecordDraft[];
  readonly #position: number;
  #placed: Head | undefined;

  private constructor(
    runtime: Runtime,
    one: ExportedExecution,
    origin: Origin,
    lines: readonly string[],
    remains: Remains | undefined,
  ) {
    this.#runtime = runtime;
    this.#one = one;
    this.#origin = origin;
    this.#remains = remains;
    this.#segments = pack(runtime, one, lines, remains?.segments ?? []);
    this.#position = lines.length;
  }

  /**
   * Look whether an execution can be taken in; undefined when all of it is here already.
   * Throws a state error (`conflict`) for another one of its id, a usage error when this stack cannot hold it.
   */
  static async plan(
    runtime: Runtime,
    one: ExportedExecution,
    origin: Origin,
  ): Promise<Placement | undefined> {
    const { id, parent } = one.facts;
    const lines = [...one.lines, ...arrivalLines(one, origin)];
    const head = await runtime.backend.records.get(headKey(id));
    if (head === undefined) return new Placement(runtime, one, origin, lines, undefined);
    const segments = await segmentsOf(runtime, id);
    const here = linesOf(segments.map(({ body }) => body).join(""));
    if (lines.every((line, index) => line === here[index])) {
      // an import that was interrupted before it said so in the head
      const isOpen = !isEnd(one.view.status) && here.length === lines.length;
      if (isOpen && isEnd(readHead(head).view.status))
        return new Placement(runtime, one, origin, lines, { head, segments });
      if (parent !== undefined) return undefined;
    }
    await checkReturn(runtime, one, here);
    return new Placement(runtime, one, origin, lines, { head, segments });
  }

  /** Store it, pinned to a version of this stack. */
  async write(version: string): Promise<void> {
    const head = this.#headFor(version);
    this.#placed = head;
    await noteFlow(this.#runtime.context, head.facts.flow);
    if (this.#remains === undefined) await this.#writeNew(head);
    else await this.#writeReturned(head, this.#remains);
  }

  async #writeNew(head: Head): Promise<void> {
    const { records, capabilities } = this.#runtime.backend;
    for (const segment of this.#segments) await this.#put(segment, "absent");
    await this.#putInbox();
    const result = await records.put(headDraft(head, capabilities.dueShards), "absent");
    if (!result.ok) throw this.#changed();
  }

  async #writeReturned(head: Head, { head: there, segments }: Remains): Promise<void> {
    const { records, capabilities } = this.#runtime.backend;
    const { dueShards } = capabilities;
    const [first, ...others] = this.#segments;
    for (const segment of others) await this.#put(segment, "absent");
    // where nothing is left to append it is there too, and may hold more by now
    if (first !== undefined) await this.#putInbox();
    // findable before it goes on: until then its journal says that it has ended
    const { dueAt } = head;
    const due = dueAt === undefined ? {} : { dueAt };
    const found = await updateHead(records, there, dueShards, (known) => ({ ...known, ...due }));
    const last = segments.at(-1);
    if (first !== undefined)
      await this.#put(first, first.sort === last?.sort ? last.version : "absent");
    await updateHead(records, found, dueShards, (known) =>
      known.view.pos > head.view.pos ? undefined : head,
    );
  }

  /** Set it going. */
  async start(): Promise<void> {
    const head = this.#placed;
    if (head === undefined || isEnd(head.view.status)) return;
    await this.#runtime.backend.orchestrator.start(startParams(head.facts));
  }

  #headFor(version: string): Head {
    const { context, backend, stack } = this.#runtime;
    const { facts, view } = this.#one;
    const { header, isCopy } = this.#origin;
    const now = context.clock.now();
    const known = this.#remains === undefined ? 0 : readHead(this.#remains.head).facts.generation;
    return {
      facts: {
        ...facts,
        ...(facts.bundle === undefined ? {} : { version }),
        stack,
        generation: Math.max(facts.generation, known) + 1, // no orchestration of it has had that name
        imported: { from: header.stack, at: now, ...(isCopy ? { copy: true } : {}) },
      },
      view: {
        ...view,
        epoch: view.epoch + (isCopy && !isEnd(view.status) ? 1 : 0),
        pos: this.#position,
      },
      ...(isEnd(view.status) ? {} : { dueAt: now + backend.capabilities.graceMs }),
    };
  }

  async #putInbox(): Promise<void> {
    const { context, backend } = this.#runtime;
    const { facts, items } = this.#one;
    const found = await backend.records.get(inboxKey(facts.id));
    const due = items.length === 0 ? {} : { dueAt: context.clock.now() };
    const draft = inboxDraft(facts.id, { items, ...due }, backend.capabilities.dueShards);
    const result = await backend.records.put(draft, versionOf(found));
    if (!result.ok) throw this.#changed();
  }

  /** What an import that was interrupted has left is replaced, as long as no other has made it count. */
  async #put(draft: RecordDraft, expect: Expectation): Promise<void> {
    const { records } = this.#runtime.backend;
    if ((await records.put(draft, expect)).ok) return;
    const found = await records.get(draft);
    if (found?.body === draft.body) return;
    const isLeft = found !== undefined && expect === "absent" && (await this.#isAsPlanned());
    if (isLeft && (await records.put(draft, found.version)).ok) return;
    throw this.#changed();
  }

  /** Whether what makes it count has not been written. */
  async #isAsPlanned(): Promise<boolean> {
    const { id } = this.#one.facts;
    if (this.#remains === undefined)
      return (await this.#runtime.backend.records.get(headKey(id))) === undefined;
    const segments = await segmentsOf(this.#runtime, id);
    const planned = this.#remains.segments;
    return (
      segments.length === planned.length && segments.at(-1)?.version === planned.at(-1)?.version
    );
  }

  #changed(): KitaruStateError {
    return new KitaruStateError(
      `Execution ${this.#one.facts.id} was changed on stack "${this.#runtime.stack}" while it was imported. Look at it, and import the file again if it is not there.`,
      { code: "conflict" },
    );
  }
}

/** Those that make a journal. Behind a gap is what an import that was interrupted has left. */
async function segmentsOf({ backend }: Runtime, id: string): Promise<StoredRecord[]> {
  const items: StoredRecord[] = [];
  const range = { partition: executionPartition(id), from: "j/", to: "j0" };
  for (let cursor: { cursor?: string } | undefined = {}; cursor !== undefined;) {
    const page = await backend.records.list({ ...range, ...cursor });
    items.push(...page.items);
    cursor = page.cursor === undefined ? undefined : { cursor: page.cursor };
  }
  return items.slice(0, findHole(items)?.at);
}

/** Only what was moved away comes back, and only as what it has become since. */
async function checkReturn(
  { context, stack }: Runtime,
  { facts: { id }, lines }: ExportedExecution,
  here: readonly string[],
): Promise<void> {
  if (!isMoved(here)) {
    const status = statusOf(await load(context, id), id, context.clock.now());
    throw new KitaruStateError(
      `Execution ${id} is on stack "${stack}" already (${status}). Nothing was imported.`,
      { code: "conflict" },
    );
  }
  if (here.every((line, index) => line === lines[index])) return;
  throw new KitaruStateError(
    `Execution ${id} was moved away from stack "${stack}", and the file is not what has become of it: it was exported before that, or is another one. Import the file of that move, or a later export.`,
    { code: "conflict" },
  );
}

function isMoved(lines: readonly string[]): boolean {
  const last = lastEntry(lines);
  return last?.t === "ended" && last.moved === true;
}

function lastEntry(lines: readonly string[]): Entry | undefined {
  return readLines(lines.at(-1) ?? "", "the journal")[0];
}

/** What its journal says first here; the same for every import of one file. */
function arrivalLines(one: ExportedExecution, { header, isCopy }: Origin): string[] {
  const at = Date.parse(header.at);
  const nonce = `arrival.${one.lines.length}`;
  if (isMoved(one.lines))
    return writeLines([{ t: "retried", voids: [], from: header.stack, at }], nonce);
  if (!isCopy || isEnd(one.view.status)) return [];
  // whoever drives the original does not drive the copy
  const claim = { epoch: one.view.epoch + 1, owner: "import", until: 0, pos: one.lines.length };
  return writeLines([{ t: "advance", ...claim, at }], nonce);
}

/** Segments to write for lines of which some are there; every one but the last is full. */
function pack(
  runtime: Runtime,
  { facts }: ExportedExecution,
  lines: readonly string[],
  there: readonly StoredRecord[],
): RecordDraft[] {
  const partition = executionPartition(facts.id);
  const segmentBytes = segmentBytesOf(lines);
  const { recordBytes } = runtime.backend.capabilities;
  const drafts: RecordDraft[] = [];
  let body = there.at(-1)?.body ?? "";
  let bytes = utf8Length(body);
  let at = Math.max(0, there.length - 1);
  const close = (): void => {
    if (body !== there[at]?.body) drafts.push({ partition, sort: segmentSort(at), body });
    [body, bytes, at] = ["", 0, at + 1];
  };
  const done = linesOf(there.map((segment) => segment.body).join("")).length;
  for (const line of lines.slice(done)) {
    if (bytes >= segmentBytes) close();
    body += line;
    bytes += utf8Length(line);
    if (bytes > recordBytes) throw tooLarge(runtime.stack, facts.id, bytes, recordBytes);
  }
  close();
  return drafts;
}

function segmentBytesOf([first = ""]: readonly string[]): number {
  const [started] = readLines(first, "the journal");
  return started?.t === "started" ? started.segmentBytes : Infinity;
}

function tooLarge(stack: string, id: string, bytes: number, most: number): KitaruUsageError {
  return new KitaruUsageError(
    `Execution ${id} cannot be imported to stack "${stack}": a piece of its journal takes ${bytes} bytes, and a record there ${most} at most. Let it end where it is.`,
  );
}
