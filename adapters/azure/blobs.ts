import { createHash, randomUUID } from "node:crypto";
import type { BlobPutOptions, BlobStore } from "../../core/ports/blobs.ts";
import type { BlobContainer } from "./clients/blobs.ts";
import { codeOf, serviceError } from "./failure.ts";

interface ContainerBlobsParams {
  readonly container: string;
  readonly client: () => Promise<BlobContainer>;
}

/** Bodies above this many bytes are sent in blocks, so that a broken connection costs one block. */
const blockBytes = 8 * 1024 * 1024;
/** Blocks in flight at once. */
const blocksAtOnce = 4;
/** Tries of a write that meets another of the same key. */
const conflictTries = 5;

/** Blobs of one container. */
export class ContainerBlobs implements BlobStore {
  readonly #container: string;
  readonly #client: () => Promise<BlobContainer>;

  constructor({ container, client }: ContainerBlobsParams) {
    this.#container = container;
    this.#client = client;
  }

  put(key: string, bytes: Uint8Array, options: BlobPutOptions): Promise<void> {
    return this.#call("write", async (client) => {
      const blob = { key, contentType: options.contentType, ifAbsent: options.ifAbsent === true };
      for (let tries = 1; ; tries++) {
        try {
          if (bytes.byteLength <= blockBytes) return await client.put({ ...blob, bytes });
          return await putInBlocks(client, blob, bytes);
        } catch (error) {
          const code = codeOf(error);
          // the key is a hash of the content: what exists is the same
          if (blob.ifAbsent && /^(?:BlobAlreadyExists|ConditionNotMet)$/.test(code)) return;
          // another writer of it was faster, and with it went the blocks that were not committed
          if (code !== "InvalidBlockList" || tries === conflictTries) throw error;
        }
      }
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#call("read", (client) => client.get(key));
  }

  list(
    params: Parameters<BlobStore["list"]>[0],
  ): Promise<{ readonly keys: readonly string[]; readonly cursor?: string }> {
    return this.#call("list", (client) => client.list(params));
  }

  async #call<T>(
    verb: "read" | "write" | "list",
    call: (client: BlobContainer) => Promise<T>,
  ): Promise<T> {
    const client = await this.#client();
    try {
      return await call(client);
    } catch (error) {
      const missing = this.#container;
      throw serviceError(error, { what: `Blob Storage could not ${verb} "${missing}"`, missing });
    }
  }
}

/** Nothing is seen of the blob before its blocks are committed; what is never committed is gone after a week. */
async function putInBlocks(
  client: BlobContainer,
  blob: { readonly key: string; readonly contentType: string; readonly ifAbsent: boolean },
  bytes: Uint8Array,
): Promise<void> {
  const upload = randomUUID();
  const ids = Array.from({ length: Math.ceil(bytes.byteLength / blockBytes) }, (_, n) =>
    Buffer.from(`${upload}${String(n).padStart(6, "0")}`).toString("base64"),
  );
  for (let first = 0; first < ids.length; first += blocksAtOnce)
    await Promise.all(
      ids.slice(first, first + blocksAtOnce).map((id, n) => {
        const start = (first + n) * blockBytes;
        const block = bytes.subarray(start, start + blockBytes);
        return client.stage({ key: blob.key, id, bytes: block });
      }),
    );
  const md5 = createHash("md5").update(bytes).digest();
  await client.commit({ ...blob, ids, md5 });
}
