import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { TableServiceClient } from "@azure/data-tables";
import { BlobServiceClient } from "@azure/storage-blob";
import { QueueServiceClient } from "@azure/storage-queue";
import { resourceNames } from "../../adapters/azure/names.ts";
import { freePort, listening } from "./port.ts";
import { type Emulator, startServer } from "./server.ts";

/** Why Microsoft's storage emulator cannot run here; undefined when it can. */
export const noAzurite: string | undefined = missing();

/** A running storage emulator: tables, blobs and queues in memory, each on a port of its own. */
export interface Azurite {
  readonly table: string;
  readonly blob: string;
  readonly queue: string;
  readonly connectionString: string;
  close(): Promise<void>;
}

/** Start Microsoft's own emulator of a storage account. */
export async function startAzurite(): Promise<Azurite> {
  const [blobPort, queuePort] = [await freePort(), await freePort()];
  const emulator: Emulator = await startServer({
    program: process.execPath,
    args: (tablePort) =>
      [
        [programFile(), "--silent", "--inMemoryPersistence"],
        ["--skipApiVersionCheck", "--disableTelemetry"],
        ["--tableHost", "127.0.0.1", "--tablePort", String(tablePort)],
        ["--blobHost", "127.0.0.1", "--blobPort", String(blobPort)],
        ["--queueHost", "127.0.0.1", "--queuePort", String(queuePort)],
      ].flat(),
  });
  await Promise.all([blobPort, queuePort].map((port) => listening(port, () => undefined)));
  const table = `${emulator.endpoint}/${account}`;
  const blob = `http://127.0.0.1:${blobPort}/${account}`;
  const queue = `http://127.0.0.1:${queuePort}/${account}`;
  return {
    table,
    blob,
    queue,
    connectionString: connectionString({ table, blob, queue }),
    close: () => emulator.close(),
  };
}

/** What reaches an emulated account at these endpoints. */
export function connectionString(at: {
  readonly table: string;
  readonly blob: string;
  readonly queue: string;
}): string {
  return `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${accountKey};BlobEndpoint=${at.blob};QueueEndpoint=${at.queue};TableEndpoint=${at.table};`;
}

/** Create what the template puts into a storage account. */
export async function createAccount(connection: string): Promise<void> {
  const { table, indexTable, container, packages, queue, poisonQueue } = resourceNames;
  const tables = TableServiceClient.fromConnectionString(connection, {
    allowInsecureConnection: true,
  });
  const blobs = BlobServiceClient.fromConnectionString(connection);
  const queues = QueueServiceClient.fromConnectionString(connection);
  await Promise.all([
    ...[table, indexTable].map((name) => tables.createTable(name)),
    ...[container, packages].map((name) => blobs.createContainer(name)),
    ...[queue, poisonQueue].map((name) => queues.createQueue(name)),
  ]);
}

/** The emulator's own account, whose key is in its manual. */
const account = "devstoreaccount1";
const accountKey =
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

function programFile(): string {
  const { resolve } = createRequire(import.meta.url);
  return join(dirname(resolve("azurite/package.json")), "dist/src/azurite.js");
}

function missing(): string | undefined {
  try {
    return existsSync(programFile()) ? undefined : "azurite has no program of the expected name";
  } catch {
    return "azurite is not installed";
  }
}
