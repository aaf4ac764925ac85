import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";

import { KitaruBackendError } from "../../core/errors.ts";
import { isBusy, storageError } from "./storage-error.ts";

const fs = process.getBuiltinModule("node:fs"); // an import would load fs.promises too

/** How a database is opened. */
export interface DatabaseOptions {
  readonly file: string;
  /** `normal`: a power loss may undo the last moments, a crash of the process nothing. `full`: neither does. */
  readonly durability: "normal" | "full";
  readonly readonly: boolean;
  /** Statements that make an empty database this one. */
  readonly schema: string;
  /** Version of `schema`. A file of a higher one is refused. */
  readonly version: number;
}

const lockTimeoutMs = 5000;
const cacheKiB = 1024;
const walLimitBytes = 16 * 1024 * 1024;
/** Marks the file as Kitaru's: "kita" in ASCII. */
const applicationId = 0x6b697461;

/** Open a database, and create it where it does not exist; safe while other processes do the same. */
export async function openDatabase(options: DatabaseOptions): Promise<DatabaseSync> {
  try {
    if (!options.readonly) fs.mkdirSync(dirname(options.file), { recursive: true });
    return await whileBusy(() => openOnce(options));
  } catch (error) {
    throw storageError({ verb: "open", path: options.file }, error);
  }
}

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
  if (inspect(database).version === 0) createSchema(database, options);
}

function createSchema(database: DatabaseSync, options: DatabaseOptions): void {
  database.exec("BEGIN IMMEDIATE");
  // Another process may have been first while this one waited for the lock.
  if (inspect(database).version === 0) {
    database.exec(options.schema);
    database.exec(`PRAGMA application_id = ${applicationId}`);
    database.exec(`PRAGMA user_version = ${options.version}`);
  }
  database.exec("COMMIT");
}

function checkOwner(database: DatabaseSync, options: DatabaseOptions): void {
  const { owner, version, tables } = inspect(database);
  if (owner !== applicationId) {
    if (tables === 0 && !options.readonly) return;
    throw new KitaruBackendError(
      `${options.file} is a SQLite database, but not one of Kitaru's. ` +
        `Choose another folder in the stack's config, or move this file away.`,
    );
  }
  if (version > options.version) {
    throw new KitaruBackendError(
      `${options.file} was written by a newer Kitaru (format ${version}; this one reads up to ${options.version}). ` +
        `Upgrade this program's \`kitaru\` package, or choose another folder in the stack's config.`,
      { details: { found: version, supported: options.version } },
    );
  }
}

interface Facts {
  readonly owner: number;
  readonly version: number;
  readonly tables: number;
}

/** One statement: another process may be creating the schema between two. */
function inspect(database: DatabaseSync): Facts {
  const row = database
    .prepare(
      `SELECT application_id AS owner, user_version AS version, (SELECT count(*) FROM sqlite_schema) AS tables
       FROM pragma_application_id, pragma_user_version`,
    )
    .get();
  return {
    owner: Number(row?.["owner"]),
    version: Number(row?.["version"]),
    tables: Number(row?.["tables"]),
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
