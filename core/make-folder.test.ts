import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { makeFolder } from "./make-folder.ts";

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kitaru-folder-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("a folder and those it lies in are made; what was there is told apart", () => {
  const folder = emptyFolder();
  expect(makeFolder(join(folder, "a", "b", "c"))).toBe(join(folder, "a"));
  expect(existsSync(join(folder, "a", "b", "c"))).toBe(true);
  expect(makeFolder(join(folder, "a", "b"))).toBeUndefined();
  expect(makeFolder(join(folder, "a", "d"))).toBe(join(folder, "a", "d"));
  expect(makeFolder("/")).toBeUndefined();
});

test("a file is no folder, and nothing can be made in it", () => {
  const file = join(emptyFolder(), "file");
  writeFileSync(file, "");
  expect(() => makeFolder(file)).toThrow("EEXIST");
  expect(() => makeFolder(join(file, "below"))).toThrow("ENOTDIR");
});

test.skipIf(process.platform !== "linux")(
  process.platform === "linux" ? "in /proc it ends" : "in /proc (skipped: only Linux has it)",
  () => {
    expect(() => makeFolder("/proc/a/b")).toThrow("ENOENT");
  },
);
