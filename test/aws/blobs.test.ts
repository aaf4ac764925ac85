import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe } from "vitest";
import { S3Blobs } from "../../adapters/aws/blobs.ts";
import { openS3 } from "../../adapters/aws/clients/s3.ts";
import { describeBlobs } from "../../testing/conformance/blobs.ts";
import { emulated } from "../emulators/dynamodb-local.ts";
import { noMoto, startMoto } from "../emulators/moto.ts";
import type { Emulator } from "../emulators/server.ts";

describe.skipIf(noMoto !== undefined)(`moto (${noMoto ?? "found"})`, () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startMoto();
    const s3 = new S3Client({ ...emulated(emulator.endpoint), forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: "agents" }));
    s3.destroy();
  }, 60_000);
  afterAll(() => emulator.close());

  describeBlobs("aws blobs", {
    open: () => {
      const client = openS3(emulated(emulator.endpoint));
      const blobs = new S3Blobs({
        bucket: "agents",
        prefix: "kitaru/",
        client: async () => client,
      });
      return Object.assign(blobs, { close: async () => client.close() });
    },
  });
});
