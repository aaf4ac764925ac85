import {
  bundleContent,
  manifestContent,
  readContent,
  sourceMapKey,
} from "../deployments/content.ts";
import { readFlow } from "../deployments/flow-document.ts";
import { contentTypeOf } from "../codec.ts";
import type { EngineContext } from "../engine/context.ts";
import type { Runtime } from "../engine/runtime.ts";
import { load } from "../engine/session.ts";
import { presentHead } from "../engine/status.ts";
import { KitaruBackendError, KitaruStateError } from "../errors.ts";
import { sha256Hex } from "../hash.ts";
import type { Entry } from "../journal/entry.ts";
import { type ExecutionStatus, type HeadFacts, type HeadView, isEnd } from "../journal/head.ts";
import { inboxKey, readInbox } from "../journal/inbox.ts";
import { executionPartition } from "../journal/journal.ts";
import { readLines } from "../journal/entry.ts";
import { type BlobRef, blobKey } from "../journal/values.ts";
import { packageVersion } from "../package-version.ts";
import { type ExportedExecution, blobsOf, linesOf, toBytes } from "./export-documents.ts";
import { FileWriter } from "./export-file.ts";
import { checkAtRest, retire } from "./retiring.ts";

/** How an execution is exported. */
export interface ExportOptions {
  /** Path of the file to write; what is there is replaced. */
  readonly file: string;
  /**
   * Retire the original, so that it goes on where the file is imported and nowhere else. Without it the file of an
   * execution that has not ended is a copy.
   */
  readonly move?: boolean;
}

/** What was exported. */
export interface ExportedFacts {
  readonly id: string;
  readonly flow: string;
  /** As it was when it was exported. */
  readonly status: ExecutionStatus;
  readonly stack: string;
  readonly file: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Itself and its child executions. */
  readonly executions: number;
  readonly blobs: number;
  /** Whether the original is retired. */
  readonly moved: boolean;
}

/**
 * Write an execution, its child executions and all they consist of into one file. Throws a state error for one that runs, a
 * child, or a replay that has not ended; a backend error (`corrupt`) when something of it is missing or damaged.
 */
