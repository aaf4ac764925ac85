import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { KitaruBackendError, KitaruUsageError, messageOf } from "../errors.ts";
import { jsonOf } from "./export-documents.ts";

/** Version of the file format; a file of a higher one is refused. */
const formatVersion = 1;

/** First line of an exported execution. */
export interface FileHeader {
  readonly kitaru: "execution";
  readonly format: number;
  readonly id: string;
  readonly flow: string;
  readonly status: string;
  /** Stack it was exported from. */
  readonly stack: string;
  /** When, as ISO 8601. */
  readonly at: string;
  /** Whether the original has been retired: whoever imports the file goes on with it. */
  readonly moved: boolean;
  /** Version of kitaru that wrote it. */
  readonly by: string;
}

/** What a part of the file is; its bytes follow, and a newline. */
export interface PartHeader {
  readonly part: "execution" | "manifest" | "content" | "blob";
  /** Id of an execution, or key in the bucket. */
  readonly name: string;
  /** MIME type of what goes into the bucket. */
  readonly type?: string;
}

interface StoredPartHeader extends PartHeader {
  readonly bytes: number;
  readonly sha256: string;
}

interface FileEnd {
  readonly part: "end";
  /** SHA-256 of everything before this line. */
  readonly sha256: string;
}

/** Writes a file part by part. It is in place once it is finished, whole. */
export class FileWriter {
  readonly #file: string;
  readonly #draft: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash("sha256");
  #bytes = 0;

  private constructor(file: string, draft: string, handle: FileHandle) {
    this.#file = file;
    this.#draft = draft;
    this.#handle = handle;
  }

  static async create(
    file: string,
    header: Omit<FileHeader, "kitaru" | "format">,
  ): Promise<FileWriter> {
    const draft = `${file}.${randomBytes(6).toString("hex")}.new`;
    const handle = await open(draft, "wx").catch((error: unknown) => {
      throw unwritable(file, error);
    });
    const writer = new FileWriter(file, draft, handle);
    await writer.#line({ kitaru: "execution", format: formatVersion, ...header });
    return writer;
  }

  async part(header: PartHeader, content: Uint8Array): Promise<void> {
    const sha256 = createHash("sha256").update(content).digest("hex");
    await this.#line({ ...header, bytes: content.byteLength, sha256 });
    await this.#write(content);
    await this.#write(newline);
  }

  /** Put the file in place; its size. */
  async finish(): Promise<number> {
    await this.#line({ part: "end", sha256: this.#hash.copy().digest("hex") });
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#draft, this.#file);
    } catch (error) {
      throw unwritable(this.#file, error);
    }
    return this.#bytes;
  }

  /** Leave nothing of it. */
  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(this.#draft, { force: true }).catch(() => undefined);
  }

  #line(value: object): Promise<void> {
    return this.#write(Buffer.from(`${JSON.stringify(value)}\n`));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      for (let from = 0; from < bytes.byteLength;)
        from += (await this.#handle.write(bytes, from)).bytesWritten;
    } catch (error) {
      throw unwritable(this.#file, error);
    }
    this.#hash.update(bytes);
    this.#bytes += bytes.byteLength;
  }
}

const newline = Buffer.from("\n");

function unwritable(file: string, cause: unknown): KitaruBackendError {
  return new KitaruBackendError(`${file} cannot be written: ${messageOf(cause)}.`, { cause });
}

/** One part of a file. */
export interface FilePart extends PartHeader {
  /** Its bytes, until the next part is read. */
  readonly content: Uint8Array;
}

/** An exported execution. Its parts are read one after the other, each time they are asked for, and verified. */
export class ExportedFile {
  readonly file: string;
  readonly header: FileHeader;
  /** Where parts are read to, one after the other: the largest one is in memory once. */
  readonly #buffer = new GrowingBuffer();

  private constructor(file: string, header: FileHeader) {
    this.file = file;
    this.header = header;
  }

  /** Throws a usage error for a file that cannot be read or is none, a backend error (`corrupt`) for a newer one. */
  static async open(file: string): Promise<ExportedFile> {
    return withReader(file, async (reader) => {
      const header = await reader.line();
      if (!isHeader(header))
        throw new KitaruUsageError(
          `${file} is no exported execution. \`kitaru executions export ID --file FILE\` makes one.`,
        );
      if (header.format > formatVersion)
        throw new KitaruBackendError(
          `${file} was written by a newer version of kitaru (export format ${header.format}, this version reads up to ${formatVersion}). Update the kitaru package; nothing was imported.`,
          { code: "corrupt" },
        );
      return new ExportedFile(file, header);
    });
  }

