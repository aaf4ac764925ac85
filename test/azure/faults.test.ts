import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { azure } from "../../adapters/azure/index.ts";
import { functionNames } from "../../adapters/azure/orchestrator-loop.ts";
import { configure } from "../../core/index.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { generator } from "../../testing/scenario.ts";
import { pause, runRounds } from "../aws/evidence.ts";
import { faulty } from "../aws/fixtures/faulty-flows.ts";
import type { Fate, Passing } from "../emulators/fault-proxy.ts";
import type { HostedInstance } from "../emulators/durable-host.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";

const seed = Number(process.env["SEED"] ?? 1);
const kills = Number(process.env["ROUNDS"] ?? 25);
const random = generator(seed);
const pass: Fate = { kind: "pass" };

describe.skipIf(noCloud !== undefined)(
  `faults on azure, SEED=${seed} (${noCloud ?? "emulated"})`,
  () => {
    let cloud: Cloud;
    beforeAll(async () => {
      cloud = await startCloud({ advanceSeconds: 8 });
      const { name, connectionString } = cloud;
      configure({
        config: { stacks: { azure: azure({ name, connectionString }) } },
        stack: "azure",
      });
      await faulty.deploy({ entry: new URL("../aws/fixtures/faulty-flows.ts", import.meta.url) });
    }, 120_000);
    afterEach(async () => {
      await cloud.host.setFaults({});
      cloud.tables.fate = () => pass;
      cloud.blobs.fate = () => pass;
      cloud.queue.fate = () => pass;
    });
    afterAll(async () => {
      await closeStacks();
      await cloud?.close();
    });

    /** Sweeps as the schedule does, but for a clock that is ahead; what fails is tried again by the next. */
    const rounds = ({
      aheadMs = () => 0,
      ...params
    }: Parameters<typeof runRounds>[1] & { readonly aheadMs?: () => number }): Promise<number> =>
      runRounds(
        { sweep: () => cloud.sweep(aheadMs()).catch(() => undefined) },
        { stack: "azure", ...params },
      );
    const waiting = async (executionId: string): Promise<void> => {
      const isWaiting = ({ instanceId, customStatus }: HostedInstance): boolean =>
        instanceId.startsWith(`${executionId}:`) && customStatus === "Wait for approve";
      while (!(await cloud.host.instances()).some(isWaiting)) await pause(50);
    };
    const isWrite = ({ method, path }: Passing): boolean =>
      method !== "GET" && path.includes("/kitaru");

    test(`processes killed while they work, in ${kills} executions`, async () => {
      await cloud.host.setFaults({ kills: 0.2 });
      const begun = Date.now();
      const lost = await rounds({
        name: "killed",
        rounds: kills,
        discarded: 1,
        aheadMs: () => Math.max(0, Date.now() - begun - 5000) * 6,
      });
      const { killed } = await cloud.host.counts();
      expect(killed.length).toBeGreaterThan(kills / 10);
      expect(lost).toBeGreaterThan(0);
    }, 300_000);

    test("all wakes are lost: the sweep finishes everything", async () => {
      await cloud.host.setFaults({ lostEvents: 1 });
      const begun = Date.now();
      await rounds({
        name: "dropped",
        rounds: 8,
        answerAfter: () => 1500,
        aheadMs: () => Math.max(0, Date.now() - begun - 2500) * 20,
      });
      expect((await cloud.host.counts()).lostEvents).toBeGreaterThanOrEqual(8);
    }, 120_000);

    test("messages to the app are lost: starts and wakes are made up for by the sweep", async () => {
      await cloud.host.setFaults({ lostMessages: 1 });
      const begun = Date.now();
      await rounds({
        name: "unheard",
        rounds: 6,
        answerAfter: (round) => waiting(`unheard-${round}`),
        aheadMs: () => (Date.now() - begun) * 10,
      });
      expect((await cloud.host.counts()).lostMessages).toBeGreaterThanOrEqual(12);
    }, 120_000);

    test("wakes come twice and out of the blue, activities come twice", async () => {
      await cloud.host.setFaults({ doubledEvents: 0.5, doubles: 0.2 });
      const poke = async (): Promise<void> => {
        for (const { instanceId, runtimeStatus } of await cloud.host.instances())
          if (runtimeStatus === "Running")
            for (const turn of [0, 1, 2]) await cloud.host.raise(instanceId, `wake:${turn}`);
      };
      const spurious = setInterval(() => void poke(), 200);
      try {
        await rounds({ name: "doubled", rounds: 20, discarded: 1 });
      } finally {
        clearInterval(spurious);
      }
      const { doubled, doubledEvents } = await cloud.host.counts();
      expect(doubled).toBeGreaterThan(0);
      expect(doubledEvents).toBeGreaterThan(0);
    }, 120_000);

    test("answers given between the suspension and the park", async () => {
      const parking = new Map<string, () => void>();
      const answered = new Map<string, () => void>();
      let tooLate = 0;
      cloud.tables.fate = ({ path, body }) => {
        const id = /exec\.\.(between-\d+)'/.exec(path)?.[1] ?? rowOf(body);
        const isPark = documentIn(body).startsWith('{"items":[],"parked"');
        const tell = parking.get(id);
        if (!isPark || tell === undefined) return pass;
        // the head says `waiting`, and nobody listens yet
        parking.delete(id);
        tell();
        return { kind: "hold", until: new Promise((resolve) => answered.set(id, resolve)) };
      };
      cloud.tables.onReply.add(({ body }, reply) => {
        const document = documentIn(body);
        const id = rowOf(body);
        if (document.includes('"kind":"answer"')) answered.get(id)?.();
        if (document.startsWith('{"items":[],"parked"'))
          if (/UpdateConditionNotSatisfied|EntityAlreadyExists/.test(reply.toString()))
            tooLate += 1;
      });
      await rounds({
        name: "between",
        rounds: 20,
        answerAfter: (round) => new Promise((resolve) => parking.set(`between-${round}`, resolve)),
      });
      expect(tooLate).toBeGreaterThanOrEqual(20);
    }, 120_000);

    test("two orchestrators of one execution", async () => {
      const { backend } = await openStack("azure");
      await rounds({
        name: "two",
        rounds: 10,
        discarded: 1,
        answerAfter: async (round) => {
          const executionId = `two-${round}`;
          const params = { flow: "faulty", bundle: "same", executionId, generation: 7 };
          await backend.orchestrator.start(params);
          await backend.orchestrator.start(params);
          await pause(300);
        },
      });
      const doubles = (await cloud.host.instances()).filter(({ instanceId }) =>
        /^two-\d+:7$/.test(instanceId),
      );
      expect(doubles.length).toBe(10);
    }, 120_000);

    test("instances that are purged are started again by the sweep", async () => {
      const begun = Date.now();
      await rounds({
        name: "purged",
        rounds: 6,
        answerAfter: async (round) => {
          await waiting(`purged-${round}`);
          expect(await cloud.host.purge(`purged-${round}:1`)).toBe(200);
        },
        aheadMs: () => (Date.now() - begun) * 10,
      });
      const again = (await cloud.host.instances()).filter(({ instanceId }) =>
        /^purged-\d+:2$/.test(instanceId),
      );
      expect(again.length).toBe(6);
    }, 120_000);

    test("the host is stopped and started again, in the middle of everything", async () => {
      const begun = Date.now();
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
        aheadMs: () => Math.max(0, Date.now() - begun - 10_000) * 6,
      });
      await restarts;
    }, 180_000);

    test("tables are throttled, find conflicts that are none, and lose replies; blobs answer 503", async () => {
      const count = { throttled: 0, conflicts: 0, lost: 0, unavailable: 0 };
      cloud.tables.fate = (request) => {
        const draw = random();
        if (draw < 0.05) {
          count.throttled += 1;
          return failure(503, "ServerBusy");
        }
        if (!isWrite(request) || !request.path.includes("exec")) return pass;
        if (draw < 0.09) {
          count.conflicts += 1;
          return failure(412, "UpdateConditionNotSatisfied");
        }
        if (draw > 0.13) return pass;
        count.lost += 1;
        return { kind: "lose" };
      };
      cloud.blobs.fate = () => {
        if (random() > 0.5) return pass;
        count.unavailable += 1;
        return { kind: "answer", status: 503, body: "" };
      };
      await rounds({ name: "stormy", rounds: 20, isolated: true, discarded: 1 });
      expect(count.throttled).toBeGreaterThan(0);
      expect(count.conflicts).toBeGreaterThan(0);
      expect(count.lost).toBeGreaterThan(0);
    }, 180_000);

    test("clocks that differ by up to five seconds", async () => {
      await cloud.host.setFaults({ skewMs: 5000 });
      await rounds({ name: "skewed", rounds: 20, isolated: true });
    }, 120_000);

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

function failure(status: number, code: string): Fate {
  const body = JSON.stringify({ "odata.error": { code, message: { lang: "en", value: code } } });
  return { kind: "answer", status, body };
}

/** The execution a row is of that is written. */
function rowOf(row: Buffer): string {
  if (row.length === 0) return "";
  const { PartitionKey = "" } = JSON.parse(row.toString()) as { readonly PartitionKey?: string };
  return PartitionKey.replace("exec..", "");
}

/** The document in a row that is written. */
function documentIn(row: Buffer): string {
  if (row.length === 0) return "";
  const { b0 = "" } = JSON.parse(row.toString()) as { readonly b0?: string };
  return Buffer.from(b0, "base64").toString();
}
