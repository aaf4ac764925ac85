import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { describeBlobs } from "../../testing/conformance/blobs.ts";
import { openBlobs } from "./blobs.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kitaru-blobs-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeBlobs("local blobs", { open: () => openBlobs({ folder: join(folder, "normal") }) });
describeBlobs("local blobs, full durability", {
  open: () => openBlobs({ folder: join(folder, "full"), durability: "full" }),
});

const contentType = "text/plain";
const hello = Buffer.from("hello");

test("a hash is a file of that name, and nothing else is left", async () => {
  const root = join(folder, "plain");
  await openBlobs({ folder: root }).put("blobs/ab/abcd", hello, { contentType });
  expect(await readFile(join(root, "blobs/ab/abcd"), "utf8")).toBe("hello");
  expect(await readdir(join(root, "blobs/ab"))).toEqual(["abcd"]);
});

test("keys cannot leave the folder", async () => {
  const root = join(folder, "jail");
  const store = openBlobs({ folder: root });
  const keys = ["../x", "a/../../x", "/etc/x", "", "a//b", "a/", ".", "a/./b", "\uD800"];
  for (const key of keys) {
    await expect(async () => store.put(key, hello, { contentType })).rejects.toThrow(
      "cannot be the key",
    );
    await expect(async () => store.get(key)).rejects.toThrow("cannot be the key");
  }
  await store.put("..%2f..%2fx", hello, { contentType });
  await store.put("..\\x", hello, { contentType });
  expect((await store.list({ prefix: "" })).keys).toEqual(["..%2f..%2fx", "..\\x"]);
  expect(await readdir(dirname(root))).not.toContain("x");
});

test("drafts a crash left behind and files of others are not listed", async () => {
  const root = join(folder, "crashed");
  const store = openBlobs({ folder: root });
  await store.put("blobs/a", hello, { contentType });
  await writeFile(join(root, "blobs", "%tmp-0"), "hel");
  await writeFile(join(root, "blobs", "100%"), "");
  await writeFile(join(root, "some file.txt"), "");
  expect((await store.list({ prefix: "" })).keys).toEqual(["blobs/a"]);
});

test("ifAbsent leaves the file untouched, but mends one of another size", async () => {
  const root = join(folder, "torn");
  const store = openBlobs({ folder: root });
  await store.put("a", hello, { contentType });
  const { ino } = await stat(join(root, "a"));
  await store.put("a", hello, { contentType, ifAbsent: true });
  expect((await stat(join(root, "a"))).ino).toBe(ino);
  await writeFile(join(root, "a"), "");
  await store.put("a", hello, { contentType, ifAbsent: true });
  expect(await readFile(join(root, "a"), "utf8")).toBe("hello");
});

test("a folder that cannot exist is an error naming file, reason and remedy", async () => {
  const file = join(folder, "file");
  await writeFile(file, "");
  const put = openBlobs({ folder: join(file, "below") }).put("a", hello, { contentType });
  await expect(put).rejects.toMatchObject({
    code: "backend",
    message: expect.stringMatching(
      /^Cannot write .*below.a: the file cannot be opened or created\. Check/,
    ),
  });
});
