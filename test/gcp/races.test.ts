import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { gcp } from "../../adapters/gcp/index.ts";
import { configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { generator } from "../../testing/scenario.ts";
import { runRounds } from "../faults/rounds.ts";
import { faulty } from "../faults/fixtures/flows.ts";
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
const entry = new URL("../faults/fixtures/flows.ts", import.meta.url);

describe.skipIf(noCloud !== undefined)(
  `races on gcp, SEED=${seed} (${noCloud ?? "emulated"})`,
  () => {
    let cloud: Cloud;
    beforeAll(async () => {
      cloud = await startCloud();
      configure({ config: { stacks: { gcp: gcp(cloud.options) } }, stack: "gcp" });
      await faulty.deploy({ entry });
    }, 120_000);
    afterEach(() => {
      cloud.orchestration.fate = () => pass;
    });
    afterAll(async () => {
      await closeStacks();
      await cloud?.close();
    });

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
      await runRounds({
        stack: "gcp",
        name: "hazy",
        rounds: 15,
        discarded: 1,
        sweep: () => cloud.sweep(),
      });
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
