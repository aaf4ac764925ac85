import { type EngineContext, makeNonce } from "../engine/context.ts";
import { KitaruStateError } from "../errors.ts";
import { readDocument } from "../journal/inbox.ts";
import type { RecordKey } from "../ports/records.ts";

/** Everything known of the deployments of one flow: one document, so that a tag moves in one write. */
export interface FlowDocument {
  /** Number of the next version; never goes down, and no number is given twice. */
  readonly next: number;
  readonly versions: Readonly<Record<string, VersionRecord>>;
  /** Version each tag names. */
  readonly tags: Readonly<Record<string, number>>;
  /** Marks of the latest writes, by which a writer whose reply was lost knows its own. */
  readonly writes: readonly string[];
}

/** One version of a flow. Times are epoch milliseconds. */
export type VersionRecord =
  /** Its number is taken; what it is made of is not all there yet, or never will be. */
  | { readonly state: "reserved"; readonly at: number }
  | {
      readonly state: "ready";
      readonly at: number;
      /** Hash of the bundle. */
      readonly bundle: string;
      /** Hash of the manifest. */
      readonly manifest: string;
    }
  /** Kept so that whoever asks for it is told. Its bundle stays: executions may need it. */
  | { readonly state: "deleted"; readonly at: number };

/** A version that starts executions. */
export type ReadyVersion = Extract<VersionRecord, { state: "ready" }>;

const emptyDocument: FlowDocument = { next: 1, versions: {}, tags: {}, writes: [] };
/** A writer that lost its reply looks again at once: more writes than these do not come between. */
const keptWrites = 16;

/** Read the deployments of a flow; of one that was never deployed, an empty document. */
export async function readFlow(context: EngineContext, flow: string): Promise<FlowDocument> {
  const record = await context.backend.records.get(flowKey(flow));
  return record === undefined ? emptyDocument : readDocument<FlowDocument>(record, "next");
}

/**
 * Change the deployments of a flow: on a conflict they are read again and `change` is applied to what is there then.
 * Resolves to the document that holds the change. What `change` throws is thrown, and nothing is written.
 */
export async function changeFlow(
  context: EngineContext,
  flow: string,
  change: (document: FlowDocument) => FlowDocument,
): Promise<FlowDocument> {
  const { records, capabilities } = context.backend;
  const mark = makeNonce(context);
  for (;;) {
    const record = await records.get(flowKey(flow));
    const found = record === undefined ? emptyDocument : readDocument<FlowDocument>(record, "next");
    if (found.writes.includes(mark)) return found;
    const next = {
      ...change(found),
      writes: [...found.writes.slice(1 - keptWrites), mark],
    };
    const body = JSON.stringify(next);
    if (Buffer.byteLength(body) > capabilities.recordBytes) throw tooMany(flow, next);
    const result = await records.put({ ...flowKey(flow), body }, record?.version ?? "absent");
    if (result.ok) return next;
  }
}

function tooMany(flow: string, { versions }: FlowDocument): KitaruStateError {
  return new KitaruStateError(
    `Flow "${flow}" has ${Object.keys(versions).length} versions, more than its document can hold on this stack. Delete old ones: kitaru flow delete ${flow} --version N.`,
  );
}

function flowKey(flow: string): RecordKey {
  return { partition: `flow/${flow}`, sort: "deployments" };
}
