import type { BlobStore } from "../../core/ports/blobs.ts";
import type { AppPackage } from "./app-package.ts";
import type { AppPublisher } from "./clients/publisher.ts";
import { readDocument, writeDocument } from "./runtime-document.ts";
import { zipOf } from "./zip.ts";

/** What bringing an app up to date takes. */
export interface PublishParams {
  readonly runtime: string;
  readonly blobs: BlobStore;
  readonly publisher: () => Promise<AppPublisher>;
  readonly build: () => Promise<AppPackage>;
}

/**
 * Bring the function app up to date, if it runs another package than this version of kitaru makes. A new version of a flow
 * needs none: its bundle is a blob, which the app loads by its hash. What is written down before the app has taken the
 * package would be believed by the next deploy, so that comes after.
 */
export async function publishApp(params: PublishParams): Promise<"published" | "up to date"> {
  const { runtime, blobs, publisher, build } = params;
  const [document, { files, hash }] = await Promise.all([readDocument(blobs, runtime), build()]);
  if (document?.package === hash) return "up to date";
  await (await publisher()).publish(zipOf(files));
  await writeDocument(blobs, { format: 1, package: hash });
  return "published";
}
