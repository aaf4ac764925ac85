import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { describeRecords } from "../../testing/conformance/records.ts";
import { openRecords } from "./records.ts";
import type { LocalRecords } from "./records.ts";
import { storageError } from "./storage-error.ts";

let folder: string;
const mounts: string[] = [];
let count = 0;
const freshFile = (): string => join(folder, String((count += 1)), "kitaru.db");

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kitaru-records-"));
});
afterAll(async () => {
  for (const mount of mounts) execFileSync("umount", [mount]);
  await rm(folder, { recursive: true, force: true });
});

const capabilities = { recordBytes: 8 * 1024 * 1024 };
describeRecords("local records", { open: () => openRecords({ file: freshFile() }), capabilities });
describeRecords("local records, full durability", {
  open: () => openRecords({ file: freshFile(), durability: "full" }),
  capabilities,
});

describe("group commit", () => {
  const put = (records: LocalRecords, sort: string, body = "x") =>
    records.put({ partition: "p", sort, body }, "absent");

  test("writes issued together share a transaction, a lone one has none", async () => {
    const file = freshFile();
    const records = await openRecords({ file });
    const commits = countCommits(file);
    await put(records, "lone");
    expect(commits()).toBe(1);
    await Promise.all([put(records, "a"), put(records, "b"), put(records, "c")]);
    expect(commits()).toBe(1);
    await records.close();
  });

  test("writes of one turn share a transaction while they concern several partitions", async () => {
    const file = freshFile();
    const records = await openRecords({ file });
    const commits = countCommits(file);
    const chain = async (partition: string): Promise<void> => {
      for (let n = 0; n < 5; n += 1) {
        await records.put({ partition, sort: `${n}`, body: "x" }, "absent");
        await turn();
      }
    };
    await Promise.all(["a", "b", "c", "d"].map(chain));
    expect(commits()).toBeLessThanOrEqual(5 + 1);
    await records.close();
  });

  test("a write is committed in its turn while all concern one partition", async () => {
    const file = freshFile();
    const records = await openRecords({ file });
    const isOver = vi.fn<() => void>();
    setImmediate(isOver);
    for (let n = 0; n < 5; n += 1) await put(records, `${n}`);
    expect(isOver).not.toHaveBeenCalled();
    await records.close();
  });

  test("the end of a turn is asked for only after the partition has changed", async () => {
    const records = await openRecords({ file: freshFile() });
    const ask = vi.spyOn(globalThis, "setImmediate");
    const asked = async (partition: string, sort: string): Promise<number> => {
      ask.mockClear();
      await records.put({ partition, sort, body: "x" }, "absent");
      const asks = ask.mock.calls.length;
      await turn();
      return asks;
    };
    expect([await asked("a", "1"), await asked("a", "2"), await asked("a", "3")]).toEqual([
      1, 1, 0,
    ]);
    expect([await asked("b", "1"), await asked("b", "2"), await asked("b", "3")]).toEqual([
      1, 1, 0,
    ]);
    ask.mockRestore();
    await records.close();
  });

  test("writes of one turn share a transaction whichever partition comes first", async () => {
    const file = freshFile();
    const records = await openRecords({ file });
    const commits = countCommits(file);
    for (let n = 0; n < 6; n += 1) {
      const order = n % 2 === 0 ? ["a", "b"] : ["b", "a"];
      const written = order.map((partition) =>
        Promise.resolve().then(() => records.put({ partition, sort: `${n}`, body: "x" }, "absent")),
      );
      await Promise.all(written);
      await turn();
    }
    expect(commits()).toBeLessThanOrEqual(6 + 2);
    await records.close();
  });

  test("a crowd is expected to come again, until a turn without one", async () => {
    const records = await openRecords({ file: freshFile() });
    const crowd = ["a", "b"].map((partition) =>
      records.put({ partition, sort: "1", body: "x" }, "absent"),
    );
    await Promise.all(crowd);
    await turn();
    const isOver = vi.fn<() => void>();
    setImmediate(isOver);
    await put(records, "alone");
    expect(isOver).toHaveBeenCalledTimes(1);
    await turn();
    setImmediate(isOver);
    await put(records, "alone again");
    expect(isOver).toHaveBeenCalledTimes(1);
    await records.close();
  });

  test("a lone write that fails is explained", async () => {
    const records = await openRecords({ file: freshFile() });
    const broken = {} as unknown as string;
    await expect(put(records, broken)).rejects.toMatchObject({ code: "backend" });
    await expect(put(records, "after")).resolves.toMatchObject({ ok: true });
    await records.close();
  });

  test("a write that throws fails alone", async () => {
    const records = await openRecords({ file: freshFile() });
    const broken = {} as unknown as string;
    const results = await Promise.allSettled([
      put(records, "before"),
      put(records, broken),
      put(records, "before"),
      put(records, "after"),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    expect(results[2]).toMatchObject({ value: { ok: false } });
    const { items } = await records.list({ partition: "p" });
    expect(items.map(({ sort }) => sort)).toEqual(["after", "before"]);
    await records.close();
  });

  test("a read sees the writes issued before it, in the same turn", async () => {
    const records = await openRecords({ file: freshFile() });
    const due = { due: { partition: "due", sort: "1" } };
    const written = records.put({ partition: "p", sort: "a", body: "1", indexes: due }, "absent");
    const index = records.listIndex("due", { partition: "due" });
    void put(records, "b");
    const list = records.list({ partition: "p" });
    void put(records, "c");
    expect((await records.get({ partition: "p", sort: "c" }))?.body).toBe("x");
    expect((await index).items).toHaveLength(1);
    expect((await list).items).toHaveLength(2);
    expect(await written).toMatchObject({ ok: true });
    await records.close();
  });

  test("close commits what is queued, and refuses what follows", async () => {
    const file = freshFile();
    const records = await openRecords({ file });
    const queued = put(records, "a");
    await records.close();
    await records.close();
    expect(await queued).toMatchObject({ ok: true });
    await expect(put(records, "b")).rejects.toThrow(`The records in ${file} have been closed`);
    await expect(records.get({ partition: "p", sort: "a" })).rejects.toThrow("closed");
    const again = await openRecords({ file });
    expect((await again.get({ partition: "p", sort: "a" }))?.body).toBe("x");
    await again.close();
  });
});

describe("paging", () => {
  test("a page stays below 4 MB", async () => {
    const records = await openRecords({ file: freshFile() });
    const body = "x".repeat(1_500_000);
    for (const sort of ["a", "b", "c"]) await records.put({ partition: "p", sort, body }, "absent");
    const page = await records.list({ partition: "p" });
    expect(page.items.map(({ sort }) => sort)).toEqual(["a", "b"]);
    const rest = await records.list({ partition: "p", cursor: page.cursor ?? "" });
    expect(rest.items.map(({ sort }) => sort)).toEqual(["c"]);
    expect(rest.cursor).toBeUndefined();
    await records.close();
  });

  test("what is not a cursor is refused", async () => {
    const records = await openRecords({ file: freshFile() });
    for (const cursor of ["", "j/000001", "[]", "[{}]", '["a",1]']) {
      const list = records.list({ partition: "p", cursor });
      await expect(list).rejects.toMatchObject({ code: "usage" });
    }
    await records.close();
  });

  test("no listing sorts or scans", async () => {
    const file = freshFile();
    await (await openRecords({ file })).close();
    const database = new DatabaseSync(file);
    const plan = (where: string, order: string): string =>
      JSON.stringify(
        database
          .prepare(
            `EXPLAIN QUERY PLAN SELECT * FROM records WHERE ${where} ORDER BY ${order} LIMIT 2`,
          )
          .all(),
      );
    expect(plan("partition = ? AND (sort) < (?)", "sort DESC")).toContain(
      "USING INDEX records_by_key (partition=? AND sort<?)",
    );
    const due = plan(
      "due_partition = ? AND due_sort >= ? AND (due_sort, id) > (?, ?)",
      "due_sort, id",
    );
    expect(due).toContain("USING INDEX records_by_due");
    expect(due).not.toContain("TEMP B-TREE");
    database.close();
  });
});

describe("several processes on one file", () => {
  test("open a new file at once, and each record is created by one of them", async () => {
    const file = freshFile();
    const outputs = await Promise.all(Array.from({ length: 6 }, () => run("claim", file)));
    const won = outputs.flat().toSorted((a, b) => Number(a) - Number(b));
    expect(won).toEqual(Array.from({ length: 100 }, (_, index) => String(index)));
  }, 30_000);

  test("count together without losing an increment", async () => {
    const file = freshFile();
    const outputs = await Promise.all(Array.from({ length: 3 }, () => run("count", file)));
    const counts = outputs.flat().toSorted((a, b) => Number(a) - Number(b));
    expect(counts).toEqual(Array.from({ length: 300 }, (_, index) => String(index + 1)));
  }, 30_000);

  test.for(["append", "batch"])(
    "kill -9 loses nothing acknowledged (%s)",
    { timeout: 30_000 },
    async (command) => {
      const file = freshFile();
      const acknowledged = await runAndKill(command, file, 500);
      const records = await openRecords({ file });
      const found: string[] = [];
      for (let cursor: { cursor?: string } | undefined = {}; cursor !== undefined;) {
        const page = await records.list({ partition: "journal", ...cursor });
        expect(page.items.every(({ sort, body }) => body === sort.repeat(300))).toBe(true);
        found.push(...page.items.map(({ sort }) => sort));
        cursor = page.cursor === undefined ? undefined : { cursor: page.cursor };
      }
      expect(acknowledged.length).toBeGreaterThanOrEqual(500);
      expect(found.slice(0, acknowledged.length)).toEqual(acknowledged);
      expect(found.length % (command === "batch" ? 20 : 1)).toBe(0);
      const next = await records.put({ partition: "journal", sort: "x", body: "" }, "absent");
      expect(next.ok).toBe(true);
      await records.close();
      const database = new DatabaseSync(file);
      expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      database.close();
    },
  );

  test("a lock held for longer than 5 seconds is an error, once for a whole batch", async () => {
    const file = freshFile();
    const records = await openRecords({ file });
    const blocker = new DatabaseSync(file);
    blocker.exec("BEGIN IMMEDIATE");
    const puts = ["a", "b", "c"].map((sort) =>
      records.put({ partition: "p", sort, body: "" }, "absent"),
    );
    const startedAt = performance.now();
    const results = await Promise.allSettled(puts);
    expect(performance.now() - startedAt).toBeLessThan(9000);
    for (const result of results) {
      expect(result).toMatchObject({
        reason: {
          code: "backend",
          message: expect.stringContaining("locked for more than 5 seconds"),
        },
      });
    }
    blocker.exec("ROLLBACK");
    blocker.close();
    const later = await records.put({ partition: "p", sort: "a", body: "" }, "absent");
    expect(later).toMatchObject({ ok: true });
    await records.close();
  }, 30_000);
});

describe("files of an older version", () => {
  /** A file as version 1 was: without times of expiry. */
  const olderFile = async (): Promise<string> => {
    const file = freshFile();
    const records = await openRecords({ file });
    await records.put({ partition: "p", sort: "a", body: "old" }, "absent");
    await records.close();
    const database = new DatabaseSync(file);
    database.exec(`DROP INDEX records_by_expiry; ALTER TABLE records DROP COLUMN expires_at;
      PRAGMA user_version = 1`);
    database.close();
    return file;
  };

  test("are brought up to date, by whoever comes first of several", async () => {
    const file = await olderFile();
    const opened = await Promise.all([openRecords({ file }), openRecords({ file })]);
    for (const records of opened) {
      const found = await records.get({ partition: "p", sort: "a" });
      expect(found).toMatchObject({ body: "old" });
      expect(found).not.toHaveProperty("expiresAt");
    }
    const expiresAt = Math.floor(Date.now() / 1000) * 1000 - 1000;
    await opened[0].put({ partition: "p", sort: "b", body: "", expiresAt }, "absent");
    expect(await opened[1].get({ partition: "p", sort: "b" })).toBeUndefined();
    expect(await opened[1].deleteExpired?.(10)).toBe(1);
    await Promise.all(opened.map((records) => records.close()));
  });

  test("are not changed by who only reads, which says so", async () => {
    const file = await olderFile();
    await expect(openRecords({ file, readonly: true })).rejects.toMatchObject({
      name: "KitaruBackendError",
      message:
        `${file} was written by an older Kitaru (format 1; this one reads 2). ` +
        "Open it once without `readonly`, which brings it up to date.",
    });
  });
});

describe("files that cannot be used", () => {
  test("written by a newer version", async () => {
    const file = freshFile();
    await (await openRecords({ file })).close();
    const database = new DatabaseSync(file);
    database.exec("PRAGMA user_version = 7");
    database.close();
    await expect(openRecords({ file })).rejects.toMatchObject({
      name: "KitaruBackendError",
      message:
        `${file} was written by a newer Kitaru (format 7; this one reads up to 2). ` +
        "Upgrade this program's `kitaru` package, or choose another folder in the stack's config.",
    });
  });

  test("another program's database", async () => {
    const file = await freshFolder();
    const database = new DatabaseSync(file);
    database.exec("CREATE TABLE theirs (a)");
    database.close();
    await expect(openRecords({ file })).rejects.toThrow("but not one of Kitaru's");
  });

  test("not a database", async () => {
    const file = await freshFolder();
    await writeFile(file, "garbage ".repeat(1000));
    await expect(openRecords({ file })).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringMatching(
        /^Cannot open .*kitaru\.db: it is not a SQLite database\. Point/,
      ),
    });
  });

  test("a damaged database", async () => {
    const file = freshFile();
    const records = await openRecords({ file });
    const body = "x".repeat(3000);
    const sorts = Array.from({ length: 50 }, (_, index) => String(index));
    await Promise.all(sorts.map((sort) => records.put({ partition: "p", sort, body }, "absent")));
    await records.close();
    execFileSync(
      "dd",
      ["if=/dev/urandom", `of=${file}`, "bs=4096", "seek=2", "count=40", "conv=notrunc"],
      {
        stdio: "ignore",
      },
    );
    const damaged = await openRecords({ file });
    await expect(damaged.list({ partition: "p" })).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringContaining("its content is damaged. Restore it"),
    });
    await damaged.close();
  });

  test("what is left of a database: an empty file, or its log alone; neither is touched", async () => {
    const file = await freshFolder();
    await writeFile(file, "");
    const error = { code: "corrupt", message: expect.stringContaining("Restore it from a backup") };
    await expect(openRecords({ file })).rejects.toMatchObject(error);
    await expect(openRecords({ file, readonly: true })).rejects.toMatchObject(error);
    await rm(file);
    await writeFile(`${file}-wal`, "frames");
    await expect(openRecords({ file })).rejects.toMatchObject(error);
    expect(await readdir(dirname(file))).toEqual(["kitaru.db-wal"]);
    expect(await readFile(`${file}-wal`, "utf8")).toBe("frames");
    await rm(`${file}-wal`);
    const records = await openRecords({ file });
    expect((await readdir(dirname(file))).filter((name) => name.includes("new"))).toEqual([]);
    await records.close();
  });

  test("a folder where a file is expected", async () => {
    const file = freshFile();
    await mkdir(file, { recursive: true });
    await expect(openRecords({ file })).rejects.toThrow("cannot be opened or created");
  });

  test("a file where a folder is expected", async () => {
    const file = await freshFolder();
    await writeFile(file, "");
    await expect(openRecords({ file: join(file, "kitaru.db") })).rejects.toMatchObject({
      code: "backend",
      message: expect.stringContaining("cannot be opened or created"),
    });
  });

  test("a read-only folder", async (context) => {
    const file = freshFile();
    await mkdir(join(file, ".."), { recursive: true });
    if (process.getuid?.() !== 0) await chmod(join(file, ".."), 0o555);
    else if (!mountTmpfs(join(file, ".."), "ro"))
      context.skip("root may write anywhere, and cannot mount here");
    await expect(openRecords({ file })).rejects.toMatchObject({
      name: "KitaruBackendError",
      message: expect.stringMatching(
        /^Cannot open .*: the file cannot be opened or created\. Check/,
      ),
    });
  });

  test("a full disk: the write fails, what was there stays", async (context) => {
    const file = freshFile();
    await mkdir(join(file, ".."), { recursive: true });
    if (!mountTmpfs(join(file, ".."), "size=512k"))
      context.skip("no file system can be mounted here");
    const records = await openRecords({ file });
    const fits = await records.put({ partition: "p", sort: "a", body: "kept" }, "absent");
    expect(fits.ok).toBe(true);
    const body = "x".repeat(200_000);
    const writes = ["b", "c", "d", "e"].map((sort) =>
      records.put({ partition: "p", sort, body }, "absent"),
    );
    const results = await Promise.allSettled(writes);
    const failed = results.filter(({ status }) => status === "rejected");
    expect(failed.length).toBeGreaterThan(0);
    expect(failed[0]).toMatchObject({
      reason: {
        message: expect.stringMatching(/^Cannot write .*: the disk is full\. Free some space/),
      },
    });
    expect((await records.get({ partition: "p", sort: "a" }))?.body).toBe("kept");
    await records.close();
  });

  test("opened read-only", async () => {
    const file = freshFile();
    await expect(openRecords({ file, readonly: true })).rejects.toThrow(
      "cannot be opened or created",
    );
    const writable = await openRecords({ file });
    const key = { partition: "p", sort: "a" };
    await writable.put({ ...key, body: "1" }, "absent");
    const records = await openRecords({ file, readonly: true });
    expect((await records.get(key))?.body).toBe("1");
    await expect(records.put({ ...key, body: "2" }, "absent")).rejects.toThrow("read-only");
    await records.close();
    await writable.close();
  });

  test("every reason has its own words", () => {
    const explain = (cause: object): string =>
      storageError({ verb: "write", path: "/f" }, Object.assign(new Error("raw"), cause)).message;
    expect(explain({ errcode: 13 })).toContain("disk is full");
    expect(explain({ errcode: 266 })).toContain("disk reported an error");
    expect(explain({ code: "ENOSPC" })).toContain("disk is full");
    expect(explain({ code: "EACCES" })).toContain("may not write there");
    expect(explain({ code: "EROFS" })).toContain("read-only");
    expect(explain({ code: "EWHAT" })).toBe("Cannot write /f: raw");
  });
});

