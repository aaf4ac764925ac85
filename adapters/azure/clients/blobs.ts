import { createHash } from "node:crypto";
import { BlobServiceClient, type ContainerClient } from "@azure/storage-blob";
import { type AzureClientOptions, type Endpoints, clientConfig, credentialOf } from "./config.ts";
import { type RetryRule, repeated } from "./retry.ts";

interface NewBlob {
  readonly key: string;
  readonly contentType: string;
  /** Fail when it exists. */
  readonly ifAbsent: boolean;
}

/** The part of a blob container this package uses. Rejections keep the service's error codes. */
export interface BlobContainer {
  get(key: string): Promise<Uint8Array | undefined>;
  put(blob: NewBlob & { readonly bytes: Uint8Array }): Promise<void>;
  /** Send part of a blob that is to be committed; all ids of a blob have one length. */
  stage(block: {
    readonly key: string;
    readonly id: string;
    readonly bytes: Uint8Array;
  }): Promise<void>;
  /** Make a blob of staged parts. */
  commit(
    blob: NewBlob & { readonly ids: readonly string[]; readonly md5: Uint8Array },
  ): Promise<void>;
  list(params: {
    readonly prefix: string;
    readonly cursor?: string;
    readonly limit?: number;
  }): Promise<{ readonly keys: readonly string[]; readonly cursor?: string }>;
}

/** Six tries of a minute, in which a slow line takes 8 MiB: what a request carries, it carries again. */
const rule: RetryRule = { tries: 6, tryMs: 60_000 };

/**
 * Open a client of one container. Bodies are sent with an MD5, which the service keeps with the blob, and checked against
 * it when read.
 */
export async function openContainer(
  name: string,
  options: AzureClientOptions,
  endpoints: Endpoints,
): Promise<BlobContainer> {
  const container = (await blobService(options, endpoints)).getContainerClient(name);
  return {
    get: (key) => repeated(rule, ({ signal }) => download(container, key, signal)),
    put: async ({ key, bytes, contentType, ifAbsent }) => {
      const blobHTTPHeaders = { blobContentType: contentType, blobContentMD5: md5Of(bytes) };
      await repeated(rule, ({ signal }) =>
        container.getBlockBlobClient(key).upload(bytes, bytes.byteLength, {
          abortSignal: signal,
          blobHTTPHeaders,
          conditions: conditionsOf(ifAbsent),
        }),
      );
    },
    stage: async ({ key, id, bytes }) => {
      const transactionalContentMD5 = md5Of(bytes);
      await repeated(rule, ({ signal }) =>
        container.getBlockBlobClient(key).stageBlock(id, bytes, bytes.byteLength, {
          abortSignal: signal,
          transactionalContentMD5,
        }),
      );
    },
    commit: async ({ key, ids, md5, contentType, ifAbsent }) => {
      await repeated(rule, ({ signal }) =>
        container.getBlockBlobClient(key).commitBlockList([...ids], {
          abortSignal: signal,
          blobHTTPHeaders: { blobContentType: contentType, blobContentMD5: md5 },
          conditions: conditionsOf(ifAbsent),
        }),
      );
    },
    list: (params) => repeated(rule, ({ signal }) => listPage(container, params, signal)),
  };
}

async function blobService(
  options: AzureClientOptions,
  { blob }: Endpoints,
): Promise<BlobServiceClient> {
  const { connectionString } = options;
  return connectionString === undefined
    ? new BlobServiceClient(blob, await credentialOf(options), clientConfig(blob))
    : BlobServiceClient.fromConnectionString(connectionString, clientConfig("http://"));
}

async function download(
  container: ContainerClient,
  key: string,
  abortSignal: AbortSignal,
): Promise<Uint8Array | undefined> {
  try {
    const { readableStreamBody, contentMD5 } = await container
      .getBlobClient(key)
      .download(0, undefined, { abortSignal });
    const chunks: Buffer[] = [];
    for await (const chunk of readableStreamBody ?? []) chunks.push(Buffer.from(chunk));
    const bytes = Buffer.concat(chunks);
    if (contentMD5 !== undefined && Buffer.compare(md5Of(bytes), contentMD5) !== 0)
      throw Object.assign(new Error(`The blob ${key} arrived damaged`), { code: "PARSE_ERROR" });
    return new Uint8Array(bytes);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "BlobNotFound")
      return undefined;
    throw error;
  }
}

async function listPage(
  container: ContainerClient,
  { prefix, cursor, limit }: Parameters<BlobContainer["list"]>[0],
  abortSignal: AbortSignal,
): Promise<{ readonly keys: readonly string[]; readonly cursor?: string }> {
  const { value: page } = await container
    .listBlobsFlat({ prefix, abortSignal })
    .byPage({
      ...(limit === undefined ? {} : { maxPageSize: limit }),
      ...(cursor === undefined ? {} : { continuationToken: cursor }),
    })
    .next();
  const { segment, continuationToken } = page as {
    readonly segment: { readonly blobItems: readonly { readonly name: string }[] };
    readonly continuationToken?: string;
  };
  return {
    keys: segment.blobItems.map(({ name }) => name),
    ...(continuationToken === undefined || continuationToken === ""
      ? {}
      : { cursor: continuationToken }),
  };
}

function conditionsOf(ifAbsent: boolean): { readonly ifNoneMatch?: "*" } {
  return ifAbsent ? { ifNoneMatch: "*" } : {};
}

function md5Of(bytes: Uint8Array): Uint8Array {
  return createHash("md5").update(bytes).digest();
}
