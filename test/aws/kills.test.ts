import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { runRounds } from "../faults/rounds.ts";
import { faulty } from "../faults/fixtures/flows.ts";

const kills = Number(process.env["ROUNDS"] ?? 200);

describe.skipIf(noCloud !== undefined)(`killed functions on aws (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await startCloud({ advanceSeconds: 8 });
    Object.assign(process.env, cloud.env);
    configure({ config: { stacks: { aws: aws({ name: cloud.name }) } }, stack: "aws" });
    await faulty.deploy({ entry: new URL("../faults/fixtures/flows.ts", import.meta.url) });
  }, 120_000);
  afterAll(async () => {
    await closeStacks();
    await cloud?.close();
  });

  test(`functions killed while they run, in ${kills} executions`, async () => {
    cloud.setFaults({ kills: 0.25 });
    const lost = await runRounds({
      stack: "aws",
      name: "killed",
      rounds: kills,
      atOnce: 8,
      sweep: () => cloud.sweep(),
    });
    expect(cloud.killed().length).toBeGreaterThan(kills / 10);
    expect(new Set(cloud.killed()).size).toBeGreaterThan(1); // advances and parks
    expect(lost).toBeGreaterThan(0);
  }, 300_000);
});
