import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { azure } from "../../adapters/azure/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { deploy } from "../../core/deployments/deploy.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { project } from "../deployments/project.ts";
import { type Azurite, createAccount, noAzurite, startAzurite } from "../emulators/azurite.ts";
import { type DurableHost, startDurableHost } from "../emulators/durable-host.ts";
import { type FunctionApp, publisherToken, startFunctionApp } from "../emulators/function-app.ts";

const version = (n: number): string => `
import { checkpoint, flow, wait } from "kitaru";
const step = checkpoint("step", (text: string) => text + " by version ${n}");
const go = wait("go");
export const trip = flow("trip", async (text: string) => { await go(); return step(text); });
`;

describe.skipIf(noAzurite !== undefined)(
  `from a deploy to a result (${noAzurite ?? "emulated"})`,
  () => {
    let azurite: Azurite;
    let app: FunctionApp;
    let host: DurableHost | undefined;
    let root = "";
    const folder = mkdtempSync(join(tmpdir(), "kitaru-published-"));

    beforeAll(async () => {
      [azurite, app] = await Promise.all([startAzurite(), startFunctionApp()]);
      await createAccount(azurite.connectionString);
      root = await project({ "one.ts": version(1), "two.ts": version(2) });
      const token = { token: publisherToken, expiresOnTimestamp: Date.now() + 3600_000 };
      const stack = azure({
        name: "agents",
        connectionString: azurite.connectionString,
        endpoints: { publish: app.endpoint },
        credential: { getToken: async () => token },
      });
      configure({ root, config: { stacks: { azure: stack } } });
    }, 60_000);
    afterAll(async () => {
      await closeStacks();
      await Promise.all([host?.close(), azurite.close(), app.close()]);
      for (const one of [folder, root]) rmSync(one, { recursive: true, force: true });
    });

    test("the published package runs what is deployed; a new version needs none, and what runs keeps its own", async () => {
      const runtime = await openStack("azure");
      await deploy(runtime, { entry: join(root, "one.ts") });
      expect(app.packages).toHaveLength(1);
      for (const [name, bytes] of Object.entries(unzipSync(app.packages[0] ?? new Uint8Array())))
        writeFileSync(join(folder, name), bytes);
      host = await startDurableHost({
        app: join(folder, "index.mjs"),
        env: {
          KITARU_AZURE_NAME: "agents",
          KITARU_AZURE_CONNECTION_STRING: azurite.connectionString,
          AzureWebJobsStorage: azurite.connectionString,
        },
      });

      const { deployments, executions } = new KitaruClient({ stack: "azure" });
      const first = deployments.invoke("trip", "seen", { id: "first" });
      await executions.untilRest(first.id);
      await deploy(runtime, { entry: join(root, "two.ts"), tag: "next" });
      expect(app.packages).toHaveLength(1);
      const second = deployments.invoke("trip", "seen", { id: "second", tag: "next" });
      for (const { id } of [first, second]) {
        await executions.untilRest(id);
        await executions.input(id, { wait: "go", value: undefined });
      }
      expect([await first.result(), await second.result()]).toEqual([
        "seen by version 1",
        "seen by version 2",
      ]);
    }, 60_000);
  },
);
