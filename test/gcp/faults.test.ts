import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { gcp } from "../../adapters/gcp/index.ts";
import { configure } from "../../core/index.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { generator } from "../../testing/scenario.ts";
import { pause, runRounds } from "../aws/evidence.ts";
import { faulty } from "../aws/fixtures/faulty-flows.ts";
import type { Fate } from "../emulators/fault-proxy.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";

const seed = Number(process.env["SEED"] ?? 1);
const kills = Number(process.env["ROUNDS"] ?? 20);
const random = generator(seed);
const pass: Fate = { kind: "pass" };

describe.skipIf(noCloud !== undefined)(
  `faults on gcp, SEED=${seed} (${noCloud ?? "emulated"})`,
  () => {
    let cloud: Cloud;
    beforeAll(async () => {
      cloud = await startCloud({ advanceSeconds: 15 });
      configure({ config: { stacks: { gcp: gcp(cloud.options) } }, stack: "gcp" });
      await faulty.deploy({ entry: new URL("../aws/fixtures/faulty-flows.ts", import.meta.url) });
    }, 120_000);
    afterEach(() => {
      const { database, bucket, orchestration, functions } = cloud;
      const proxies = Object.values(functions).map(({ proxy }) => proxy);
      for (const proxy of [database, bucket, orchestration, ...proxies]) proxy.fate = () => pass;
    });
    afterAll(async () => {
      await closeStacks();
      await cloud?.close();
    });

    test(`instances that go away while they run, in ${kills} executions`, async () => {
      const { advance, task } = cloud.functions;
      for (const fn of [advance, task]) {
        let nextAt = 0;
        fn.proxy.fate = () => {
          // with one instance everything under way goes away: what is sent again must have time to arrive
          if (Date.now() < nextAt || random() > 0.3) return pass;
          nextAt = Date.now() + 2500;
          setTimeout(() => fn.kill(), random() * 100);
          return pass;
        };
      }
      await runRounds(cloud, { stack: "gcp", name: "killed", rounds: kills, isolated: true });
      expect(advance.ends()).toBeGreaterThan(0);
      expect(advance.ends() + task.ends()).toBeGreaterThan(2);
    }, 300_000);

    test("all wakes are lost: the sweep finishes everything", async () => {
      let dropped = 0;
      cloud.orchestration.fate = ({ path }) => {
        if (!path.includes("/callbacks/")) return pass;
        dropped += 1;
        return { kind: "answer", status: 200, body: "{}" };
      };
      await runRounds(cloud, {
        stack: "gcp",
        name: "dropped",
        rounds: 6,
        answerAfter: (round) => parked(`dropped-${round}`),
      });
      expect(dropped).toBeGreaterThanOrEqual(6);
    }, 180_000);

    test("wakes come twice and out of the blue, and starts are carried out twice", async () => {
      const tokens = new Set<string>();
      let doubled = 0;
      cloud.orchestration.fate = ({ method, path }) => {
        if (path.includes("/callbacks/")) tokens.add(`https://workflows.example${path}`);
        if (method !== "POST" || !path.endsWith("/executions") || random() > 0.3) return pass;
        doubled += 1;
        return { kind: "lose" };
      };
      const { orchestrator } = (await openStack("gcp")).backend;
      const spurious = setInterval(() => {
        for (const token of tokens) void orchestrator.wake(token, "any").catch(() => undefined);
      }, 200);
      try {
        await runRounds(cloud, { stack: "gcp", name: "doubled", rounds: 20, discarded: 1 });
      } finally {
        clearInterval(spurious);
      }
      expect(tokens.size).toBeGreaterThan(0);
      expect(doubled).toBeGreaterThan(0);
    }, 180_000);

    test("Firestore is throttled, contended, finds conflicts that are none and loses replies; the bucket answers 503", async () => {
      const count = { throttled: 0, aborted: 0, conflicts: 0, lost: 0, unavailable: 0 };
      cloud.database.fate = ({ path, body }) => {
        const draw = random();
        if (draw < 0.03) {
          count.throttled += 1;
          return failure(429, "RESOURCE_EXHAUSTED");
        }
        if (!path.endsWith(":commit") || !body.includes("-exec.1")) return pass;
        if (draw < 0.06) {
          count.aborted += 1;
          return failure(409, "ABORTED");
        }
        if (draw < 0.1 && body.includes('"updateTime"')) {
          count.conflicts += 1;
          return failure(400, "FAILED_PRECONDITION");
        }
        if (draw > 0.14) return pass;
        count.lost += 1;
        return { kind: "lose" };
      };
      cloud.bucket.fate = () => {
        if (random() > 0.5) return pass;
        count.unavailable += 1;
        return { kind: "answer", status: 503, body: "{}" };
      };
      for (const fn of ["advance", "task"] as const) cloud.functions[fn].kill(); // what they know of bundles goes with them
      await runRounds(cloud, {
        stack: "gcp",
        name: "stormy",
        rounds: 20,
        isolated: true,
        discarded: 1,
      });
      expect(Math.min(...Object.values(count))).toBeGreaterThan(0);
    }, 180_000);
  },
);

/** Resolves once the token that wakes an execution is kept. */
async function parked(id: string): Promise<void> {
  const { records } = (await openStack("gcp")).backend;
  const key = { partition: `exec/${id}`, sort: "inbox" };
  while ((await records.get(key))?.body.includes('"parked"') !== true) await pause(100);
}

function failure(status: number, name: string): Fate {
  return {
    kind: "answer",
    status,
    body: JSON.stringify({ error: { code: status, message: name, status: name } }),
  };
}