/** Let the event loop come round. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A new file's path, in a folder that exists. */
async function freshFolder(): Promise<string> {
  const file = freshFile();
  await mkdir(join(file, ".."), { recursive: true });
  return file;
}

/** Commits since the last look: frames of the log that carry the size of the database. */
function countCommits(file: string): () => number {
  const frameBytes = 24 + 4096;
  const total = (): number => {
    const log = readFileSync(`${file}-wal`);
    let commits = 0;
    for (let at = 32; at < log.length; at += frameBytes)
      commits += log.readUInt32BE(at + 4) > 0 ? 1 : 0;
    return commits;
  };
  let seen = total();
  return () => {
    const before = seen;
    seen = total();
    return seen - before;
  };
}

function mountTmpfs(path: string, options: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path], { stdio: "ignore" });
  } catch {
    return false;
  }
  mounts.push(path);
  return true;
}

function start(
  command: string,
  file: string,
): ChildProcess & { readonly stdout: NodeJS.ReadableStream } {
  const script = fileURLToPath(new URL("./fixtures/writer.ts", import.meta.url));
  return spawn(process.execPath, [script, command, file], { stdio: ["ignore", "pipe", "pipe"] });
}

async function run(command: string, file: string): Promise<string[]> {
  const child = start(command, file);
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr!)]);
  if (child.exitCode === null) await once(child, "exit");
  expect(errors).not.toContain("SQLite");
  expect({ exitCode: child.exitCode, errors }).toMatchObject({ exitCode: 0 });
  return output.split("\n").filter((line) => line !== "");
}

/** The lines printed by a process that is killed soon after its `enough`th. */
async function runAndKill(command: string, file: string, enough: number): Promise<string[]> {
  const child = start(command, file);
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    if (lines.length === enough) child.kill("SIGKILL");
  }
  return lines;
}
