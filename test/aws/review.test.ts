import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { approveDraft, reviewFlow } from "../../examples/review/flow.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";

describe.skipIf(noCloud !== undefined)(`the review flow on aws (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await startCloud();
    Object.assign(process.env, cloud.env);
    configure({ config: { stacks: { aws: aws({ name: cloud.name }) } }, stack: "aws" });
  }, 120_000);
  afterAll(() => cloud.close());

  test("what was never deployed is not started, and the error says how to deploy it", async () => {
    const handle = reviewFlow.run({ document: "Agents wait." });
    await expect(handle.started).rejects.toThrow(/Deploy it: kitaru deploy/);
  });

  test("deploys, runs, waits, is answered and completes", async () => {
    const entry = new URL("../../examples/review/flow.ts", import.meta.url);
    expect(await reviewFlow.deploy({ entry })).toMatchObject({ version: 1, tags: ["default"] });
    const handle = reviewFlow.run({ document: "Agents wait. They ask. They go on." });
    await handle.started;
    await expect.poll(() => handle.status(), { timeout: 20_000 }).toBe("waiting");
    await approveDraft.answer(handle.id, true);
    expect(await handle.result({ timeout: "20s" })).toContain("Agents wait.");
    expect(await new KitaruClient().executions.get(handle.id)).toMatchObject({
      status: "completed",
      version: "1",
      stack: "aws",
    });
  }, 60_000);
});
