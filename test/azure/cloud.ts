import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildApp } from "../../adapters/azure/app-package.ts";
import { functionNames } from "../../adapters/azure/names.ts";
import { connectionString, createAccount, noAzurite, startAzurite } from "../emulators/azurite.ts";
import { type DurableHost, startDurableHost } from "../emulators/durable-host.ts";
import { type FaultProxy, startFaultProxy } from "../emulators/fault-proxy.ts";

/** Why there is no emulated cloud here; undefined when there is. */
export const noCloud: string | undefined = noAzurite;

/** A runtime in an emulated subscription: azurite for its storage account, and a Functions host of our own. */
export interface Cloud {
  /** Options of `azure()`. */
  readonly name: string;
  readonly connectionString: string;
  readonly host: DurableHost;
  /** What stands before the tables, the blobs and the queue. */
  readonly tables: FaultProxy;
  readonly blobs: FaultProxy;
  readonly queue: FaultProxy;
  /** Invoke the sweep as its schedule would, so much later than now. */
  sweep(aheadMs?: number): Promise<void>;
  close(): Promise<void>;
}

interface CloudOptions {
  /** Time an advance has. @default as in production */
  readonly advanceSeconds?: number;
  /** More settings of the app. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Start the emulators and create what the template would. */
export async function startCloud({ advanceSeconds, settings }: CloudOptions = {}): Promise<Cloud> {
  const name = "agents";
  const azurite = await startAzurite();
  await createAccount(azurite.connectionString);
  const [tables, blobs, queue] = await Promise.all(
    [azurite.table, azurite.blob, azurite.queue].map((url) => startFaultProxy(new URL(url).origin)),
  );
  if (tables === undefined || blobs === undefined || queue === undefined) throw new TypeError();
  const at = (proxy: FaultProxy, url: string): string => proxy.endpoint + new URL(url).pathname;
  const connection = connectionString({
    table: at(tables, azurite.table),
    blob: at(blobs, azurite.blob),
    queue: at(queue, azurite.queue),
  });
  const folder = mkdtempSync(join(tmpdir(), "kitaru-app-"));
  const host = await startDurableHost({
    app: await unpackApp(folder),
    env: {
      KITARU_AZURE_NAME: name,
      KITARU_AZURE_CONNECTION_STRING: connection,
      AzureWebJobsStorage: azurite.connectionString,
      ...settings,
      ...(advanceSeconds === undefined
        ? {}
        : { KITARU_AZURE_ADVANCE_SECONDS: String(advanceSeconds) }),
    },
  });
  return {
    name,
    connectionString: connection,
    host,
    tables,
    blobs,
    queue,
    sweep: (aheadMs) => host.tick(functionNames.sweep, aheadMs),
    close: async () => {
      await host.close();
      await Promise.all([tables, blobs, queue, azurite].map((part) => part.close()));
      rmSync(folder, { recursive: true });
    },
  };
}

/** Write the package that `kitaru deploy` publishes into `folder`; resolves to its main module. */
async function unpackApp(folder: string): Promise<string> {
  const { files } = await buildApp();
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  return join(folder, "index.mjs");
}
