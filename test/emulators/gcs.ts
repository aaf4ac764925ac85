import { createHash, randomUUID } from "node:crypto";
import { type FakeReply, type FakeRequest, startFake } from "./http-fake.ts";
import type { Emulator } from "./server.ts";

interface StoredObject {
  readonly generation: bigint;
  readonly bytes: Buffer;
  readonly contentType: string;
}

interface OpenUpload {
  readonly metadata: Metadata;
  readonly ifGenerationMatch: string | null;
  /** NaN where it is whatever arrives at once. */
  readonly total: number;
  bytes: Buffer;
}

interface Metadata {
  readonly name?: string;
  readonly contentType?: string;
  readonly md5Hash?: string;
}

/** A stand-in for Cloud Storage on a socket of its own: its JSON API, with generation preconditions and resumable uploads. */
export interface CloudStorage extends Emulator {
  /** Every object of the bucket, by name. */
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** Change the bytes of an object behind its checksum's back. */
  corrupt(name: string): void;
}

/** Start it with a bucket, whose objects are shown, and others. */
export async function startCloudStorage(
  bucket: string,
  ...others: readonly string[]
): Promise<CloudStorage> {
  const store = new Store(bucket);
  const all = [store, ...others.map((other) => new Store(other))];
  const emulator = await startFake((request) => {
    const wanted = all.find((one) => one.holds(request.path));
    return wanted?.answer(request) ?? failure(404, "The specified bucket does not exist.");
  });
  return { ...emulator, objects: store.objects, corrupt: (name) => store.corrupt(name) };
}

class Store {
  readonly objects = new Map<string, StoredObject>();
  readonly #bucket: string;
  readonly #uploads = new Map<string, OpenUpload>();
  readonly #checksums = new Map<StoredObject, string>();
  #generation = 1_700_000_000_000_000n;

  constructor(bucket: string) {
    this.#bucket = bucket;
  }

  corrupt(name: string): void {
    const found = this.objects.get(name);
    if (found === undefined) throw new Error(`There is no object ${name}.`);
    found.bytes.writeUInt8(found.bytes.readUInt8(0) ^ 1, 0);
  }

  holds(path: string): boolean {
    return path.includes(`/storage/v1/b/${this.#bucket}/o`);
  }

  answer(request: FakeRequest): FakeReply {
    const [, uploading, bucket, object] =
      /^\/(upload\/)?storage\/v1\/b\/([^/]+)\/o(?:\/(.+))?$/.exec(request.path) ?? [];
    if (bucket === undefined) return failure(404, "Not Found");
    if (uploading !== undefined) return this.#upload(request);
    return object === undefined
      ? this.#list(request)
      : this.#read(decodeURIComponent(object), request);
  }

