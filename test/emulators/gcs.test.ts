import { Storage } from "@google-cloud/storage";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CloudStorage, startCloudStorage } from "./gcs.ts";

let storage: CloudStorage;
let client: Storage;
beforeAll(async () => {
  storage = await startCloudStorage("agents");
  client = new Storage({
    apiEndpoint: storage.endpoint,
    projectId: "p",
    useAuthWithCustomEndpoint: false,
  });
});
afterAll(() => storage.close());

test("Google's own client writes, reads and lists what is there", async () => {
  const bucket = client.bucket("agents");
  await bucket.file("a/1").save("one", { resumable: false, contentType: "text/plain" });
  await bucket.file("a/2").save(Buffer.alloc(300_000, 7), { resumable: true });
  const [bytes] = await bucket.file("a/1").download({ validation: "md5" });
  expect(bytes.toString()).toBe("one");
  const [large] = await bucket.file("a/2").download({ validation: "md5" });
  expect(large.byteLength).toBe(300_000);
  const [files] = await bucket.getFiles({ prefix: "a/" });
  expect(files.map(({ name }) => name)).toEqual(["a/1", "a/2"]);
});

test("it is refused what its generation conditions exclude", async () => {
  const file = client.bucket("agents").file("conditional");
  const save = (text: string, ifGenerationMatch: number | string): Promise<void> =>
    file.save(text, { resumable: false, preconditionOpts: { ifGenerationMatch } });
  await save("1", 0);
  await expect(save("2", 0)).rejects.toMatchObject({ code: 412 });
  const [{ generation = 0 }] = await file.getMetadata();
  await save("3", generation);
  await expect(save("4", generation)).rejects.toMatchObject({ code: 412 });
  expect((await file.download({ validation: false }))[0].toString()).toBe("3");
});

test("it finds neither an object nor a bucket that is not there", async () => {
  await expect(client.bucket("agents").file("none").download()).rejects.toMatchObject({
    code: 404,
  });
  await expect(client.bucket("none").file("a").download()).rejects.toMatchObject({ code: 404 });
});
