import { afterAll, beforeAll, describe } from "vitest";
import { openTable } from "../../adapters/azure/clients/tables.ts";
import { endpointsOf } from "../../adapters/azure/clients/config.ts";
import { largestBody } from "../../adapters/azure/bodies.ts";
import { resourceNames } from "../../adapters/azure/names.ts";
import { TableRecords } from "../../adapters/azure/records.ts";
import { describeRecords } from "../../testing/conformance/records.ts";
import { type Azurite, createAccount, noAzurite, startAzurite } from "../emulators/azurite.ts";

describe.skipIf(noAzurite !== undefined)(`azurite (${noAzurite ?? "found"})`, () => {
  let azurite: Azurite;
  beforeAll(async () => {
    azurite = await startAzurite();
    await createAccount(azurite.connectionString);
  }, 60_000);
  afterAll(() => azurite.close());

  describeRecords("azure records", {
    open: () => {
      const { connectionString } = azurite;
      const open = (name: string) => () =>
        openTable(name, { connectionString }, endpointsOf("agents", {}));
      const records = new TableRecords({
        table: open(resourceNames.table),
        indexTable: open(resourceNames.indexTable),
      });
      return Object.assign(records, { close: () => records.settled() });
    },
    capabilities: { recordBytes: largestBody },
  });
});
