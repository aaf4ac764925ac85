import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { type AwsClientOptions, clientConfig } from "./config.ts";

/** Where an object is. */
export interface ObjectRef {
  readonly Bucket: string;
  readonly Key: string;
}

interface NewObject extends ObjectRef {
  readonly ContentType: string;
  readonly IfNoneMatch?: "*";
}

interface Upload extends ObjectRef {
  readonly UploadId: string;
}

/** The part of S3 this package uses. */
export interface ObjectBucket {
  get(input: ObjectRef): Promise<Uint8Array | undefined>;
  put(input: NewObject & { readonly Body: Uint8Array }): Promise<void>;
  /** Returns the id of a begun upload. */
  begin(input: NewObject): Promise<string>;
  /** Returns the tag that completes the part. */
  part(
    input: Upload & { readonly PartNumber: number; readonly Body: Uint8Array },
  ): Promise<UploadedPart>;
  complete(
    input: Upload & { readonly parts: readonly UploadedPart[]; readonly IfNoneMatch?: "*" },
  ): Promise<void>;
  abort(input: Upload): Promise<void>;
  list(input: {
    readonly Bucket: string;
    readonly Prefix: string;
    readonly ContinuationToken?: string;
    readonly MaxKeys?: number;
  }): Promise<{ readonly keys: readonly string[]; readonly cursor?: string }>;
  close(): void;
}

/** What completing an upload needs to know of a part. */
export interface UploadedPart {
  readonly PartNumber: number;
  readonly ETag: string;
  readonly ChecksumCRC32?: string;
}

/** Open a client. Bodies are sent with a CRC-32 that S3 checks on arrival, and checked against it when read. */
export function openS3(options: AwsClientOptions): ObjectBucket {
  const client = new S3Client({
    ...clientConfig(options, { maxAttempts: 6 }),
    requestChecksumCalculation: "WHEN_SUPPORTED",
    responseChecksumValidation: "WHEN_SUPPORTED",
    // the bucket's name in the path, where an emulator has no name for each bucket
    ...(options.endpoint === undefined ? {} : { forcePathStyle: true }),
  });
  return {
    get: async (input) => {
      const { Body } = await client.send(new GetObjectCommand(input));
      return Body?.transformToByteArray();
    },
    put: async (input) => {
      await client.send(new PutObjectCommand({ ...input, ContentLength: input.Body.byteLength }));
    },
    begin: async ({ Bucket, Key, ContentType }) => {
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({ Bucket, Key, ContentType, ChecksumAlgorithm: "CRC32" }),
      );
      return UploadId ?? "";
    },
    part: async (input) => {
      const { ETag, ChecksumCRC32 } = await client.send(
        new UploadPartCommand({ ...input, ChecksumAlgorithm: "CRC32" }),
      );
      return {
        PartNumber: input.PartNumber,
        ETag: ETag ?? "",
        ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }),
      };
    },
    complete: async ({ parts, ...input }) => {
      await client.send(
        new CompleteMultipartUploadCommand({ ...input, MultipartUpload: { Parts: [...parts] } }),
      );
    },
    abort: async (input) => {
      await client.send(new AbortMultipartUploadCommand(input));
    },
    list: async (input) => {
      const { Contents = [], NextContinuationToken } = await client.send(
        new ListObjectsV2Command(input),
      );
      return {
        keys: Contents.flatMap(({ Key }) => (Key === undefined ? [] : [Key])),
        ...(NextContinuationToken === undefined ? {} : { cursor: NextContinuationToken }),
      };
    },
    close: () => client.destroy(),
  };
}
