import { KitaruBackendError } from "../errors.ts";
import { sha256Hex } from "../hash.ts";
import type { BlobStore } from "../ports/blobs.ts";

/** Bytes in the bucket that are named by their hash. */
export interface Content {
  /** What it is, for messages: `bundle`, `manifest`. */
  readonly what: string;
  /** SHA-256 in hexadecimal. */
  readonly hash: string;
  readonly key: string;
  readonly contentType: string;
}

/** The code of a bundle. */
export function bundleContent(hash: string): Content {
  return { what: "bundle", hash, key: `bundles/${hash}.mjs`, contentType: "text/javascript" };
}

/** A manifest. */
export function manifestContent(hash: string): Content {
  return {
    what: "manifest",
    hash,
    key: `manifests/${hash}.json`,
    contentType: "application/json",
  };
}

/** Key of the source map of a bundle. */
export function sourceMapKey(hash: string): string {
  return `bundles/${hash}.mjs.map`;
}

/** Read and verify. Throws a backend error (`corrupt`) when it is missing, or is not what its hash says. */
export async function readContent(blobs: BlobStore, content: Content): Promise<Uint8Array> {
  const { what, hash, key } = content;
  const bytes = await blobs.get(key);
  const found = bytes === undefined ? undefined : sha256Hex(bytes);
  if (bytes !== undefined && found === hash) return bytes;
  const problem = found === undefined ? "is missing" : `has the SHA-256 ${found}: it was changed`;
  throw new KitaruBackendError(
    `The ${what} ${key} ${problem}. Nothing of it is run. Put the original back, or deploy the flow again and use that version.`,
    { code: "corrupt", details: { key, ...(found === undefined ? {} : { found }) } },
  );
}
