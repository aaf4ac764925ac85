import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { gcp } from "../../adapters/gcp/index.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { prompt } from "../aws/fixtures/flows.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";

const days = 30;

describe.skipIf(noCloud !== undefined)(`retention on gcp (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await startCloud({ environment: { KITARU_GCP_RETENTION_DAYS: String(days) } });
    configure({ config: { stacks: { gcp: gcp(cloud.options) } }, stack: "gcp" });
    const entry = new URL("../aws/fixtures/flows.ts", import.meta.url);
    await new KitaruClient().deployments.deploy({ entry, tag: "default" });
  }, 120_000);
  afterAll(async () => {
    await closeStacks();
    await cloud?.close();
  });

  test("each document of an ended execution says when the database may delete it", async () => {
    const handle = prompt.run(1, { id: "kept" });
    expect(await handle.result({ timeout: "30s" })).toBe(2);
    const { endedAt } = await new KitaruClient().executions.get("kept");
    const expiry = Math.ceil(((endedAt?.getTime() ?? 0) + days * 86_400_000) / 1000) * 1000;
    const { records } = (await openStack("gcp")).backend;
    await vi.waitFor(
      async () => {
        const { items } = await records.list({ partition: "exec/kept" });
        expect(items.length).toBeGreaterThan(1);
        expect(new Set(items.map(({ expiresAt }) => expiresAt))).toEqual(new Set([expiry]));
      },
      { timeout: 30_000, interval: 100 },
    );
  }, 90_000);
});
