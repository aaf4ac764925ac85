import { KitaruStateError } from "../../core/errors.ts";
import type { BlobStore } from "../../core/ports/blobs.ts";

/** What a runtime runs, as the last deploy wrote it down. Everything else about it follows from its name. */
export interface RuntimeDocument {
  readonly format: 1;
  /** Hash of the app's package. */
  readonly package: string;
}

/** The blob that holds the document of a runtime. */
export const documentKey = "runtime.json";

/** Read the document; undefined for a runtime nothing has been deployed to yet. */
export async function readDocument(
  blobs: BlobStore,
  runtime: string,
): Promise<RuntimeDocument | undefined> {
  const bytes = await blobs.get(documentKey);
  if (bytes === undefined) return undefined;
  const document: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (
    typeof document === "object" &&
    document !== null &&
    "format" in document &&
    document.format === 1
  )
    return document as RuntimeDocument;
  throw new KitaruStateError(
    `The runtime "${runtime}" was deployed by a newer version of kitaru. Use that version here.`,
  );
}

/** Write the document. */
export async function writeDocument(blobs: BlobStore, document: RuntimeDocument): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(document));
  await blobs.put(documentKey, bytes, { contentType: "application/json" });
}
