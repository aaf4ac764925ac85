import { randomBytes } from "node:crypto";
import { QueueClient } from "@azure/storage-queue";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ContainerBlobs } from "../../adapters/azure/blobs.ts";
import { openContainer } from "../../adapters/azure/clients/blobs.ts";
import { endpointsOf } from "../../adapters/azure/clients/config.ts";
import { openQueue } from "../../adapters/azure/clients/queue.ts";
import { resourceNames } from "../../adapters/azure/names.ts";
import {
  type Azurite,
  connectionString,
  createAccount,
  noAzurite,
  startAzurite,
} from "../emulators/azurite.ts";
import { type FaultProxy, type Passing, startFaultProxy } from "../emulators/fault-proxy.ts";

describe.skipIf(noAzurite !== undefined)(`azurite (${noAzurite ?? "found"})`, () => {
  let azurite: Azurite;
  let blobProxy: FaultProxy;
  let queueProxy: FaultProxy;
  let connection: string;
  let blobs: ContainerBlobs;

  beforeAll(async () => {
    azurite = await startAzurite();
    await createAccount(azurite.connectionString);
    blobProxy = await startFaultProxy(new URL(azurite.blob).origin);
    queueProxy = await startFaultProxy(new URL(azurite.queue).origin);
    const behind = (proxy: FaultProxy, url: string) => proxy.endpoint + new URL(url).pathname;
    connection = connectionString({
      table: azurite.table,
      blob: behind(blobProxy, azurite.blob),
      queue: behind(queueProxy, azurite.queue),
    });
    blobs = blobsOf(resourceNames.container);
  }, 60_000);
  afterEach(() => {
    blobProxy.fate = queueProxy.fate = () => ({ kind: "pass" });
    blobProxy.rewrite = ({ body }) => body;
  });
  afterAll(() => Promise.all([blobProxy.close(), queueProxy.close(), azurite.close()]));

  const blobsOf = (container: string): ContainerBlobs => {
    const options = { connectionString: connection };
    return new ContainerBlobs({
      container,
      client: () => openContainer(container, options, endpointsOf("agents", options)),
    });
  };
  const contentType = "application/octet-stream";
  const isBlock = ({ path }: Passing): boolean => path.includes("comp=block&");

  test("a large blob is sent in blocks; a broken connection costs one of them", async () => {
    const bytes = randomBytes(20 * 1024 * 1024);
    const sent: number[] = [];
    blobProxy.fate = (request) => {
      if (!isBlock(request)) return { kind: "pass" };
      sent.push(request.body.length);
      return sent.length === 2 ? { kind: "lose" } : { kind: "pass" };
    };
    await blobs.put("large/blocks", bytes, { contentType, ifAbsent: true });
    const block = 8 * 1024 * 1024;
    expect(sent.toSorted((a, b) => b - a)).toHaveLength(4);
    expect(Math.max(...sent)).toBe(block);
    expect(Buffer.compare((await blobs.get("large/blocks")) ?? bytes.subarray(1), bytes)).toBe(0);
  });

  test("a write whose reply was lost finds its own blob there", async () => {
    let writes = 0;
    blobProxy.fate = ({ method }) => {
      if (method !== "PUT") return { kind: "pass" };
      writes += 1;
      return writes === 1 ? { kind: "lose" } : { kind: "pass" };
    };
    await blobs.put("lost/one", Buffer.from("kept"), { contentType, ifAbsent: true });
    expect(writes).toBe(2);
    expect(Buffer.from((await blobs.get("lost/one")) ?? []).toString()).toBe("kept");
  });

  test("writers of one large blob all succeed, and one of them is there, whole", async () => {
    const candidates = [1, 2, 3].map(() => randomBytes(9 * 1024 * 1024));
    await Promise.all(candidates.map((bytes) => blobs.put("raced/one", bytes, { contentType })));
    const read = Buffer.from((await blobs.get("raced/one")) ?? []);
    expect(candidates.filter((bytes) => bytes.equals(read))).toHaveLength(1);
  });

  test("a body that is damaged on its way is not taken for the blob", async () => {
    const bytes = randomBytes(9 * 1024 * 1024);
    let isDamaged = false;
    blobProxy.rewrite = (request) => {
      if (!isBlock(request) || isDamaged) return request.body;
      isDamaged = true;
      const body = Buffer.from(request.body);
      body[0] = (body[0] ?? 0) ^ 1;
      return body;
    };
    await expect(blobs.put("damaged/one", bytes, { contentType })).rejects.toThrow(
      /Blob Storage could not write "kitaru"/,
    );
    expect(await blobs.get("damaged/one")).toBeUndefined();
    await blobs.put("damaged/one", bytes, { contentType });
    expect((await blobs.get("damaged/one"))?.byteLength).toBe(bytes.byteLength);
  });

  test("a container that is not there is named", async () => {
    await expect(blobsOf("missing").put("a", Buffer.from("a"), { contentType })).rejects.toThrow(
      /"missing" does not exist. Create the runtime with the template of kitaru\/infra\/azure/,
    );
  });

  test("a message is plain JSON, sent again to a queue that is busy, and is not lost", async () => {
    const options = { connectionString: connection };
    const queue = await openQueue(options, endpointsOf("agents", options));
    let tries = 0;
    queueProxy.fate = () => {
      tries += 1;
      return tries === 1 ? { kind: "answer", status: 503, body: "" } : { kind: "pass" };
    };
    const message = { op: "start", executionId: "a/b&<c>", flow: "f", generation: 1 } as const;
    expect(await queue.send(message)).toBe(true);
    const reader = new QueueClient(azurite.connectionString, resourceNames.queue);
    const { receivedMessageItems } = await reader.receiveMessages();
    expect(receivedMessageItems.map(({ messageText }) => JSON.parse(messageText))).toEqual([
      message,
    ]);
    queueProxy.fate = () => ({ kind: "answer", status: 403, body: "" });
    await expect(queue.send({ op: "wake", token: "a:1#1", executionId: "a" })).rejects.toThrow(
      /Execution a could not be woken: this identity may not/,
    );
  });
});
