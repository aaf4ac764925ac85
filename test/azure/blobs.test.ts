import { afterAll, beforeAll, describe } from "vitest";
import { ContainerBlobs } from "../../adapters/azure/blobs.ts";
import { openContainer } from "../../adapters/azure/clients/blobs.ts";
import { endpointsOf } from "../../adapters/azure/clients/config.ts";
import { resourceNames } from "../../adapters/azure/names.ts";
import { describeBlobs } from "../../testing/conformance/blobs.ts";
import { type Azurite, createAccount, noAzurite, startAzurite } from "../emulators/azurite.ts";

describe.skipIf(noAzurite !== undefined)(`azurite (${noAzurite ?? "found"})`, () => {
  let azurite: Azurite;
  beforeAll(async () => {
    azurite = await startAzurite();
    await createAccount(azurite.connectionString);
  }, 60_000);
  afterAll(() => azurite.close());

  describeBlobs("azure blobs", {
    open: () => {
      const { connectionString } = azurite;
      const { container } = resourceNames;
      return new ContainerBlobs({
        container,
        client: () => openContainer(container, { connectionString }, endpointsOf("agents", {})),
      });
    },
  });
});
