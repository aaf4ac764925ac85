import { createHash } from "node:crypto";
import type { GcpClientOptions } from "./config.ts";
import { GoogleError, type RestReply, jsonOf, openRest } from "./rest.ts";

/** Where an object is. */
export interface ObjectRef {
  readonly bucket: string;
  readonly key: string;
}

/** An object to write. */
export interface NewObject extends ObjectRef {
  readonly contentType: string;
  /** Write only where there is none of that key. */
  readonly ifAbsent: boolean;
  readonly bytes: Uint8Array;
}

/** A begun upload. */
export interface Upload {
  /** Path that its parts are sent to. */
  readonly session: string;
  readonly total: number;
}

/** What has arrived of an upload: its bytes so far, or all of it. */
export type Arrived = number | "all";

/** The part of Cloud Storage this package uses. Rejections are {@link GoogleError}s. */
export interface ObjectBucket {
  get(object: ObjectRef): Promise<Uint8Array | undefined>;
  put(object: NewObject): Promise<void>;
  begin(object: NewObject): Promise<Upload>;
  /** Send the bytes from `offset` on, once. */
  part(upload: Upload, offset: number, bytes: Uint8Array): Promise<Arrived>;
  /** Ask what has arrived. */
  arrived(upload: Upload): Promise<Arrived>;
  list(params: {
    readonly bucket: string;
    readonly prefix: string;
    readonly cursor?: string;
    readonly limit?: number;
  }): Promise<{ readonly keys: readonly string[]; readonly cursor?: string }>;
}

/** A try of what carries the bytes of an object. */
const timeoutMs = 60_000;
/** Reads of an object whose bytes do not fit its checksum. */
const readTries = 3;

/** Open a client. Bodies are sent with an MD5 that Cloud Storage checks on arrival, and checked against it when read. */
export function openStorage(options: GcpClientOptions): ObjectBucket {
  const rest = openRest(options);
  const service = "storage";
  return {
    get: async ({ bucket, key }) => {
      for (let tries = 1; ; tries++) {
        const path = `/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(key)}?alt=media`;
        const reply = await rest.send({ service, path, accept: [404], timeoutMs });
        if (reply.status === 404) return missingObject(reply);
        if (isWhole(reply)) return reply.bytes;
        if (tries === readTries)
          throw new GoogleError(
            "DATA_LOSS",
            `the bytes of ${key} do not fit their checksum`,
            reply,
          );
      }
    },
    put: async (object) => {
      const { body, boundary } = multipart(object);
      await rest.send({
        service,
        path: uploadPath(object, "multipart"),
        headers: { "content-type": `multipart/related; boundary=${boundary}` },
        body,
        timeoutMs,
      });
    },
    begin: async (object) => {
      const total = object.bytes.byteLength;
      const { headers } = await rest.send({
        service,
        path: uploadPath(object, "resumable"),
        headers: {
          "x-upload-content-type": object.contentType,
          "x-upload-content-length": String(total),
        },
        body: metadataOf(object),
      });
      const { pathname, search } = new URL(headers.get("location") ?? "", "http://storage");
      return { session: pathname + search, total };
    },
    part: async ({ session, total }, offset, bytes) => {
      const range = `bytes ${offset}-${offset + bytes.byteLength - 1}/${total}`;
      const headers = { "content-range": range, "content-type": "application/octet-stream" };
      return arrivedOf(
        await rest.send({
          service,
          path: session,
          method: "PUT",
          headers,
          body: bytes,
          tries: 1,
          timeoutMs,
        }),
      );
    },
    arrived: async ({ session, total }) => {
      const headers = { "content-range": `bytes */${total}`, "content-length": "0" };
      return arrivedOf(await rest.send({ service, path: session, method: "PUT", headers }));
    },
    list: async ({ bucket, prefix, cursor, limit }) => {
      const query = new URLSearchParams({
        prefix,
        fields: "items(name),nextPageToken",
        ...(cursor === undefined ? {} : { pageToken: cursor }),
        ...(limit === undefined ? {} : { maxResults: String(limit) }),
      });
      const path = `/storage/v1/b/${encodeURIComponent(bucket)}/o?${query.toString()}`;
      const { items = [], nextPageToken } = jsonOf<{
        readonly items?: readonly { readonly name: string }[];
        readonly nextPageToken?: string;
      }>(await rest.send({ service, path }));
      return {
        keys: items.map(({ name }) => name),
        ...(nextPageToken === undefined ? {} : { cursor: nextPageToken }),
      };
    },
  };
}

/** Undefined for an object that is not there; a bucket that is not there is a failure. */
function missingObject(reply: RestReply): undefined {
  const text = new TextDecoder().decode(reply.bytes);
  if (/bucket does not exist/i.test(text))
    throw new GoogleError("NOT_FOUND", "The specified bucket does not exist.", reply);
  return undefined;
}

function uploadPath({ bucket, ifAbsent }: NewObject, uploadType: string): string {
  const condition = ifAbsent ? "&ifGenerationMatch=0" : "";
  return `/upload/storage/v1/b/${encodeURIComponent(bucket)}/o?uploadType=${uploadType}${condition}`;
}

function metadataOf({ key, contentType, bytes }: NewObject): object {
  return { name: key, contentType, md5Hash: md5Of(bytes) };
}

function multipart(object: NewObject): { readonly body: Uint8Array; readonly boundary: string } {
  const boundary = `kitaru-${crypto.randomUUID()}`;
  const part = (contentType: string): string =>
    `--${boundary}\r\ncontent-type: ${contentType}\r\n\r\n`;
  const head = `${part("application/json; charset=utf-8")}${JSON.stringify(metadataOf(object))}\r\n${part(object.contentType)}`;
  return {
    boundary,
    body: Buffer.concat([Buffer.from(head), object.bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}

/** 308 says how far it has come: `bytes=0-LAST`, or nothing where nothing has arrived. */
function arrivedOf({ status, headers }: RestReply): Arrived {
  if (status !== 308) return "all";
  const last = /-(\d+)$/.exec(headers.get("range") ?? "")?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}

function isWhole({ headers, bytes }: RestReply): boolean {
  const wanted = /md5=([^,\s]+)/.exec(headers.get("x-goog-hash") ?? "")?.[1];
  return wanted === undefined || wanted === md5Of(bytes);
}

function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("base64");
}
