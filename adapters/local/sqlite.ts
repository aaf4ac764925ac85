import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";

import { KitaruBackendError } from "../../core/errors.ts";
import { makeFolder } from "../../core/make-folder.ts";
import { isBusy, storageError, systemCode } from "./storage-error.ts";
import { uniqueText } from "./unique.ts";

const fs = process.getBuiltinModule("node:fs"); // an import would load fs.promises too

/** How a database is opened. */
export interface DatabaseOptions {
  readonly file: string;
  /** `normal`: a power loss may undo the last moments, a crash of the process nothing. `full`: neither does. */
  readonly durability: "normal" | "full";
  readonly readonly: boolean;
  /** Statements that make an empty database this one. */
  readonly schema: string;
  /**
   * Statements that bring a file of an older version up to date: the first one of version 1, the second one of version 2. The
   * version of `schema` is the one after; a file of a higher version is refused.
   */
  readonly upgrades: readonly string[];
}

const lockTimeoutMs = 5000;
const cacheKiB = 1024;
const walLimitBytes = 16 * 1024 * 1024;
/** Marks the file as Kitaru's: "kita" in ASCII. */
const applicationId = 0x6b697461;

/** Open a database, and create it where it does not exist; safe while other processes do the same. */
export async function openDatabase(options: DatabaseOptions): Promise<DatabaseSync> {
  try {
    if (!isThere(options.file) && !options.readonly) createDatabase(options);
    // SQLite would make a log that nobody may write to either, and leave it behind.
    if (!options.readonly) fs.accessSync(options.file, fs.constants.W_OK);
    return await whileBusy(() => openOnce(options));
  } catch (error) {
    throw storageError({ verb: "open", path: options.file }, error);
  }
}

/**
 * Whether there is a database. Throws for what is left of one: as databases are put in place whole, an empty file has
 * lost its content, and SQLite would throw a log without its database away.
 */
function isThere(file: string): boolean {
  const log = sizeOf(`${file}-wal`); // first: the database is there before its log is
  const size = sizeOf(file);
  if (size === 0) throw remains(file, "the file is empty");
  if (size === undefined && log !== undefined && log > 0)
    throw remains(file, "the file is gone, and its -wal file is still there");
  return size !== undefined;
}

function sizeOf(file: string): number | undefined {
  return fs.statSync(file, { throwIfNoEntry: false })?.size;
}

function remains(file: string, what: string): KitaruBackendError {
  return new KitaruBackendError(
    `Cannot open ${file}: ${what}. Restore it from a backup, or move it away together with its -wal and -shm files to start empty; nothing was changed.`,
    { code: "corrupt", details: { path: file } },
  );
}

/** Make the database under another name and put it in place whole. Another process may be first: its database stays. */
function createDatabase(options: DatabaseOptions): void {
  const { file } = options;
  makeFolder(dirname(file));
  const draft = `${file}.new-${uniqueText()}`;
  try {
    makeDraft(draft, options);
    putInPlace(draft, file);
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function makeDraft(draft: string, options: DatabaseOptions): void {
  const database = new (loadSqlite().DatabaseSync)(draft);
  try {
    database.exec("PRAGMA journal_mode = MEMORY"); // nobody reads what a crash leaves
    database.exec(`BEGIN; ${options.schema}; PRAGMA application_id = ${applicationId};
      PRAGMA user_version = ${versionOf(options)}; COMMIT`);
    database.exec("PRAGMA journal_mode = WAL");
  } finally {
    database.close();
  }
}

function putInPlace(draft: string, file: string): void {
  try {
    fs.linkSync(draft, file);
  } catch (error) {
    const code = systemCode(error);
    if (code === "EEXIST") return;
    if (code === undefined || !withoutLinks.has(code)) throw error;
    if (!fs.existsSync(file)) fs.renameSync(draft, file);
  }
}

/** What file systems without hard links say. */
const withoutLinks: ReadonlySet<string> = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);

/** Switching a new file to WAL fails at once when another process does the same, whatever the lock timeout. */
async function whileBusy<T>(step: () => T): Promise<T> {
  const giveUpAt = Date.now() + lockTimeoutMs;
  for (;;) {
    try {
      return step();
    } catch (error) {
      if (!isBusy(error) || Date.now() >= giveUpAt) throw error;
      await pause(5 + Math.random() * 20);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function openOnce(options: DatabaseOptions): DatabaseSync {
  const { DatabaseSync } = loadSqlite();
  const database = new DatabaseSync(options.file, { readOnly: options.readonly });
  try {
    database.exec(`PRAGMA busy_timeout = ${lockTimeoutMs}; PRAGMA cache_size = -${cacheKiB}`);
    checkOwner(database, options);
    if (!options.readonly) prepareForWriting(database, options);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepareForWriting(database: DatabaseSync, options: DatabaseOptions): void {
  const full = options.durability === "full";
  // The page size stays at 4096: rows under 4 KB are written 1.5 times as fast as with 8192.
  database.exec("PRAGMA journal_mode = WAL");
  database.exec(`PRAGMA journal_size_limit = ${walLimitBytes}`);
  database.exec(`PRAGMA synchronous = ${full ? "FULL" : "NORMAL"}`);
  // macOS: fsync alone leaves the data in the drive's cache.
  if (full) database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
  if (inspect(database).version < versionOf(options)) upgrade(database, options);
}

/** Whoever comes second finds it done. */
function upgrade(database: DatabaseSync, options: DatabaseOptions): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    const steps = options.upgrades.slice(inspect(database).version - 1);
    database.exec(`${steps.join("; ")}; PRAGMA user_version = ${versionOf(options)}; COMMIT`);
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function versionOf({ upgrades }: DatabaseOptions): number {
  return upgrades.length + 1;
}

function checkOwner(database: DatabaseSync, options: DatabaseOptions): void {
  const { owner, version } = inspect(database);
  if (owner !== applicationId) {
    throw new KitaruBackendError(
      `${options.file} is a SQLite database, but not one of Kitaru's. ` +
        `Choose another folder in the stack's config, or move this file away.`,
    );
  }
  const supported = versionOf(options);
  if (version > supported) {
    throw new KitaruBackendError(
      `${options.file} was written by a newer Kitaru (format ${version}; this one reads up to ${supported}). ` +
        `Upgrade this program's \`kitaru\` package, or choose another folder in the stack's config.`,
      { details: { found: version, supported } },
    );
  }
  if (version < supported && options.readonly) {
    throw new KitaruBackendError(
      `${options.file} was written by an older Kitaru (format ${version}; this one reads ${supported}). ` +
        `Open it once without \`readonly\`, which brings it up to date.`,
      { details: { found: version, supported } },
    );
  }
}

interface Facts {
  readonly owner: number;
  readonly version: number;
}

function inspect(database: DatabaseSync): Facts {
  const row = database
    .prepare(
      `SELECT application_id AS owner, user_version AS version
       FROM pragma_application_id, pragma_user_version`,
    )
    .get();
  return {
    owner: Number(row?.["owner"]),
    version: Number(row?.["version"]),
  };
}

/**
 * Silent: Node 22 and 24 announce `node:sqlite` as experimental on stderr, in the middle of a flow's own output.
 * Loading is synchronous, so nothing else can warn meanwhile.
 */
function loadSqlite(): typeof import("node:sqlite") {
  const emitWarning = Object.getOwnPropertyDescriptor(process, "emitWarning") ?? {};
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule("node:sqlite");
  } finally {
    Object.defineProperty(process, "emitWarning", emitWarning);
  }
}
