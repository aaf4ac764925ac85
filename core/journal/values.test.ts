import { expect, test } from "vitest";
import { memoryBlobs } from "../../testing/memory.ts";
import type { BlobStore } from "../ports/blobs.ts";
import {
  ValueStore,
  blobKey,
  isBlobRef,
  isPlainScalar,
  undefinedRef,
  utf8Length,
} from "./values.ts";

function store(inlineBytes = 64): { values: ValueStore; blobs: BlobStore } {
  const blobs = memoryBlobs();
  return { values: new ValueStore(blobs, inlineBytes), blobs };
}

const cycle: Record<string, unknown> = { name: "cycle" };
cycle["self"] = cycle;

test.each([
  undefined,
  null,
  0,
  -0,
  "",
  false,
  Number.NaN,
  -Infinity,
  new Date(5),
  new Map([[1, new Set(["a"])]]),
  10n ** 30n,
  new Uint8Array([0, 255, 7]),
  "👩‍🚀 \u0000 \uD800",
  { deep: [{ a: undefined }] },
  cycle,
])("%o comes back, inline and as a blob", async (value) => {
  for (const inlineBytes of [10_000, 0]) {
    const { values } = store(inlineBytes);
    const ref = await values.put(value);
    const json = JSON.parse(JSON.stringify(ref)) as typeof ref;
    expect(await values.get(json)).toEqual(value);
  }
});

test("short scalars are their own ref, also where nothing may be inline", () => {
  const { values } = store(0);
  for (const value of ["text", 7, true, null]) expect(values.put(value)).toEqual({ v: value });
  expect([-0, Number.NaN, Infinity, undefined, "x".repeat(257), {}].some(isPlainScalar)).toBe(
    false,
  );
});

test("what is longer than the limit becomes a blob, written once under its hash, readable in the bucket", async () => {
  const { values, blobs } = store();
  const puts: [string, string][] = [];
  const put = blobs.put.bind(blobs);
  blobs.put = async (key, bytes, options) => {
    puts.push([key, options.contentType]);
    expect(options.ifAbsent).toBe(true);
    return put(key, bytes, options);
  };
  const ref = await values.put({ text: "x".repeat(100) });
  if (!isBlobRef(ref)) throw new Error("inline");
  expect(puts).toEqual([[blobKey(ref.b), expect.stringContaining("json")]]);
  expect(new TextDecoder().decode(await blobs.get(blobKey(ref.b)))).toBe(
    JSON.stringify({ text: "x".repeat(100) }),
  );
  expect(ref.n).toBe(111);
});

test("the bytes of a text are given up once they are stored, those of a caller never", async () => {
  const { values, blobs } = store();
  const seen: Uint8Array[] = [];
  const put = blobs.put.bind(blobs);
  blobs.put = async (key, bytes, options) => {
    seen.push(bytes);
    await put(key, bytes, options);
    expect(bytes.byteLength).toBe(300);
  };
  const given = new Uint8Array(300).fill(7);
  await values.put("x".repeat(300));
  await values.putEncoded({ kind: "bytes", bytes: given });
  expect(seen.map((bytes) => bytes.byteLength)).toEqual([0, 300]);
  expect(given).toEqual(new Uint8Array(300).fill(7));
  blobs.put = () => Promise.reject(new Error("away"));
  await expect(values.put("y".repeat(300))).rejects.toThrow("away");
});

test("the limit counts bytes, not characters", async () => {
  const { values } = store(64);
  expect(isBlobRef(await values.put(["x".repeat(60)]))).toBe(false);
  expect(isBlobRef(await values.put(["ü".repeat(60)]))).toBe(true);
  expect(utf8Length("ü👩")).toBe(6);
});

test("a blob is verified when it is read, and a fresh copy each time", async () => {
  const { values, blobs } = store();
  const ref = await values.put({ list: Array.from({ length: 50 }, (_, n) => n) });
  if (!isBlobRef(ref)) throw new Error("inline");
  const first = (await values.get(ref)) as { list: number[] };
  first.list.length = 0;
  expect(await values.get(ref)).not.toEqual(first);
  const key = blobKey(ref.b);
  const bytes = await blobs.get(key);
  for (const [broken, message] of [
    [new Uint8Array([1, 2]), "its content does not match its hash"],
    [bytes?.map((byte) => byte ^ 1), "its content does not match its hash"],
  ] as const) {
    await blobs.put(key, broken ?? new Uint8Array(), { contentType: "x" });
    await expect(values.get(ref)).rejects.toThrow(message);
  }
  await expect(store().values.get(ref)).rejects.toMatchObject({
    code: "corrupt",
    message: expect.stringContaining(
      `${key} (${ref.n} bytes) cannot be read: it is missing`,
    ) as string,
  });
});

test("the ref to undefined, and what cannot be stored", () => {
  const { values } = store();
  expect(values.get(undefinedRef)).toBeUndefined();
  expect(() => values.put({ send: () => 1 }, "the result of a:0")).toThrow(/the result of a:0/);
});
