import { setTimeout as pause } from "node:timers/promises";
import type { BlobPutOptions, BlobStore } from "../../core/ports/blobs.ts";
import { isPassing } from "./clients/rest.ts";
import type { Arrived, NewObject, ObjectBucket } from "./clients/storage.ts";
import { isNamed, serviceError } from "./failure.ts";

interface GcsBlobsParams {
  readonly bucket: string;
  /** Put before every key, ends with a slash. @default "" */
  readonly prefix?: string;
  readonly client: () => Promise<ObjectBucket>;
}

/**
 * Bodies above this many bytes are sent in parts of as many, so that a broken connection costs one part. A multiple of
 * 256 KB (https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload).
 */
const partBytes = 8 * 1024 * 1024;
/** Failures of an upload after which nothing more has arrived. */
const partTries = 6;

/** Blobs as objects of one bucket. */
export class GcsBlobs implements BlobStore {
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #client: () => Promise<ObjectBucket>;

  constructor({ bucket, prefix = "", client }: GcsBlobsParams) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#client = client;
  }

  put(key: string, bytes: Uint8Array, options: BlobPutOptions): Promise<void> {
    const { contentType, ifAbsent = false } = options;
    const object = { bucket: this.#bucket, key: this.#prefix + key, contentType, ifAbsent, bytes };
    return this.#call("write", async (client) => {
      try {
        if (bytes.byteLength <= partBytes) await client.put(object);
        else await putInParts(client, object);
      } catch (error) {
        // the key is a hash of the content: what exists is the same
        if (!ifAbsent || !isNamed(error, "FAILED_PRECONDITION")) throw error;
      }
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#call("read", (client) =>
      client.get({ bucket: this.#bucket, key: this.#prefix + key }),
    );
  }

  list(params: {
    readonly prefix: string;
    readonly cursor?: string;
    readonly limit?: number;
  }): Promise<{ readonly keys: readonly string[]; readonly cursor?: string }> {
    return this.#call("list", async (client) => {
      const prefix = this.#prefix + params.prefix;
      const { keys, cursor } = await client.list({ ...params, bucket: this.#bucket, prefix });
      const own = keys.map((key) => key.slice(this.#prefix.length));
      return { keys: own, ...(cursor === undefined ? {} : { cursor }) };
    });
  }

  async #call<T>(
    verb: "read" | "write" | "list",
    call: (client: ObjectBucket) => Promise<T>,
  ): Promise<T> {
    const bucket = this.#bucket;
    try {
      return await call(await this.#client());
    } catch (error) {
      const what = `Cloud Storage could not ${verb} the bucket "${bucket}"`;
      throw serviceError(error, { what, missing: bucket });
    }
  }
}

/**
 * Nothing is seen of the object before its last part has arrived. After a failure the upload goes on where it has come to;
 * one that is given up costs nothing and is forgotten by Cloud Storage within a week.
 */
async function putInParts(client: ObjectBucket, object: NewObject): Promise<void> {
  const { bytes } = object;
  const upload = await client.begin(object);
  let arrived: Arrived = 0;
  for (let failures = 0; arrived !== "all";) {
    const offset: number = arrived;
    try {
      arrived = await client.part(upload, offset, bytes.subarray(offset, offset + partBytes));
    } catch (error) {
      if (!isPassing(error) || failures === partTries) throw error;
      await pause(Math.random() * 200 * 2 ** failures);
      arrived = await client.arrived(upload);
    }
    failures = arrived === offset ? failures + 1 : 0;
  }
}
