import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ListStateMachinesCommand, SFNClient } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { emulated } from "../emulators/dynamodb-local.ts";
import { noMoto, startMoto } from "../emulators/moto.ts";
import type { Emulator } from "../emulators/server.ts";
import { deployApp } from "./formation.ts";
import { synthesize } from "./template.ts";

describe.skipIf(noMoto !== undefined)(
  `a flow's state machine created by CloudFormation (${noMoto ?? "emulated"})`,
  () => {
    let emulator: Emulator;
    const folder = mkdtempSync(join(tmpdir(), "kitaru-app-"));
    beforeAll(async () => {
      emulator = await startMoto();
      Object.assign(process.env, {
        AWS_ENDPOINT_URL: emulator.endpoint,
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "emulated",
        AWS_SECRET_ACCESS_KEY: "emulated",
      });
      configure({ config: { stacks: { aws: aws({ name: "agents" }) } }, stack: "aws" });
      const app = fileURLToPath(new URL("fixtures/machine-app.ts", import.meta.url));
      await deployApp(emulator.endpoint, synthesize({ app, folder, stack: "machines" }));
    }, 120_000);
    afterAll(async () => {
      await closeStacks();
      await emulator?.close();
      rmSync(folder, { recursive: true });
    });

    const machines = async (): Promise<string[]> => {
      const sfn = new SFNClient(emulated(emulator.endpoint));
      const { stateMachines = [] } = await sfn.send(new ListStateMachinesCommand({}));
      sfn.destroy();
      return stateMachines.map(({ name = "" }) => name);
    };

    test("is the one a deployment would create: it is taken for it, and runs", async () => {
      const created = await machines();
      expect(created).toEqual([expect.stringMatching(/^agents-review_flow-[0-9a-f]{12}$/)]);

      const client = new KitaruClient();
      const entry = new URL("../../examples/review/flow.ts", import.meta.url);
      await client.deployments.deploy({ entry, flows: ["review_flow"], tag: "default" });
      expect(await machines()).toEqual(created);

      const handle = client.deployments.invoke("review_flow", { document: "One. Two." });
      await handle.started;
      await expect
        .poll(async () => (await client.executions.get(handle.id)).status, { timeout: 30_000 })
        .toBe("waiting");
      await client.executions.input(handle.id, { value: false });
      expect(await handle.result({ timeout: "30s" })).toBe("Rejected");
    }, 120_000);
  },
);
