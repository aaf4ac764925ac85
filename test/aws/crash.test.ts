import { fileURLToPath } from "node:url";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { S3Blobs } from "../../adapters/aws/blobs.ts";
import { awsCapabilities } from "../../adapters/aws/capabilities.ts";
import { type DynamoTable, openDynamo } from "../../adapters/aws/clients/dynamodb.ts";
import { type ObjectBucket, openS3 } from "../../adapters/aws/clients/s3.ts";
import { DynamoRecords } from "../../adapters/aws/records.ts";
import { ticketsFlow } from "../../examples/fan-out/flow.ts";
import { reviewFlow } from "../../examples/review/flow.ts";
import { crashEverywhere } from "../../testing/crash-everywhere.ts";
import type { TestStackOptions } from "../../testing/test-stack.ts";
import { createTable, emulated, startDynamoLocal } from "../emulators/dynamodb-local.ts";
import { startMoto } from "../emulators/moto.ts";
import type { Emulator } from "../emulators/server.ts";
import { noCloud } from "./cloud.ts";

const example = (path: string): string =>
  fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

describe.skipIf(noCloud !== undefined)(
  `cut off at every write to DynamoDB and S3 (${noCloud ?? "emulated"})`,
  () => {
    let dynamo: Emulator;
    let moto: Emulator;
    let table: DynamoTable;
    let bucket: ObjectBucket;
    beforeAll(async () => {
      [dynamo, moto] = await Promise.all([startDynamoLocal(), startMoto()]);
      table = openDynamo(emulated(dynamo.endpoint));
      bucket = openS3(emulated(moto.endpoint));
      const s3 = new S3Client({ ...emulated(moto.endpoint), forcePathStyle: true });
      await s3.send(new CreateBucketCommand({ Bucket: "crash" }));
      s3.destroy();
    }, 120_000);
    afterAll(() => Promise.all([dynamo?.close(), moto?.close()]));

    let runs = 0;
    const stack: TestStackOptions = {
      // much of what is kept is an object then
      capabilities: { ...awsCapabilities, inlineBytes: 64, deployedOnly: false, dueShards: 1 },
      stores: () => {
        const name = `crash-${++runs}`;
        let made: Promise<void> | undefined;
        const client = async (): Promise<DynamoTable> => {
          await (made ??= createTable(dynamo.endpoint, name));
          return table;
        };
        return {
          records: new DynamoRecords({ table: name, client }),
          blobs: new S3Blobs({ bucket: "crash", prefix: `${runs}/`, client: async () => bucket }),
        };
      },
    };

    test("review, approved", async () => {
      const input = { document: "Roofs leak. Two offers came in. One expires soon." };
      const answers = { approve_draft: true };
      const modes = ["after"] as const; // the others are tried in memory
      const report = await crashEverywhere(reviewFlow, input, { answers, stack, modes });
      expect(report.writes).toBeGreaterThan(15);
      expect(report.runs).toBe(report.writes);
    }, 120_000);

    test("fan-out, with a file that fails", async () => {
      const input = { folder: example("fan-out/tickets") };
      const report = await crashEverywhere(ticketsFlow, input, {
        stack,
        modes: ["before", "after"],
      });
      expect(report.runs).toBe(2 * report.writes);
      expect(report.writes).toBeGreaterThan(3);
    }, 120_000);
  },
);
