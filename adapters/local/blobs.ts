import { dirname, join, resolve } from "node:path";

import { KitaruUsageError } from "../../core/errors.ts";
import { makeFolder } from "../../core/make-folder.ts";
import type { BlobPutOptions, BlobStore } from "../../core/ports/blobs.ts";
import { storageError, systemCode } from "./storage-error.ts";
import { uniqueText } from "./unique.ts";

/** Its `promises` are loaded by the first blob: most flows have none. */
const fs = process.getBuiltinModule("node:fs");

/** Options of {@link openBlobs}. */
export interface BlobsOptions {
  /** Created when the first blob is put. */
  readonly folder: string;
  /** `full` syncs each blob and its folder to disk; `normal` (the default) leaves that to the system. */
  readonly durability?: "normal" | "full";
}

/**
 * Keep blobs as files, one per key, in folders as the key has slashes. The content type is dropped: a file has no
 * place for it, and an extension would make reading a search. A key cannot also be the folder of another.
 */
export function openBlobs(options: BlobsOptions): BlobStore {
  const root = resolve(options.folder);
  const sync = options.durability === "full";
  return {
    put: (key, bytes, put) => putFile({ root, key, bytes, sync, ifAbsent: put.ifAbsent ?? false }),
    get: (key) => getFile(root, key),
    list: (params) => listFiles(root, params),
  };
}

/** Marks a file that is still being written; an encoded key cannot start like this. */
const unfinished = "%tmp-";
const defaultLimit = 1000;

interface PutParams extends Required<Pick<BlobPutOptions, "ifAbsent">> {
  readonly root: string;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly sync: boolean;
}

async function putFile(params: PutParams): Promise<void> {
  const path = pathOf(params.root, params.key);
  try {
    if (params.ifAbsent && (await isWhole(path, params.bytes.byteLength))) return;
    await replaceFile(path, params);
  } catch (error) {
    throw storageError({ verb: "write", path }, error);
  }
}

/** A file of another size was torn by a power loss. */
async function isWhole(path: string, size: number): Promise<boolean> {
  const found = await unlessMissing(fs.promises.stat(path));
  return found?.size === size;
}

async function replaceFile(path: string, { bytes, sync }: PutParams): Promise<void> {
  const folder = dirname(path);
  const draft = join(folder, unfinished + uniqueText());
  try {
    await writeDraft(draft, bytes, sync);
    await fs.promises.rename(draft, path);
  } catch (error) {
    await fs.promises.rm(draft, { force: true }).catch(() => {});
    throw error;
  }
  if (sync) await syncFolder(folder);
}

/** Most folders exist, so looking first would cost more than failing once. */
async function writeDraft(path: string, bytes: Uint8Array, flush: boolean): Promise<void> {
  const options = { flag: "wx", flush };
  try {
    await fs.promises.writeFile(path, bytes, options);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    await makeFolders(dirname(path), flush);
    await fs.promises.writeFile(path, bytes, options);
  }
}

async function makeFolders(folder: string, sync: boolean): Promise<void> {
  const highest = makeFolder(folder);
  if (!sync || highest === undefined) return;
  for (let made = folder; made.length >= highest.length; made = dirname(made)) {
    await syncFolder(dirname(made));
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder, and orders such changes by itself.
  if (process.platform === "win32") return;
  const handle = await fs.promises.open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function getFile(root: string, key: string): Promise<Uint8Array | undefined> {
  const path = pathOf(root, key);
  try {
    const bytes = await unlessMissing(fs.promises.readFile(path));
    return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    throw storageError({ verb: "read", path }, error);
  }
}

async function listFiles(
  root: string,
  params: Parameters<BlobStore["list"]>[0],
): ReturnType<BlobStore["list"]> {
  const limit = Math.max(1, Math.min(params.limit ?? defaultLimit, defaultLimit));
  const keys: string[] = [];
  try {
    for await (const key of walk(root, "", params)) {
      if (keys.length === limit) return { keys, cursor: keys.at(-1) ?? "" };
      keys.push(key);
    }
  } catch (error) {
    throw storageError({ verb: "list", path: root }, error);
  }
  return { keys };
}

interface WalkParams {
  readonly prefix: string;
  readonly cursor?: string;
}

/** Keys in order, opening only folders that can hold some of them. */
async function* walk(root: string, parent: string, params: WalkParams): AsyncGenerator<string> {
  for (const name of await namesIn(join(root, encodeKey(parent)))) {
    const key = parent + name;
    if (!isWanted(key, params)) continue;
    if (key.endsWith("/")) yield* walk(root, key, params);
    else yield key;
  }
}

/** `key` is that of a blob or, with a slash at its end, the start of many. */
function isWanted(key: string, { prefix, cursor = "" }: WalkParams): boolean {
  const many = key.endsWith("/");
  if (!key.startsWith(prefix) && !(many && prefix.startsWith(key))) return false;
  return byBytes(key, cursor) > 0 || (many && cursor.startsWith(key));
}

/** Decoded names in the order of the keys they begin: a folder sorts with its slash. */
async function namesIn(folder: string): Promise<readonly string[]> {
  const entries = (await unlessMissing(fs.promises.readdir(folder, { withFileTypes: true }))) ?? [];
  return entries
    .flatMap((entry) => {
      const name = decodeName(entry.name);
      return name === undefined ? [] : [entry.isDirectory() ? `${name}/` : name];
    })
    .toSorted(byBytes);
}

/** Undefined: not the file of a blob, but an unfinished one or somebody else's. */
function decodeName(name: string): string | undefined {
  try {
    const decoded = decodeURIComponent(name);
    return encodeSegment(decoded) === name ? decoded : undefined;
  } catch {
    return undefined;
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function pathOf(root: string, key: string): string {
  const valid = key.isWellFormed() && key.split("/").every(isSegment);
  if (valid) return join(root, encodeKey(key));
  throw new KitaruUsageError(
    `${JSON.stringify(key)} cannot be the key of a blob. Use names separated by single slashes, none of them \`.\` or \`..\`.`,
  );
}

function isSegment(name: string): boolean {
  return name !== "" && name !== "." && name !== "..";
}

/** Percent-encodes what some file system refuses in a name; hashes and plain names stay as they are. */
function encodeKey(key: string): string {
  return key.split("/").map(encodeSegment).join("/");
}

function encodeSegment(name: string): string {
  return encodeURIComponent(name).replaceAll("*", "%2A");
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
    throw error;
  }
}
