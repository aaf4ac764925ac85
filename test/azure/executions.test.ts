import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { azure } from "../../adapters/azure/index.ts";
import { metricLine } from "../../adapters/azure/metrics.ts";
import { functionNames } from "../../adapters/azure/names.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { crashing, go, many, patient } from "../aws/fixtures/flows.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { type Directory, startDirectory } from "./directory.ts";
import { broken, expiring, family } from "./fixtures/flows.ts";

const retentionDays = 30;

describe.skipIf(noCloud !== undefined)(`executions on azure (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  let directory: Directory;
  beforeAll(async () => {
    directory = await startDirectory();
    cloud = await startCloud({
      settings: {
        KITARU_AZURE_API_AUDIENCE: "api://agents",
        KITARU_AZURE_API_CALLERS: "alice, bob",
        KITARU_AZURE_API_KEYS: directory.keysUrl,
        KITARU_AZURE_TENANT: "t1",
        KITARU_AZURE_RETENTION_DAYS: String(retentionDays),
      },
    });
    const { name, connectionString } = cloud;
    configure({ config: { stacks: { azure: azure({ name, connectionString }) } }, stack: "azure" });
    const { deployments } = new KitaruClient();
    for (const entry of ["../aws/fixtures/flows.ts", "fixtures/flows.ts"])
      await deployments.deploy({ entry: new URL(entry, import.meta.url), tag: "default" });
  }, 120_000);
  afterAll(async () => {
    await closeStacks();
    await cloud?.close();
    await directory?.close();
  });

  const waiting = async (id: string): Promise<void> => {
    while ((await new KitaruClient().executions.get(id)).status !== "waiting")
      await new Promise((resolve) => setTimeout(resolve, 50));
  };

  test("a process that ends is a failed attempt: retried by the checkpoint's policy, not by the orchestration's", async () => {
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

  test("300 in one map go through pages of orchestrations, and no history holds them all", async () => {
    const count = 300;
    const sum = ((count - 1) * count * (2 * count - 1)) / 6;
    const handle = many.run(count, { id: "many" });
    expect(await handle.result({ timeout: "150s" })).toBe(sum);
    const { told, history } = await cloud.host.ended("many:1");
    const pages = Array.from({ length: 6 }, () => `call ${functionNames.page}`);
    expect(told).toEqual([
      `call ${functionNames.advance}`,
      `all(${pages.join(", ")})`,
      `call ${functionNames.advance}`,
    ]);
    expect(history).toBeLessThan(50);
  }, 180_000);

  test("a wait that nobody answers expires, and children run in instances of their own", async () => {
    expect(await expiring.run(undefined).result({ timeout: "60s" })).toBe("nobody");
    const handle = family.run(3, { id: "family" });
    expect(await handle.result({ timeout: "60s" })).toBe(6);
    const names = (await cloud.host.instances()).map(({ instanceId }) => instanceId);
    expect(names.filter((name) => name.startsWith("family-child"))).toHaveLength(3);
  }, 90_000);

  test("an execution that is cancelled ends its instance", async () => {
    const handle = patient.run(1, { id: "cancelled" });
    await waiting("cancelled");
    await handle.cancel();
    await expect(handle.result({ timeout: "30s" })).rejects.toMatchObject({ code: "cancelled" });
    expect(await cloud.host.ended("cancelled:1")).toMatchObject({
      runtimeStatus: "Terminated",
      output: "cancelled",
    });
  }, 60_000);

  test("nothing of the flow's values passes through an instance", async () => {
    const secret = 918_273_645;
    const handle = patient.run(secret, { id: "discreet" });
    await waiting("discreet");
    await go.answer("discreet");
    expect(await handle.result({ timeout: "30s" })).toBe(secret + 1);
    const instance = await cloud.host.ended("discreet:1");
    expect(JSON.stringify(instance)).not.toContain("9182736");
    expect(instance.output).toEqual({ executionId: "discreet" });
  }, 60_000);

  test("the log has the executions that fail, and those the sweep finds overdue", async () => {
    const logged = async (metric: RegExp): Promise<readonly string[]> =>
      (await cloud.host.logs()).filter((line) => metric.test(line));
    await expect(broken.run(undefined).result({ timeout: "60s" })).rejects.toThrow("on purpose");
    await expect
      .poll(() => logged(/FailedExecutions/), { timeout: 30_000 })
      .toEqual([metricLine("FailedExecutions", 1)]);
    const handle = patient.run(1, { id: "overdue" });
    await waiting("overdue");
    expect(await logged(/OverdueExecutions/)).toEqual([]);
    await cloud.sweep(25 * 3_600_000); // after the heartbeat of every park
    expect((await logged(/OverdueExecutions/))[0]).toBe(metricLine("OverdueExecutions", 1));
    await go.answer("overdue");
    expect(await handle.result({ timeout: "30s" })).toBe(2);
  }, 120_000);

  test("another service starts, answers and looks, with a token of one of the callers", async () => {
    const ask = async (authorization: string, body: object) => {
      const headers = { authorization, "content-type": "application/json" };
      const url = `${cloud.host.endpoint}/api/kitaru`;
      const reply = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
      return { status: reply.status, body: await reply.json() };
    };
    const bob = `Bearer ${directory.token("bob")}`;
    const start = { op: "start", flow: "patient", input: 4, id: "served" };
    expect((await ask("", start)).status).toBe(401);
    expect((await ask(`Bearer ${directory.token("mallory")}`, start)).status).toBe(403);
    expect(await ask(bob, start)).toEqual({
      status: 200,
      body: { ok: true, result: { executionId: "served", version: "1" } },
    });
    await waiting("served");
    expect(await ask(bob, { op: "answer", executionId: "served" })).toMatchObject({
      body: { ok: true },
    });
    await cloud.host.ended("served:1");
    expect(await ask(bob, { op: "get", executionId: "served" })).toMatchObject({
      body: { ok: true, result: { status: "completed", output: 5 } },
    });
    expect(await ask(bob, { op: "get", executionId: "nobody" })).toMatchObject({
      body: { ok: false, error: { code: "not_found" } },
    });
    expect(await ask(bob, { op: "drop" })).toMatchObject({ body: { ok: false } });
  }, 60_000);

  test("what is put into the queue and is no message is set aside", async () => {
    const { QueueClient } = await import("@azure/storage-queue");
    const { resourceNames } = await import("../../adapters/azure/names.ts");
    const queue = new QueueClient(cloud.connectionString, resourceNames.queue);
    const poison = new QueueClient(cloud.connectionString, resourceNames.poisonQueue);
    await queue.sendMessage(JSON.stringify({ op: "delete", executionId: "discreet" }));
    for (;;) {
      const { peekedMessageItems: found } = await poison.peekMessages();
      if (found.length > 0) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }, 60_000);

  test("an ended execution is kept for the retention, and deleted by the sweep after it", async () => {
    const handle = patient.run(1, { id: "forgotten" });
    await waiting("forgotten");
    await go.answer("forgotten");
    expect(await handle.result({ timeout: "30s" })).toBe(2);
    const { endedAt } = await new KitaruClient().executions.get("forgotten");
    const dayMs = 86_400_000;
    const expiry = Math.ceil(((endedAt?.getTime() ?? 0) + retentionDays * dayMs) / 1000) * 1000;
    const { records } = (await openStack("azure")).backend;
    const recorded = async () => (await records.list({ partition: "exec/forgotten" })).items;
    await vi.waitFor(
      async () => {
        const items = await recorded();
        expect(items.length).toBeGreaterThan(1);
        expect(new Set(items.map(({ expiresAt }) => expiresAt))).toEqual(new Set([expiry]));
      },
      { timeout: 30_000, interval: 100 },
    );
    await cloud.sweep((retentionDays - 1) * dayMs);
    expect(await recorded()).not.toEqual([]);
    await cloud.sweep((retentionDays + 1) * dayMs);
    expect(await recorded()).toEqual([]);
    await expect(new KitaruClient().executions.get("forgotten")).rejects.toMatchObject({
      code: "not_found",
    });
  }, 120_000);
});
