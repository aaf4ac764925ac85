import { copyFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StackFolder } from "../stack-folder.ts";

let stack: StackFolder;
let id: string;

beforeEach(async () => {
  stack = await StackFolder.open(new URL("fixtures/flows.ts", import.meta.url));
  id = await stack.start("long", 20);
});
afterEach(() => stack.close());

const damages: Record<string, [make: () => unknown, says: RegExp]> = {
  "is no database": [
    () => writeFile(stack.file, "garbage ".repeat(1000)),
    /kitaru\.db: it is not a SQLite database\. Point/,
  ],
  "is empty": [
    () => truncate(stack.file),
    /kitaru\.db: the file is empty\. Restore it from a backup/,
  ],
  "is gone and has left its log": [
    () => rename(stack.file, `${stack.file}-wal`),
    /kitaru\.db: the file is gone, and its -wal file is still there\. Restore it from a backup/,
  ],
  "ends in the middle": [
    () => truncate(stack.file, 10_000),
    /kitaru\.db: its content is damaged\. Restore it from a backup/,
  ],
  "was written by a newer version": [
    () => stack.sql("PRAGMA user_version = 9"),
    /kitaru\.db was written by a newer Kitaru \(format 9; this one reads up to 2\)\. Upgrade/,
  ],
  "is another program's": [
    () => stack.sql("PRAGMA application_id = 1"),
    /kitaru\.db is a SQLite database, but not one of Kitaru's\. Choose another folder/,
  ],
};

test.each(Object.keys(damages))(
  "a database that %s: one clear error for everybody, and not a byte of it changes",
  async (what) => {
    const [make, says] = damages[what] as (typeof damages)[string];
    const backup = `${stack.root}/backup.db`;
    await copyFile(stack.file, backup);
    await make();
    const damaged = await stack.bytes();
    for (const args of [
      ["executions", "list"],
      ["executions", "get", id],
      ["executions", "input", id],
    ]) {
      const ran = await stack.run(...args);
      expect([args, ran.code, ran.out]).toEqual([args, 1, ""]);
      expect(ran.err).toMatch(says);
      expect(ran.err.match(/error: /g)).toHaveLength(1);
    }
    const started = await stack.run("run", `${stack.flowsFile}:short`, "--input", "1");
    expect(started.code).toBe(1);
    expect(started.err).toMatch(says);
    expect(await stack.bytes()).toEqual(damaged);

    await rm(`${stack.file}-wal`, { force: true });
    await copyFile(backup, stack.file);
    const answered = await stack.run("executions", "input", id);
    expect(answered.out).toBe("190 20000 20\n");
  },
);
