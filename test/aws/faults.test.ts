import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { generator } from "../../testing/scenario.ts";
import type { Fate } from "../emulators/fault-proxy.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { pause, runRounds } from "./evidence.ts";
import { faulty } from "./fixtures/faulty-flows.ts";

const seed = Number(process.env["SEED"] ?? 1);
const random = generator(seed);
const pass: Fate = { kind: "pass" };

describe.skipIf(noCloud !== undefined)(
  `faults on aws, SEED=${seed} (${noCloud ?? "emulated"})`,
  () => {
    let cloud: Cloud;
    beforeAll(async () => {
      cloud = await startCloud({ advanceSeconds: 8 });
      Object.assign(process.env, cloud.env);
      configure({ config: { stacks: { aws: aws({ name: cloud.name }) } }, stack: "aws" });
      await faulty.deploy({ entry: new URL("fixtures/faulty-flows.ts", import.meta.url) });
    }, 120_000);
    afterEach(() => {
      cloud.setFaults({});
      cloud.table.fate = () => pass;
      cloud.services.fate = () => pass;
    });
    afterAll(async () => {
      await closeStacks();
      await cloud?.close();
    });

    test("all wakes are lost: three sweeps, a minute apart, finish everything", async () => {
      let dropped = 0;
      cloud.services.fate = ({ action }) => {
        if (action !== "SendTaskSuccess") return pass;
        dropped += 1;
        return { kind: "answer", status: 200, body: "{}" };
      };
      const sweeps = new Sweeps(cloud);
      await runRounds(cloud, {
        name: "dropped",
        rounds: 8,
        isSwept: false,
        answerAfter: (round) => sweeps.untilWaiting(`dropped-${round}`),
        answered: () => sweeps.run(8),
      });
      expect(dropped).toBeGreaterThanOrEqual(8);
      expect(sweeps.count).toBe(3); // twice it tries to wake, then it starts anew
    }, 120_000);

    test("wakes come twice and out of the blue", async () => {
      const tokens = new Set<string>();
      cloud.services.onReply.add(({ action, body }) => {
        if (action !== "SendTaskSuccess") return;
        tokens.add((JSON.parse(body.toString()) as { taskToken: string }).taskToken);
      });
      const { orchestrator } = (await openStack("aws")).backend;
      const spurious = setInterval(() => {
        for (const token of tokens) void orchestrator.wake(token, "any").catch(() => undefined);
      }, 100);
      try {
        await runRounds(cloud, { name: "doubled", rounds: 20 });
      } finally {
        clearInterval(spurious);
      }
      expect(tokens.size).toBeGreaterThan(0);
    }, 120_000);

    test("answers given between the suspension and the park", async () => {
      const parking = new Map<string, () => void>();
      let tooLate = 0;
      cloud.table.onReply.add(({ action, body }, reply) => {
        const isPark = body.includes('\\"parked\\"') && body.includes('\\"items\\":[]');
        if (isPark && reply.includes("ConditionalCheckFailed")) tooLate += 1;
        // the head says `waiting` just before the machine is told to park
        const text = body.toString();
        if (action !== "PutItem" || !text.includes('\\"status\\":\\"waiting\\"')) return;
        for (const [id, tell] of parking) if (text.includes(`exec/${id}"`)) tell();
      });
      await runRounds(cloud, {
        name: "between",
        rounds: 20,
        answerAfter: (round) => new Promise((resolve) => parking.set(`between-${round}`, resolve)),
      });
      expect(tooLate).toBeGreaterThan(0);
    }, 120_000);

    test("two orchestrators of one execution", async () => {
      const { backend } = await openStack("aws");
      await runRounds(cloud, {
        name: "two",
        rounds: 10,
        discarded: 1,
        answerAfter: async (round) => {
          const params = { flow: "faulty", executionId: `two-${round}` };
          const head = await backend.records.get({ partition: `exec/two-${round}`, sort: "head" });
          const { bundle } = (JSON.parse(head?.body ?? "{}") as { facts: { bundle: string } })
            .facts;
          await backend.orchestrator.start({ ...params, bundle, generation: 7 });
          await pause(300);
        },
      });
    }, 120_000);

    test("the table is throttled, finds conflicts that are none, and loses replies; the bucket answers 503", async () => {
      const count = { throttled: 0, conflicts: 0, lost: 0, unavailable: 0 };
      cloud.table.fate = ({ action, body }) => {
        const draw = random();
        if (draw < 0.05) {
          count.throttled += 1;
          return failure("ProvisionedThroughputExceededException");
        }
        if (action !== "PutItem" || !body.includes('"exec/')) return pass;
        if (draw < 0.09 && body.includes('"v = :v"')) {
          count.conflicts += 1;
          return failure("ConditionalCheckFailedException");
        }
        if (draw > 0.13) return pass;
        count.lost += 1;
        return { kind: "lose" };
      };
      cloud.services.fate = ({ action }) => {
        if (action !== "" || random() > 0.5) return pass;
        count.unavailable += 1;
        return { kind: "answer", status: 503, body: "<Error><Code>SlowDown</Code></Error>" };
      };
      await runRounds(cloud, { name: "stormy", rounds: 30, isolated: true, discarded: 1 });
      expect(Math.min(...Object.values(count))).toBeGreaterThan(0);
    }, 180_000);

    test("clocks that differ by up to five seconds", async () => {
      cloud.setFaults({ skewMs: 5000 });
      await runRounds(cloud, { name: "skewed", rounds: 20, isolated: true });
    }, 120_000);
  },
);

function failure(name: string): Fate {
  const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}` });
  return { kind: "answer", status: 400, body };
}

/** Sweeps as often as there is somebody to finish, as if each came a minute after the one before. */
class Sweeps {
  readonly #cloud: Cloud;
  #answered = 0;
  count = 0;

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  async untilWaiting(id: string): Promise<void> {
    const { executions } = new KitaruClient({ stack: "aws" });
    while ((await executions.get(id)).status !== "waiting") await pause(100);
    await pause(1000); // until its machine is parked
  }

  /** Begins when so many have been answered. */
  async run(all: number): Promise<void> {
    if (++this.#answered < all) return;
    const { executions } = new KitaruClient({ stack: "aws" });
    while (this.count < 5) {
      await this.#cloud.sweep(60_000 * ++this.count);
      await pause(4000);
      const open = await executions.list({ flow: "faulty", status: "waiting" });
      if (open.length === 0) return;
    }
  }
}
