import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { crashing, many, sized } from "./fixtures/flows.ts";
import { statesOf } from "./machines.ts";

describe.skipIf(noCloud !== undefined)(
  `isolated checkpoints on aws (${noCloud ?? "emulated"})`,
  () => {
    let cloud: Cloud;
    beforeAll(async () => {
      cloud = await startCloud();
      Object.assign(process.env, cloud.env);
      configure({ config: { stacks: { aws: aws({ name: cloud.name }) } }, stack: "aws" });
      const entry = new URL("fixtures/flows.ts", import.meta.url);
      await new KitaruClient().deployments.deploy({ entry, tag: "default" });
    }, 120_000);
    afterAll(async () => {
      await closeStacks();
      await cloud?.close();
    });

    test("a process that ends is a failed attempt: retried by the checkpoint's policy, not by the machine's", async () => {
      const file = join(mkdtempSync(join(tmpdir(), "kitaru-attempts-")), "attempts");
      const handle = crashing.run(file);
      expect(await handle.result({ timeout: "60s" })).toEqual({ survived: 2, doomed: "crashed" });
      expect(readFileSync(file, "utf8")).toBe("1\n2\n");
      const { calls } = await new KitaruClient().executions.get(handle.id);
      expect(calls.find(({ id }) => id === "fragile:0")?.attempts).toMatchObject([
        { number: 1, error: { code: "crashed" } },
        { number: 2 },
      ]);
    }, 90_000);

    test("each runs in the smallest function that holds it, and the flow in its own", async () => {
      expect(await sized.run().result({ timeout: "60s" })).toEqual([
        "kitaru-agents-task-default",
        "kitaru-agents-task-large",
        "kitaru-agents-advance",
      ]);
    }, 90_000);

    test("what no function of the runtime holds is refused before anything is published", async () => {
      const entry = new URL("fixtures/demanding-flows.ts", import.meta.url);
      const client = new KitaruClient();
      await expect(client.deployments.deploy({ entry })).rejects.toThrow(
        /Checkpoint "vast" asks for 9000 MB of memory, and no size of this stack .*: default \(1024 MB.*; large \(4096 MB/,
      );
      await expect(client.deployments.list({ flow: "demanding" })).rejects.toThrow(
        /No deployments found/,
      );
      expect(await statesOf(cloud, "demanding")).toEqual([]);
    });

    test("300 in one map go through one distributed map", async () => {
      const count = 300;
      const handle = many.run(count, { id: "many" });
      const sum = ((count - 1) * count * (2 * count - 1)) / 6;
      expect(await handle.result({ timeout: "150s" })).toBe(sum);
      expect(await statesOf(cloud, "many")).toEqual([
        ["Start", "Route", "Run many tasks", "Advance", "Route", "Completed"],
      ]);
    }, 180_000);
  },
);
