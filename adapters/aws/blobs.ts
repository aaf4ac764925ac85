import type { BlobPutOptions, BlobStore } from "../../core/ports/blobs.ts";
import type { ObjectBucket, UploadedPart } from "./clients/s3.ts";
import { bucketError, isNamed } from "./failure.ts";

interface S3BlobsParams {
  readonly bucket: string;
  /** Put before every key, ends with a slash. @default "" */
  readonly prefix?: string;
  readonly client: () => Promise<ObjectBucket>;
}

/** Bodies above this many bytes are sent in parts, so that a broken connection costs one part. */
const multipartBytes = 8 * 1024 * 1024;
/** Parts in flight at once. */
const partsAtOnce = 4;
/** Tries of a write that meets another of the same key. */
const conflictTries = 5;

/** Blobs as objects of one bucket. */
export class S3Blobs implements BlobStore {
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #client: () => Promise<ObjectBucket>;

  constructor({ bucket, prefix = "", client }: S3BlobsParams) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#client = client;
  }

  put(key: string, bytes: Uint8Array, options: BlobPutOptions): Promise<void> {
    return this.#call("write", async (client) => {
      const object = {
        Bucket: this.#bucket,
        Key: this.#prefix + key,
        ContentType: options.contentType,
        ...(options.ifAbsent === true ? { IfNoneMatch: "*" as const } : {}),
      };
      for (let tries = 1; ; tries++) {
        try {
          if (bytes.byteLength <= multipartBytes)
            return await client.put({ ...object, Body: bytes });
          return await putInParts(client, object, bytes);
        } catch (error) {
          if (isNamed(error, "PreconditionFailed")) return; // the key is a hash of the content: what exists is the same
          // another writer of it is under way, and may yet fail
          if (!isNamed(error, "ConditionalRequestConflict") || tries === conflictTries) throw error;
        }
      }
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#call("read", async (client) => {
      try {
        return await client.get({ Bucket: this.#bucket, Key: this.#prefix + key });
      } catch (error) {
        if (isNamed(error, "NoSuchKey")) return undefined;
        throw error;
      }
    });
  }

  list(params: {
    readonly prefix: string;
    readonly cursor?: string;
    readonly limit?: number;
  }): Promise<{ readonly keys: readonly string[]; readonly cursor?: string }> {
    return this.#call("list", async (client) => {
      const { keys, cursor } = await client.list({
        Bucket: this.#bucket,
        Prefix: this.#prefix + params.prefix,
        ...(params.cursor === undefined ? {} : { ContinuationToken: params.cursor }),
        ...(params.limit === undefined ? {} : { MaxKeys: params.limit }),
      });
      const own = keys.map((key) => key.slice(this.#prefix.length));
      return { keys: own, ...(cursor === undefined ? {} : { cursor }) };
    });
  }

  async #call<T>(
    verb: "read" | "write" | "list",
    call: (client: ObjectBucket) => Promise<T>,
  ): Promise<T> {
    const client = await this.#client();
    try {
      return await call(client);
    } catch (error) {
      throw bucketError(error, { verb, bucket: this.#bucket });
    }
  }
}

type NewObject = Parameters<ObjectBucket["begin"]>[0];

/** Nothing is seen of the object before the last part has arrived and the upload is completed. */
async function putInParts(
  client: ObjectBucket,
  object: NewObject,
  bytes: Uint8Array,
): Promise<void> {
  const { Bucket, Key, IfNoneMatch } = object;
  const upload = { Bucket, Key, UploadId: await client.begin(object) };
  try {
    const parts = await sendParts(bytes, (PartNumber, Body) =>
      client.part({ ...upload, PartNumber, Body }),
    );
    await client.complete({
      ...upload,
      parts,
      ...(IfNoneMatch === undefined ? {} : { IfNoneMatch }),
    });
  } catch (error) {
    // parts of an upload that was given up are kept, and billed, until they are aborted
    await client.abort(upload).catch(() => undefined);
    throw error;
  }
}

async function sendParts(
  bytes: Uint8Array,
  send: (number: number, part: Uint8Array) => Promise<UploadedPart>,
): Promise<UploadedPart[]> {
  const count = Math.ceil(bytes.byteLength / multipartBytes);
  const parts: UploadedPart[] = [];
  for (let first = 0; first < count; first += partsAtOnce) {
    const numbers = Array.from(
      { length: Math.min(partsAtOnce, count - first) },
      (_, n) => first + n,
    );
    parts.push(
      ...(await Promise.all(
        numbers.map((n) =>
          send(n + 1, bytes.subarray(n * multipartBytes, (n + 1) * multipartBytes)),
        ),
      )),
    );
  }
  return parts;
}
