import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { gcp } from "../../adapters/gcp/index.ts";
import { configure } from "../../core/index.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { generator } from "../../testing/scenario.ts";
import { pause, runRounds } from "../aws/evidence.ts";
import { faulty } from "../aws/fixtures/faulty-flows.ts";
import type { Fate } from "../emulators/fault-proxy.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { crashing } from "./fixtures/flows.ts";

const seed = Number(process.env["SEED"] ?? 1);
const random = generator(seed);
const pass: Fate = { kind: "pass" };
const throttled: Fate = {
  kind: "answer",
  status: 429,
  body: JSON.stringify({ error: { code: 429, status: "RESOURCE_EXHAUSTED" } }),
};
const entry = new URL("../aws/fixtures/faulty-flows.ts", import.meta.url);
/** Clocks of processes differ by up to five seconds from that of this machine. */
const skewed =
  "const now = Date.now; const by = Math.round((Math.random() * 2 - 1) * 5000); Date.now = () => now() + by;";

describe.skipIf(noCloud !== undefined)(
  `races on gcp, SEED=${seed} (${noCloud ?? "emulated"})`,
  () => {
    let cloud: Cloud;
    beforeAll(async () => {
      const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(skewed)}`;
      cloud = await startCloud({ environment: { NODE_OPTIONS } });
      configure({ config: { stacks: { gcp: gcp(cloud.options) } }, stack: "gcp" });
      await faulty.deploy({ entry });
    }, 120_000);
    afterEach(() => {
      for (const proxy of [cloud.database, cloud.orchestration]) proxy.fate = () => pass;
    });
    afterAll(async () => {
      await closeStacks();
      await cloud?.close();
    });

    /** With the sweep beside them as the scheduler calls it; what fails is tried again by the next. */
    const rounds = (given: Omit<Parameters<typeof runRounds>[1], "stack">): Promise<number> => {
      const sweep = (): Promise<void> => cloud.sweep().catch(() => undefined);
      const params = { stack: "gcp", ...given };
      return runRounds({ sweep }, params);
    };
    const startAgain = async (executionId: string, generation: number): Promise<void> => {
      const { backend } = await openStack("gcp");
      const head = await backend.records.get({ partition: `exec/${executionId}`, sort: "head" });
      const { bundle } = (JSON.parse(head?.body ?? "{}") as { facts: { bundle: string } }).facts;
      await backend.orchestrator.start({ executionId, flow: "faulty", bundle, generation });
    };

    test("clocks that differ by up to five seconds", async () => {
      await rounds({ name: "skewed", rounds: 12, isolated: true });
    }, 120_000);

    test("answers given between the suspension and the park", async () => {
      const parking = new Map<string, () => void>();
      const held = new Map<string, number>();
      let tooLate = 0;
      // the callback is kept only at the fourth try, so that there is time to answer
      cloud.database.fate = ({ path, body }) => {
        const text = body.toString();
        const id = /between-\d+/.exec(text)?.[0] ?? "";
        const tries = (held.get(id) ?? 0) + 1;
        if (!path.endsWith(":commit") || !text.includes('\\"parked\\"') || tries > 3) return pass;
        held.set(id, tries);
        return throttled;
      };
      cloud.database.onReply.add(({ path, body }, _reply, status) => {
        if (!path.endsWith(":commit")) return;
        const text = body.toString();
        if (text.includes('\\"parked\\"') && status >= 400) tooLate += 1;
        // the head says `waiting` just before the callback is kept
        if (!text.includes('\\"status\\":\\"waiting\\"')) return;
        for (const [id, tell] of parking) if (text.includes(id)) tell();
      });
      await rounds({
        name: "between",
        rounds: 20,
        answerAfter: (round) => new Promise((resolve) => parking.set(`between-${round}"`, resolve)),
      });
      expect(tooLate).toBeGreaterThan(0);
    }, 120_000);

    test("several workflows of one execution: one drives, whoever started them", async () => {
      await rounds({
        name: "two",
        rounds: 10,
        discarded: 1,
        answerAfter: async (round) => {
          await Promise.all([1, 7].map((generation) => startAgain(`two-${round}`, generation)));
          await pause(300);
        },
      });
      const ofOne = cloud.workflows.executions.filter(({ argument }) =>
        argument.includes('"two-0"'),
      );
      expect(ofOne.length).toBe(3);
    }, 120_000);

    test("Workflows is throttled, loses replies and drops wakes", async () => {
      const count = { throttled: 0, lost: 0 };
      cloud.orchestration.fate = ({ method }) => {
        const draw = random();
        if (method !== "POST" || draw > 0.3) return pass;
        if (draw < 0.15) {
          count.throttled += 1;
          return throttled;
        }
        count.lost += 1;
        return { kind: "lose" };
      };
      await rounds({ name: "hazy", rounds: 15, discarded: 1 });
      expect(Math.min(...Object.values(count))).toBeGreaterThan(0);
    }, 120_000);
  },
);

describe.skipIf(noCloud !== undefined)(`renewals on gcp (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await startCloud();
    configure({ config: { stacks: { gcp: gcp(cloud.options) } }, stack: "gcp" });
    await crashing.deploy({ entry: new URL("fixtures/flows.ts", import.meta.url) });
  }, 120_000);
  afterAll(async () => {
    await closeStacks();
    await cloud?.close();
  });

  test("a workflow that has taken its steps hands over to another, which goes on at once", async () => {
    await lowerStepLimit(cloud);
    const file = join(mkdtempSync(join(tmpdir(), "kitaru-gcp-")), "ran");
    const handle = crashing.run(file, { id: "renewed" });
    expect(await handle.result({ timeout: "60s" })).toBe(2);
    expect(readFileSync(file, "utf8")).toBe("1\n2\n");
    const workflows = cloud.workflows.executions.filter(({ argument }) =>
      argument.includes('"renewed"'),
    );
    await Promise.all(workflows.map(({ ended }) => ended));
    expect(workflows.length).toBeGreaterThan(1);
    for (const [at, { argument, state, result }] of workflows.entries()) {
      const before = workflows[at - 1];
      const after = before === undefined ? {} : { after: before.name };
      expect(JSON.parse(argument)).toEqual({ executionId: "renewed", generation: 1, ...after });
      const isLast = at === workflows.length - 1;
      expect({ state, result }).toEqual({
        state: "SUCCEEDED",
        result: { executionId: "renewed", ...(isLast ? {} : { renewed: true }) },
      });
    }
  }, 90_000);
});

/** Have the deployed workflows hand over after a few steps instead of after 20,000, to another execution here. */
async function lowerStepLimit({ workflows, options }: Cloud): Promise<void> {
  const place = `${workflows.endpoint}/v1/projects/${options.project}/locations/${options.region}`;
  for (const name of workflows.deployed()) {
    const reply = await fetch(`${place}/workflows/${name}`);
    const { sourceContents } = (await reply.json()) as { readonly sourceContents: string };
    const changed = sourceContents
      .replace("taken > 20000", "taken > 4")
      .replace("https://workflowexecutions.googleapis.com", workflows.endpoint);
    expect(changed).not.toBe(sourceContents);
    const body = JSON.stringify({ sourceContents: changed });
    await fetch(`${place}/workflows/${name}`, { method: "PATCH", body });
  }
}