  /** Read the parts in order. Throws a backend error (`corrupt`) when the file is not as it was written. */
  async *parts(): AsyncGenerator<FilePart> {
    const handle = await openFile(this.file);
    try {
      const reader = new Reader(this.file, handle, this.#buffer);
      for (await reader.line(); ;) {
        const before = reader.digest();
        const header = await reader.line();
        if (isEnd(header)) return await reader.end(header, before);
        if (!isPart(header)) throw reader.damaged("it holds a line that is not of its format");
        const content = await reader.bytes(header.bytes + 1);
        const own = content.subarray(0, header.bytes);
        const found = createHash("sha256").update(own).digest("hex");
        if (found !== header.sha256 || content[header.bytes] !== newline[0])
          throw reader.damaged(`its ${header.part} ${header.name} does not match its checksum`);
        const { part, name, type } = header;
        yield { part, name, ...(type === undefined ? {} : { type }), content: own };
      }
    } finally {
      await handle.close();
    }
  }
}

async function withReader<T>(file: string, use: (reader: Reader) => Promise<T>): Promise<T> {
  const handle = await openFile(file);
  try {
    return await use(new Reader(file, handle, new GrowingBuffer()));
  } finally {
    await handle.close();
  }
}

function openFile(file: string): Promise<FileHandle> {
  return open(file, "r").catch((error: unknown) => {
    throw new KitaruUsageError(`${file} cannot be read: ${messageOf(error)}.`, { cause: error });
  });
}

/** Longest line of the format's own. */
const longestLine = 64 * 1024;

/** A buffer that is used again and again. */
class GrowingBuffer {
  #buffer = Buffer.allocUnsafeSlow(longestLine);

  take(bytes: number): Buffer {
    if (bytes > this.#buffer.byteLength) this.#buffer = Buffer.allocUnsafeSlow(bytes);
    return this.#buffer.subarray(0, bytes);
  }
}

/** Reads a file from its start, and keeps the hash of what has been read. */
class Reader {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash("sha256");
  readonly #buffer: GrowingBuffer;
  #position = 0;

  constructor(file: string, handle: FileHandle, buffer: GrowingBuffer) {
    this.#file = file;
    this.#handle = handle;
    this.#buffer = buffer;
  }

  /** The next line as JSON; undefined when it is none. */
  async line(): Promise<unknown> {
    const found = await this.#peek(longestLine);
    const end = found.indexOf(newline);
    if (end === -1 && found.byteLength < longestLine) throw this.damaged("it is cut off");
    const line = found.subarray(0, end + 1);
    this.#take(line);
    return jsonOf(line.toString());
  }

  async bytes(count: number): Promise<Uint8Array> {
    const found = await this.#peek(count);
    if (found.byteLength < count) throw this.damaged("it is cut off");
    this.#take(found);
    return new Uint8Array(found.buffer, found.byteOffset, found.byteLength); // a slice() of it is a copy
  }

  /** Check the end of the file, whose line has been read; `before` is the hash of all before that. */
  async end({ sha256 }: FileEnd, before: string): Promise<void> {
    if (sha256 !== before) throw this.damaged("it does not match its checksum");
    if ((await this.#peek(1)).byteLength > 0) throw this.damaged("it goes on behind its end");
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  damaged(why: string): KitaruBackendError {
    return new KitaruBackendError(
      `${this.#file} is damaged: ${why}. Export the execution again, or copy the file again; nothing was imported.`,
      { code: "corrupt", details: { file: this.#file } },
    );
  }

  #take(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#position += bytes.byteLength;
  }

  async #peek(count: number): Promise<Buffer> {
    const { size } = await this.#handle.stat();
    const buffer = this.#buffer.take(Math.max(0, Math.min(count, size - this.#position)));
    for (let filled = 0; filled < buffer.byteLength;) {
      const at = this.#position + filled;
      const { bytesRead } = await this.#handle.read(buffer, filled, undefined, at);
      if (bytesRead === 0) return buffer.subarray(0, filled);
      filled += bytesRead;
    }
    return buffer;
  }
}

function has<Key extends string>(value: unknown, key: Key): value is Record<Key, unknown> {
  return typeof value === "object" && value !== null && key in value;
}

function isHeader(value: unknown): value is FileHeader {
  return has(value, "kitaru") && value.kitaru === "execution" && has(value, "format");
}

function isEnd(value: unknown): value is FileEnd {
  return has(value, "part") && value.part === "end" && has(value, "sha256");
}

function isPart(value: unknown): value is StoredPartHeader {
  const isKnown =
    has(value, "part") && /^(?:execution|manifest|content|blob)$/.test(String(value.part));
  return (
    isKnown &&
    has(value, "bytes") &&
    Number.isSafeInteger(value.bytes) &&
    Number(value.bytes) >= 0 &&
    has(value, "name") &&
    has(value, "sha256")
  );
}
