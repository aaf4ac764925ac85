import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { pause } from "../faults/rounds.ts";
import { go, patient, prompt } from "./fixtures/flows.ts";
import { statesOf } from "./machines.ts";

describe.skipIf(noCloud !== undefined)(
  `aws({ orchestrator: "onSuspend" }) (${noCloud ?? "emulated"})`,
  () => {
    let cloud: Cloud;
    beforeAll(async () => {
      cloud = await startCloud({ orchestrator: "onSuspend", advanceSeconds: 8 });
      Object.assign(process.env, cloud.env);
      const stack = aws({ name: cloud.name, orchestrator: "onSuspend" });
      configure({ config: { stacks: { aws: stack } }, stack: "aws" });
      const entry = new URL("fixtures/flows.ts", import.meta.url);
      await new KitaruClient().deployments.deploy({ entry, tag: "default" });
    }, 120_000);
    afterEach(() => cloud.setFaults({}));
    afterAll(async () => {
      await closeStacks();
      await cloud?.close();
    });

    test("a flow that never waits starts no state machine", async () => {
      expect(await prompt.run(1).result({ timeout: "30s" })).toBe(2);
      expect(await statesOf(cloud, "prompt")).toEqual([]);
    }, 60_000);

    test("one that waits starts it at its first suspension", async () => {
      const handle = patient.run(1, { id: "patient-1" });
      await handle.started;
      await expect.poll(() => handle.status(), { timeout: 20_000 }).toBe("waiting");
      await expect
        .poll(() => statesOf(cloud, "patient"), { timeout: 20_000 })
        .toEqual([["Start", "Route", "Wait for go"]]);
      await go.answer("patient-1");
      expect(await handle.result({ timeout: "30s" })).toBe(2);
      await expect
        .poll(() => statesOf(cloud, "patient"), { timeout: 20_000 })
        .toEqual([["Start", "Route", "Wait for go", "Advance", "Route", "Completed"]]);
    }, 60_000);

    test("what dies before that is found by the sweep", async () => {
      cloud.setFaults({ kills: 1 });
      const handle = prompt.run(2, { id: "prompt-2" });
      await handle.started;
      await expect.poll(() => cloud.killed().length, { timeout: 20_000 }).toBe(3); // Lambda has given up
      cloud.setFaults({});
      expect(await handle.status()).not.toBe("completed");
      expect(await statesOf(cloud, "prompt")).toEqual([]);
      for (let tries = 0; tries < 60 && (await handle.status()) !== "completed"; tries++) {
        await cloud.sweep();
        await pause(500);
      }
      expect(await handle.result({ timeout: "10s" })).toBe(3);
      await expect
        .poll(() => statesOf(cloud, "prompt"), { timeout: 20_000 })
        .toEqual([["Start", "Route", "Completed"]]);
    }, 90_000);
  },
);
