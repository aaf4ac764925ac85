import { unzipSync } from "fflate";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { endpointsOf } from "../../adapters/azure/clients/config.ts";
import { openPublisher } from "../../adapters/azure/clients/publisher.ts";
import { publishApp } from "../../adapters/azure/publish.ts";
import type { BlobStore } from "../../core/ports/blobs.ts";
import { memoryBlobs } from "../../testing/index.ts";
import { type FunctionApp, publisherToken, startFunctionApp } from "../emulators/function-app.ts";

describe("the package of the function app", () => {
  let app: FunctionApp;
  let blobs: BlobStore;
  beforeAll(async () => {
    app = await startFunctionApp();
  });
  beforeEach(() => {
    blobs = memoryBlobs();
    app.statuses = [{ status: 4 }];
    app.packages.splice(0);
  });
  afterAll(() => app.close());

  const publish = (text: string, token = publisherToken): Promise<string> => {
    const credential = {
      getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600_000 }),
    };
    const options = { credential, endpoints: { publish: app.endpoint } };
    const files = new Map([
      ["host.json", new TextEncoder().encode("{}")],
      ["index.mjs", new TextEncoder().encode(text.repeat(1000))],
    ]);
    return publishApp({
      runtime: "agents",
      blobs,
      publisher: () =>
        openPublisher(options, endpointsOf("agents", options), { pauseMs: 1, longestMs: 500 }),
      build: async () => ({ files, hash: text }),
    });
  };

  test("is published once, and again when it has changed", async () => {
    app.statuses = [{ status: 0 }, { status: 1 }, { status: 4 }];
    expect(await publish("one")).toBe("published");
    expect(await publish("one")).toBe("up to date");
    expect(await publish("two")).toBe("published");
    const texts = app.packages.map((bytes) => unzipSync(bytes));
    expect(texts.map((files) => Object.keys(files))).toEqual([
      ["host.json", "index.mjs"],
      ["host.json", "index.mjs"],
    ]);
    expect(texts.map((files) => new TextDecoder().decode(files["index.mjs"]).slice(0, 6))).toEqual([
      "oneone",
      "twotwo",
    ]);
  });

  test("that is refused is not taken for published", async () => {
    app.statuses = [{ status: 1 }, { status: 3, status_text: "no space left" }];
    await expect(publish("one")).rejects.toThrow(
      /The function app could not be brought up to date: the app refused the package: no space left/,
    );
    app.statuses = [{ status: 1 }];
    await expect(publish("one")).rejects.toThrow(/it has not finished in 0.5 s/);
    app.statuses = [{ status: 4 }];
    expect(await publish("one")).toBe("published");
  });

  test("is sent again to an app that is busy, and not to one that refuses the sender", async () => {
    app.refusals.push({ status: 503 }, { status: 502 });
    expect(await publish("one")).toBe("published");
    expect(app.packages).toHaveLength(1);
    await expect(publish("two", "somebody else")).rejects.toThrow(/this identity may not/);
  });

  test("whose storage is not open yet is explained", async () => {
    app.refusals.push({ status: 400, body: { Message: "BlobUploadFailedException: 403" } });
    await expect(publish("one")).rejects.toThrow(/A new role takes a few minutes to count/);
  });

  test("a runtime that a newer version has deployed to is left alone", async () => {
    await blobs.put("runtime.json", new TextEncoder().encode('{"format":2}'), {
      contentType: "application/json",
    });
    await expect(publish("one")).rejects.toThrow(/deployed by a newer version of kitaru/);
    expect(app.packages).toEqual([]);
  });
});