export async function exportExecution(
  runtime: Runtime,
  id: string,
  { file, move = false }: ExportOptions,
): Promise<ExportedFacts> {
  const { context, stack } = runtime;
  const checked = await checkFamily(context, id);
  const isMoved = checked.isMoved || (move && checked.isOpen);
  const before = await readFamily(context, checked.ids);
  const { facts, view } = before[0].exported;
  const { flow } = facts;
  const at = new Date(context.clock.now()).toISOString();
  const by = await packageVersion();
  const header = { id, flow, status: view.status, stack, at, moved: isMoved, by };
  const writer = await FileWriter.create(file, header);
  const blobs = new BlobWriter(context, writer);
  try {
    // What is large and may be missing comes first: an original is retired once nothing but its documents is left to write.
    await writeCode(context, facts, isEnd(view.status), writer);
    await blobs.writeAll(before);
    if (isMoved) for (const one of checked.ids) await retire(context, one);
    const family = isMoved ? await readFamily(context, checked.ids) : before;
    await blobs.writeAll(family);
    for (const { exported } of family)
      await writer.part({ part: "execution", name: exported.facts.id }, toBytes(exported));
    const bytes = await writer.finish();
    const { status } = family[0].exported.view;
    return {
      id,
      flow,
      status,
      stack,
      file,
      bytes,
      executions: family.length,
      blobs: blobs.count,
      moved: isMoved && !isEnd(status), // it may have ended before it was retired
    };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** An execution, and its child executions below it. */
type Several<T> = [root: T, ...children: T[]];

async function readFamily(
  context: EngineContext,
  [root, ...children]: Readonly<Several<string>>,
): Promise<Several<Read>> {
  const [first, others] = await Promise.all([
    readExported(context, root),
    Promise.all(children.map((id) => readExported(context, id))),
  ]);
  return [first, ...others];
}

interface Family {
  readonly ids: Readonly<Several<string>>;
  /** Whether it was retired by an export before. */
  readonly isMoved: boolean;
  /** Whether it has not ended. */
  readonly isOpen: boolean;
}

/** Nothing is retired before all of it is known to rest. */
async function checkFamily(context: EngineContext, id: string): Promise<Family> {
  const ids: Several<string> = [id];
  let isMoved = false;
  let isOpen = false;
  for (const one of ids) {
    const execution = await load(context, one);
    const { facts } = presentHead(execution, one);
    const { state } = execution.journal;
    if (one === id) {
      isMoved = state.ended?.moved === true;
      isOpen = state.ended === undefined;
      checkAlone(facts, isOpen || isMoved);
    }
    checkAtRest(execution, one, context.clock.now());
    for (const open of state.opens.values()) {
      const child = open.t === "scheduled" ? open.child : undefined;
      if (child !== undefined && (await isThere(context, child))) ids.push(child);
    }
  }
  return { ids, isMoved, isOpen };
}

/** A child that its parent has scheduled may never have come to be: its input did not fit. */
async function isThere(context: EngineContext, id: string): Promise<boolean> {
  return (await load(context, id)).head !== undefined;
}

function checkAlone({ id, parent, replayOf }: HeadFacts, isOpen: boolean): void {
  if (parent !== undefined)
    throw new KitaruStateError(
      `Execution ${id} is a child of ${parent.id}, which awaits its end. Export ${parent.id}; that takes its children along.`,
    );
  if (replayOf !== undefined && isOpen)
    throw new KitaruStateError(
      `Execution ${id} is a replay that has not ended: it takes over what ${replayOf.id} has recorded on this stack. Export it once it has ended.`,
    );
}

interface Read {
  readonly exported: ExportedExecution;
  readonly entries: readonly Entry[];
}

async function readExported(context: EngineContext, id: string): Promise<Read> {
  // the inbox first: what it held then is in the journal that is read after, or still in the inbox
  const inbox = readInbox(await context.backend.records.get(inboxKey(id)));
  const loaded = await load(context, id);
  const { facts, view } = presentHead(loaded, id);
  const { state } = loaded.journal;
  const text = await journalText(context, id);
  const all = linesOf(text).slice(0, state.position); // what came since belongs to a later moment
  const position = { pos: state.position, epoch: state.epoch };
  const open: HeadView = { ...position, status: "waiting", ...started(view) };
  return {
    exported: {
      facts,
      view:
        state.ended === undefined || state.ended.moved === true ? open : { ...view, ...position },
      items: inbox.items.filter((item) => !state.items.has(item.i)),
      lines: all,
    },
    entries: readLines(all.join(""), `the journal of ${id}`),
  };
}

function started({ startedAt, waits, saved, loaded }: HeadView): Partial<HeadView> {
  return {
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(waits === undefined ? {} : { waits }),
    ...(saved === undefined ? {} : { saved }),
    ...(loaded === undefined ? {} : { loaded }),
  };
}

async function journalText(context: EngineContext, id: string): Promise<string> {
  const parts: string[] = [];
  const range = { partition: executionPartition(id), from: "j/", to: "j0" };
  for (let cursor: { cursor?: string } | undefined = {}; cursor !== undefined;) {
    const page = await context.backend.records.list({ ...range, ...cursor });
    parts.push(...page.items.map(({ body }) => body));
    cursor = page.cursor === undefined ? undefined : { cursor: page.cursor };
  }
  return parts.join("");
}

/** The bundle it is pinned to, and what describes that. Of an ended one whose version was deleted there may be none. */
async function writeCode(
  context: EngineContext,
  { flow, version, bundle }: HeadFacts,
  isEnded: boolean,
  writer: FileWriter,
): Promise<void> {
  if (bundle === undefined) return;
  const { blobs } = context.backend;
  const { versions } = await readFlow(context, flow);
  const own = versions[version];
  const record = [own, ...Object.values(versions)].find(
    (one) => one?.state === "ready" && one.bundle === bundle,
  );
  if (record?.state !== "ready") {
    if (isEnded) return;
    throw new KitaruStateError(
      `Version ${version} of flow "${flow}", which execution needs to go on, is not there any more. Deploy it again.`,
    );
  }
  const described = manifestContent(record.manifest);
  const code = bundleContent(bundle);
  const map = await blobs.get(sourceMapKey(bundle));
  await writer.part(
    { part: "manifest", name: described.key, type: described.contentType },
    await readContent(blobs, described),
  );
  await writer.part(
    { part: "content", name: code.key, type: code.contentType },
    await readContent(blobs, code),
  );
  if (map !== undefined)
    await writer.part(
      { part: "content", name: sourceMapKey(bundle), type: "application/json" },
      map,
    );
}

/** Writes blobs one after the other: a large one is in memory alone. */
class BlobWriter {
  readonly #context: EngineContext;
  readonly #writer: FileWriter;
  readonly #written = new Set<string>();

  constructor(context: EngineContext, writer: FileWriter) {
    this.#context = context;
    this.#writer = writer;
  }

  get count(): number {
    return this.#written.size;
  }

  async writeAll(family: readonly Read[]): Promise<void> {
    for (const { exported, entries } of family)
      for (const ref of blobsOf(exported, entries))
        if (!this.#written.has(ref.b)) await this.#write(exported.facts.id, ref);
  }

  async #write(id: string, ref: BlobRef): Promise<void> {
    const key = blobKey(ref.b);
    const bytes = await this.#context.backend.blobs.get(key);
    if (bytes === undefined) throw unreadable(id, key, "is missing from the blob store");
    if (sha256Hex(bytes) !== ref.b) throw unreadable(id, key, "does not match its hash");
    await this.#writer.part({ part: "blob", name: key, type: contentTypeOf(ref.k) }, bytes);
    this.#written.add(ref.b);
  }
}

function unreadable(execution: string, key: string, why: string): KitaruBackendError {
  return new KitaruBackendError(
    `Execution ${execution} cannot be exported: the stored value ${key} ${why}. Restore that blob and export it again; nothing was changed.`,
    { code: "corrupt", details: { blob: key, execution } },
  );
}
