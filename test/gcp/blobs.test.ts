import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { GcsBlobs } from "../../adapters/gcp/blobs.ts";
import { openStorage } from "../../adapters/gcp/clients/storage.ts";
import { describeBlobs } from "../../testing/conformance/blobs.ts";
import {
  type Fate,
  type FaultProxy,
  type Passing,
  startFaultProxy,
} from "../emulators/fault-proxy.ts";
import { type CloudStorage, startCloudStorage } from "../emulators/gcs.ts";

describe("Cloud Storage", () => {
  let storage: CloudStorage;
  let proxy: FaultProxy;
  beforeAll(async () => {
    storage = await startCloudStorage("agents");
    proxy = await startFaultProxy(storage.endpoint);
  });
  afterEach(() => {
    proxy.fate = () => pass;
  });
  afterAll(async () => {
    await proxy.close();
    await storage.close();
  });

  const open = (endpoint: string, bucket = "agents"): GcsBlobs => {
    const client = openStorage({ endpoint });
    return new GcsBlobs({ bucket, prefix: "kitaru/", client: async () => client });
  };
  const contentType = "application/octet-stream";

  describeBlobs("gcp blobs", { open: () => open(storage.endpoint) });

  test("an upload of many parts survives broken connections, lost replies and servers in trouble", async () => {
    const bytes = randomBytes(20 * 1024 * 1024);
    const fates: Fate[] = [{ kind: "lose" }, unavailable, pass, unavailable, { kind: "lose" }];
    let parts = 0;
    proxy.fate = ({ method }) => (method === "PUT" ? (parts++, fates.shift() ?? pass) : pass);
    const blobs = open(proxy.endpoint);
    await blobs.put("parts", bytes, { contentType, ifAbsent: true });
    expect(fates).toEqual([]);
    expect(parts).toBeGreaterThan(5);
    expect(Buffer.compare((await blobs.get("parts")) ?? bytes.subarray(1), bytes)).toBe(0);
  });

  test("an object whose parts never arrive is an error, and not there", async () => {
    proxy.fate = ({ method, path }) =>
      method === "PUT" || path.includes("never") ? { kind: "answer", status: 403, body: "" } : pass;
    const put = open(proxy.endpoint).put("partly", randomBytes(9 * 1024 * 1024), { contentType });
    await expect(put).rejects.toThrow(/could not write the bucket "agents".*may not/s);
    expect(storage.objects.has("kitaru/partly")).toBe(false);
  });

  test("bytes that changed under way are refused when written, and not believed when read", async () => {
    proxy.rewrite = ({ body }) =>
      Buffer.from(body.toString("latin1").replace("right", "wrong"), "latin1");
    const blobs = open(proxy.endpoint);
    const put = blobs.put("bytes", Buffer.from("right"), { contentType });
    await expect(put).rejects.toThrow("MD5");
    proxy.rewrite = ({ body }: Passing) => body;
    await blobs.put("bytes", Buffer.from("right"), { contentType });
    storage.corrupt("kitaru/bytes");
    await expect(blobs.get("bytes")).rejects.toThrow("do not fit their checksum");
  });

  test("a bucket that is not there is named with what to do", async () => {
    const blobs = open(storage.endpoint, "elsewhere");
    await expect(blobs.get("a")).rejects.toThrow(/"elsewhere" does not exist.*terraform apply/s);
    const put = blobs.put("a", Buffer.from("a"), { contentType });
    await expect(put).rejects.toThrow(/"elsewhere" does not exist/);
  });
});

const pass: Fate = { kind: "pass" };
const unavailable: Fate = { kind: "answer", status: 503, body: "{}" };
