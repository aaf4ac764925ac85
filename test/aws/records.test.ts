import { afterAll, beforeAll, describe } from "vitest";
import { openDynamo } from "../../adapters/aws/clients/dynamodb.ts";
import { DynamoRecords } from "../../adapters/aws/records.ts";
import { deletesExpired, describeRecords } from "../../testing/conformance/records.ts";
import {
  createTable,
  emulated,
  noDynamoLocal,
  startDynamoLocal,
} from "../emulators/dynamodb-local.ts";
import type { Emulator } from "../emulators/server.ts";

describe.skipIf(noDynamoLocal !== undefined)(`DynamoDB Local (${noDynamoLocal ?? "found"})`, () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startDynamoLocal();
    await createTable(emulator.endpoint, "agents");
  }, 60_000);
  afterAll(() => emulator.close());

  describeRecords("aws records", {
    open: () => {
      const client = openDynamo(emulated(emulator.endpoint));
      return Object.assign(new DynamoRecords({ table: "agents", client: async () => client }), {
        close: async () => client.close(),
      });
    },
    capabilities: { recordBytes: 384 * 1024 },
    skip: { [deletesExpired]: "the table deletes what has expired by itself" },
  });
});
