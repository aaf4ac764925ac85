import { isKitaruError, KitaruBackendError, messageOf } from "../../core/errors.ts";
import type { KitaruError } from "../../core/errors.ts";

/** What was being done, to which file. */
export interface StorageAction {
  readonly verb: "open" | "read" | "write" | "list";
  readonly path: string;
}

interface Explanation {
  readonly reason: string;
  readonly remedy: string;
  readonly corrupt?: boolean;
}

const full: Explanation = {
  reason: "the disk is full",
  remedy: "Free some space and try again; what was recorded before is safe.",
};
const denied: Explanation = {
  reason: "this user may not write there",
  remedy: "Check the owner and the permissions of the file and of its folder.",
};
const readOnly: Explanation = {
  reason: "the file or its folder is read-only",
  remedy: "Make both writable, or choose another folder in the stack's config.",
};
const unopenable: Explanation = {
  reason: "the file cannot be opened or created",
  remedy: "Check that its folder exists, that it is a folder, and that this user may write there.",
};
const busy: Explanation = {
  reason: "another process has kept the file locked for more than 5 seconds",
  remedy: "Find the process that holds it (a debugger or a database browser, often) and try again.",
};
const noDatabase: Explanation = {
  reason: "it is not a SQLite database",
  remedy: "Point the stack's config at another file, or move this one away.",
  corrupt: true,
};
const damaged: Explanation = {
  reason: "its content is damaged",
  remedy:
    "Restore it from a backup, or move it away together with its -wal and -shm files to start empty.",
  corrupt: true,
};
const deviceFailed: Explanation = {
  reason: "the disk reported an error",
  remedy: "Check the disk; network drives cannot hold this file, so keep it on a local one.",
};

/** By primary result code: https://sqlite.org/rescode.html */
const bySqliteCode: Readonly<Record<number, Explanation>> = {
  3: denied,
  5: busy,
  6: busy,
  8: readOnly,
  10: deviceFailed,
  11: damaged,
  13: full,
  14: unopenable,
  15: deviceFailed,
  18: { reason: "a value is larger than SQLite takes", remedy: "Store it as a blob." },
  26: noDatabase,
};

/** What a full disk says where SQLite keeps the index of its log: an extended result code. */
const logIndexDoesNotFit = 4874;

const bySystemCode: Readonly<Record<string, Explanation>> = {
  EACCES: denied,
  EPERM: denied,
  EROFS: readOnly,
  ENOSPC: full,
  EDQUOT: full,
  EIO: deviceFailed,
  EEXIST: unopenable,
  ENOTDIR: unopenable,
  EISDIR: unopenable,
  ENOENT: unopenable,
  ENAMETOOLONG: { reason: "the name is too long", remedy: "Choose a shorter one." },
  EMFILE: {
    reason: "this process has too many files open",
    remedy: "Raise the limit (`ulimit -n`), or do less at once.",
  },
};

/** Turn what a file or a database threw into an error that names the file, the reason and the remedy. */
export function storageError(action: StorageAction, cause: unknown): KitaruError {
  if (isKitaruError(cause)) return cause;
  const known = explain(cause);
  const text = known === undefined ? messageOf(cause) : `${known.reason}. ${known.remedy}`;
  return new KitaruBackendError(`Cannot ${action.verb} ${action.path}: ${text}`, {
    code: known?.corrupt === true ? "corrupt" : "backend",
    cause,
    details: { path: action.path },
  });
}

/** Tell whether `error` is SQLite giving up on a lock. */
export function isBusy(error: unknown): boolean {
  const code = (extendedCode(error) ?? 0) & 0xff;
  return code === 5 || code === 6;
}

/** The `code` of a Node.js system error: `ENOENT`, … */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function explain(cause: unknown): Explanation | undefined {
  const code = extendedCode(cause);
  if (code === undefined) return bySystemCode[systemCode(cause) ?? ""];
  return code === logIndexDoesNotFit ? full : bySqliteCode[code & 0xff];
}

function extendedCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}
