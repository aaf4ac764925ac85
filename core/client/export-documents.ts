import { KitaruBackendError } from "../errors.ts";
import type { Entry } from "../journal/entry.ts";
import type { HeadFacts, HeadView } from "../journal/head.ts";
import type { InboxItem } from "../journal/inbox.ts";
import { type BlobRef, isBlobRef } from "../journal/values.ts";

/** What a file holds of one execution: this as a line of JSON, and its journal. */
export interface ExportedDocuments {
  readonly facts: HeadFacts;
  readonly view: HeadView;
  /** What it was told and had not taken in. */
  readonly items: readonly InboxItem[];
}

/** An execution as a file holds it. */
export interface ExportedExecution extends ExportedDocuments {
  /** Lines of its journal, each with its newline. */
  readonly lines: readonly string[];
}

export function toBytes({ facts, view, items, lines }: ExportedExecution): Uint8Array {
  return Buffer.from(`${JSON.stringify({ facts, view, items })}\n${lines.join("")}`);
}

/** Throws a backend error (`corrupt`) for what is no execution. */
export function fromBytes(file: string, content: Uint8Array): ExportedExecution {
  const [first = "", ...lines] = linesOf(Buffer.from(content).toString());
  const documents = jsonOf(first);
  if (isDocuments(documents)) return { ...documents, lines };
  throw new KitaruBackendError(
    `${file} is damaged: it holds an execution that is none. Export it again; nothing was imported.`,
    { code: "corrupt", details: { file } },
  );
}

/** Lines of a text, each with its newline. */
export function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** A text as JSON; undefined when it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isDocuments(value: unknown): value is ExportedDocuments {
  return (
    typeof value === "object" &&
    value !== null &&
    "facts" in value &&
    "view" in value &&
    "items" in value &&
    Array.isArray(value.items)
  );
}

/** Blobs that documents and entries refer to, each once. */
export function blobsOf(documents: ExportedDocuments, entries: readonly Entry[]): BlobRef[] {
  const found = new Map<string, BlobRef>();
  collect([documents, entries], found);
  return [...found.values()];
}

function collect(value: unknown, found: Map<string, BlobRef>): void {
  if (typeof value !== "object" || value === null) return;
  if (isRef(value)) found.set(value.b, value);
  else
    for (const [key, inner] of Object.entries(value))
      if (!ownValues.has(key)) collect(inner, found);
}

/** Where users' own values are, which may look like anything. */
const ownValues: ReadonlySet<string> = new Set(["v", "schema"]);

function isRef(value: object): value is BlobRef {
  const ref = value as BlobRef;
  return (
    isBlobRef(ref) &&
    /^[0-9a-f]{64}$/.test(ref.b) &&
    typeof ref.k === "string" &&
    typeof ref.n === "number"
  );
}