  #upload({ method, query, headers, body }: FakeRequest): FakeReply {
    const session = query.get("upload_id");
    if (session !== null) return this.#part(session, String(headers["content-range"]), body);
    const ifGenerationMatch = query.get("ifGenerationMatch");
    if (method !== "POST") return failure(405, "Method Not Allowed");
    switch (query.get("uploadType")) {
      case "multipart": {
        const [head, bytes] = partsOf(body, String(headers["content-type"]));
        const metadata = JSON.parse(head.toString()) as Metadata;
        return this.#store({ ...named(query), ...metadata }, bytes, ifGenerationMatch);
      }
      case "resumable": {
        const given = body.length === 0 ? {} : (JSON.parse(body.toString()) as Metadata);
        const metadata = { ...named(query), ...given };
        const id = randomUUID();
        const total = Number(headers["x-upload-content-length"] ?? NaN);
        this.#uploads.set(id, { metadata, ifGenerationMatch, total, bytes: Buffer.alloc(0) });
        query.set("upload_id", id);
        const location = `http://${headers.host}/upload/storage/v1/b/${this.#bucket}/o?${query.toString()}`;
        return { headers: { location }, body: {} };
      }
      default:
        return failure(400, "Unknown uploadType");
    }
  }

  /** Bytes at offsets that have arrived before are ignored; those beyond a gap are refused. */
  #part(session: string, range: string, body: Buffer): FakeReply {
    const upload = this.#uploads.get(session);
    if (upload === undefined) return failure(404, "No such upload");
    const first = /^bytes (\d+)-/.exec(range)?.[1];
    if (first !== undefined) {
      const known = upload.bytes.byteLength - Number(first);
      if (known < 0) return failure(503, "There is a gap");
      upload.bytes = Buffer.concat([upload.bytes, body.subarray(known)]);
    }
    const { byteLength } = upload.bytes;
    if (byteLength < upload.total)
      return {
        status: 308,
        headers: byteLength === 0 ? {} : { range: `bytes=0-${byteLength - 1}` },
        body: "",
      };
    this.#uploads.delete(session);
    return this.#store(upload.metadata, upload.bytes, upload.ifGenerationMatch);
  }

  #store(
    { name = "", contentType = "application/octet-stream", md5Hash }: Metadata,
    given: Buffer,
    ifGenerationMatch: string | null,
  ): FakeReply {
    const found = this.objects.get(name);
    if (ifGenerationMatch !== null && ifGenerationMatch !== String(found?.generation ?? 0n))
      return failure(412, "At least one of the pre-conditions you specified did not hold.");
    const bytes = Buffer.from(given); // its own copy
    if (md5Hash !== undefined && md5Hash !== md5Of(bytes))
      return failure(400, "Provided MD5 hash does not match calculated MD5 hash.");
    const stored = { generation: ++this.#generation, bytes, contentType };
    this.objects.set(name, stored);
    this.#checksums.set(stored, md5Of(bytes));
    return { body: this.#metadata(name, stored) };
  }

  #metadata(name: string, stored: StoredObject): object {
    return {
      kind: "storage#object",
      bucket: this.#bucket,
      name,
      generation: String(stored.generation),
      metageneration: "1",
      contentType: stored.contentType,
      size: String(stored.bytes.byteLength),
      md5Hash: this.#checksums.get(stored),
      crc32c: crc32cOf(stored.bytes),
    };
  }

  #read(name: string, { method, query }: FakeRequest): FakeReply {
    const found = this.objects.get(name);
    if (found === undefined) return failure(404, `No such object: ${this.#bucket}/${name}`);
    if (method === "DELETE") {
      this.objects.delete(name);
      return { status: 204, body: "" };
    }
    const { generation, bytes, contentType } = found;
    if (query.get("alt") !== "media") return { body: this.#metadata(name, found) };
    return {
      headers: {
        "content-type": contentType,
        "x-goog-generation": String(generation),
        "x-goog-hash": `crc32c=${crc32cOf(bytes)},md5=${this.#checksums.get(found) ?? ""}`,
      },
      body: bytes,
    };
  }

  #list({ query }: FakeRequest): FakeReply {
    const prefix = query.get("prefix") ?? "";
    const after = Buffer.from(query.get("pageToken") ?? "", "base64");
    const limit = Number(query.get("maxResults") ?? 1000);
    const names = [...this.objects.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => Buffer.from(name))
      .filter((name) => Buffer.compare(name, after) > 0)
      .toSorted((a, b) => Buffer.compare(a, b));
    const page = names.slice(0, limit);
    const last = page.at(-1);
    return {
      body: {
        kind: "storage#objects",
        ...(page.length === 0 ? {} : { items: page.map((name) => ({ name: name.toString() })) }),
        ...(names.length > limit && last !== undefined
          ? { nextPageToken: last.toString("base64") }
          : {}),
      },
    };
  }
}

/** The two parts of a `multipart/related` body. */
function partsOf(body: Buffer, contentType: string): [Buffer, Buffer] {
  const boundary = `--${/boundary="?([^";]+)/.exec(contentType)?.[1] ?? ""}`;
  const part = (from: number): { readonly bytes: Buffer; readonly end: number } => {
    const start = body.indexOf("\r\n\r\n", from) + 4;
    const end = body.indexOf(`\r\n${boundary}`, start);
    return { bytes: body.subarray(start, end), end };
  };
  const head = part(0);
  // the bytes themselves may hold anything, so their end is searched for from the back
  const start = body.indexOf("\r\n\r\n", head.end) + 4;
  return [head.bytes, body.subarray(start, body.lastIndexOf(`\r\n${boundary}--`))];
}

function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("base64");
}

function named(query: URLSearchParams): Metadata {
  const name = query.get("name");
  return name === null ? {} : { name };
}

/** CRC-32C, the one with Castagnoli's polynomial. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82_f6_3b_78 : crc >>> 1;
  return crc >>> 0;
});

function crc32cOf(bytes: Uint8Array): string {
  let crc = 0xff_ff_ff_ff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  const text = Buffer.alloc(4);
  text.writeUInt32BE((crc ^ 0xff_ff_ff_ff) >>> 0);
  return text.toString("base64");
}

/** Cloud Storage's own form: a code and no status. */
function failure(code: number, message: string): FakeReply {
  return { status: code, body: { error: { code, message, errors: [{ message }] } } };
}
