import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { azure } from "../../adapters/azure/index.ts";
import { functionNames } from "../../adapters/azure/names.ts";
import { configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import type { HostedInstance } from "../emulators/durable-host.ts";
import { faulty } from "../faults/fixtures/flows.ts";
import { pause, runRounds } from "../faults/rounds.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";

describe.skipIf(noCloud !== undefined)(
  `faults that only azure has (${noCloud ?? "emulated"})`,
  () => {
    let cloud: Cloud;
    beforeAll(async () => {
      cloud = await startCloud({ advanceSeconds: 8 });
      const { name, connectionString } = cloud;
      configure({
        config: { stacks: { azure: azure({ name, connectionString }) } },
        stack: "azure",
      });
      await faulty.deploy({ entry: new URL("../faults/fixtures/flows.ts", import.meta.url) });
    }, 120_000);
    afterEach(async () => {
      await cloud.host.setFaults({});
    });
    afterAll(async () => {
      await closeStacks();
      await cloud?.close();
    });

    const rounds = (params: Omit<Parameters<typeof runRounds>[0], "stack" | "sweep">) =>
      runRounds({ ...params, stack: "azure", sweep: (aheadMs) => cloud.sweep(aheadMs) });
    const waiting = async (executionId: string): Promise<void> => {
      const isWaiting = ({ instanceId, customStatus }: HostedInstance): boolean =>
        instanceId.startsWith(`${executionId}:`) && customStatus === "Wait for approve";
      while (!(await cloud.host.instances()).some(isWaiting)) await pause(50);
    };
    test("messages to the app are lost: starts and wakes are made up for by the sweep", async () => {
      await cloud.host.setFaults({ lostMessages: 1 });
      await rounds({
        name: "unheard",
        rounds: 6,
        answerAfter: waiting,
      });
      expect((await cloud.host.counts()).lostMessages).toBeGreaterThanOrEqual(12);
    }, 120_000);

    test("instances that are purged are started again by the sweep", async () => {
      await rounds({
        name: "purged",
        rounds: 6,
        answerAfter: async (id) => {
          await waiting(id);
          expect(await cloud.host.purge(`${id}:1`)).toBe(200);
        },
      });
      const again = (await cloud.host.instances()).filter(({ instanceId }) =>
        /-purged-\d+:2$/.test(instanceId),
      );
      expect(again.length).toBe(6);
    }, 120_000);

    test("the host is stopped and started again, in the middle of everything", async () => {
      const restarts = (async () => {
        for (let times = 0; times < 3; times++) {
          await pause(1500);
          await cloud.host.restart();
        }
      })();
      await rounds({
        name: "restarted",
        rounds: 20,
        isolated: true,
        discarded: 1,
      });
      await restarts;
    }, 180_000);

    test("nothing was left running, and the sweep finds nothing", async () => {
      for (;;) {
        const running = (await cloud.host.instances()).filter(
          ({ name, runtimeStatus }) => name === functionNames.loop && runtimeStatus === "Running",
        );
        if (running.length === 0) break;
        await cloud.sweep(60_000);
        await pause(200);
      }
    }, 60_000);
  },
);
