import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { LoopDirective } from "../../adapters/azure/directive.ts";
import { type DurableHost, startDurableHost } from "../emulators/durable-host.ts";

const app = fileURLToPath(new URL("fixtures/scripted-app.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "kitaru-scripts-"));

interface Step {
  readonly directive: LoopDirective;
  readonly wakes?: boolean;
  readonly fails?: number;
}

const done: Step = { directive: { kind: "end", status: "completed" } };
const again: Step = { directive: { kind: "advance" } };
const park = (afterMs: number, label = "approve"): Step => ({
  directive: { kind: "park", label, wakeAt: Date.now() + afterMs },
});
const tasks = (...names: readonly string[]): Step => ({
  directive: {
    kind: "tasks",
    label: "",
    tasks: names.map((name) => ({ callId: `${name}:0`, attempt: 1 })),
  },
});

afterAll(() => rmSync(folder, { recursive: true }));

describe("the orchestrator function, driven by a host of its own", () => {
  let host: DurableHost;
  beforeAll(async () => {
    host = await startDurableHost({ app, env: { SCRIPTS: folder } });
  }, 60_000);
  afterEach(() => host.setFaults({}));
  afterAll(async () => {
    await host?.close();
  });

  const start = async (id: string, steps: readonly Step[]) => {
    writeFileSync(join(folder, `${id}.json`), JSON.stringify(steps));
    const input = { executionId: id, flow: "review" };
    await host.call("start", { name: "kitaru-flow-1", id: `${id}:1`, input });
    return `${id}:1`;
  };
  const run = async (id: string, steps: readonly Step[]) => host.ended(await start(id, steps));
  const log = (id: string): string[] => {
    const file = join(folder, `${id}.log`);
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  };
  const parked = async (id: string, turn = 0) => {
    for (;;) {
      const found = await host.instance(id);
      if (found?.customStatus === "Wait for approve" && log(id.slice(0, -2)).length > turn)
        return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  test("ends as the flow ended, and leaves no value of it", async () => {
    expect(await run("done", [done])).toMatchObject({
      runtimeStatus: "Completed",
      output: { executionId: "done" },
      told: ["call kitaru-advance-1"],
    });
    const failed: Step = { directive: { kind: "end", status: "failed", code: "divergence" } };
    expect(await run("broken", [failed])).toMatchObject({
      runtimeStatus: "Failed",
      output: expect.stringContaining("divergence: execution broken failed"),
    });
    const cancelled: Step = { directive: { kind: "end", status: "cancelled" } };
    expect(await run("cancelled", [cancelled])).toMatchObject({ runtimeStatus: "Failed" });
  });

  test("is woken while it waits, and takes its timer back", async () => {
    const begun = Date.now();
    const id = await start("woken", [park(60_000), done]);
    await parked(id);
    expect(await host.raise(id, "wake:0")).toBe(202);
    expect(await host.ended(id)).toMatchObject({
      runtimeStatus: "Completed",
      told: [
        "call kitaru-advance-1",
        "any(event wake:0, timer (cancelled))",
        "call kitaru-advance-1",
      ],
    });
    expect(Date.now() - begun).toBeLessThan(20_000);
  });

  test("advances when the time is over", async () => {
    expect(await run("timed", [park(1000), done])).toMatchObject({
      runtimeStatus: "Completed",
      told: ["call kitaru-advance-1", "any(event wake:0, timer)", "call kitaru-advance-1"],
    });
  });

  test("an event between the advance and the wait is kept for it", async () => {
    const begun = Date.now();
    expect(await run("early", [{ ...park(60_000), wakes: true }, done])).toMatchObject({
      runtimeStatus: "Completed",
    });
    expect(Date.now() - begun).toBeLessThan(20_000);
  });

  test("late and doubled events of an earlier turn wake nobody", async () => {
    const id = await start("late", [park(60_000), park(60_000), done]);
    await parked(id);
    await host.raise(id, "wake:0");
    await parked(id, 1);
    for (const event of ["wake:0", "wake:0", "wake:7"]) await host.raise(id, event);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(log("late")).toEqual(["advance 0", "advance 1"]);
    await host.raise(id, "wake:1");
    expect(await host.ended(id)).toMatchObject({ runtimeStatus: "Completed" });
    expect(log("late")).toEqual(["advance 0", "advance 1", "advance 2"]);
  });

  test("begins anew at the top of the loop, with an empty history and the count of its turns", async () => {
    const turns = Array.from({ length: 119 }, () => again);
    const { told, input, history, ...ended } = await run("long", [...turns, done]);
    expect(ended).toMatchObject({ runtimeStatus: "Completed" });
    expect(told.filter((action) => action === "continueAsNew").length).toBe(2);
    expect(told.indexOf("continueAsNew")).toBe(50);
    expect(input).toEqual({ executionId: "long", flow: "review", turns: 100 });
    expect(history).toBeLessThan(120);
    expect(log("long")).toEqual(Array.from({ length: 120 }, (_, turn) => `advance ${turn}`));
  });

  test("a wake is not lost when the instance begins anew", async () => {
    const turns = Array.from({ length: 50 }, () => again);
    const id = await start("anew", [...turns, { ...park(60_000), wakes: true }, done]);
    expect(await host.ended(id)).toMatchObject({ runtimeStatus: "Completed" });
  });

  test("a doubled start is one instance", async () => {
    const id = await start("double", [park(60_000), done]);
    const reply = await host.call("start", {
      name: "kitaru-flow-1",
      id,
      input: { executionId: "double", flow: "review" },
    });
    expect(reply.status).toBe(202);
    await parked(id);
    await host.raise(id, "wake:0");
    await host.ended(id);
    expect(log("double")).toEqual(["advance 0", "advance 1"]);
  });

  test("an advance that fails is tried again", async () => {
    expect(await run("flaky", [{ ...done, fails: 1 }])).toMatchObject({
      runtimeStatus: "Completed",
    });
    expect(log("flaky")).toEqual(["advance 0", "advance 0"]);
  }, 20_000);

  test("isolated attempts run, and one whose process ends or that throws is said to have crashed", async () => {
    const steps = [tasks("a", "b"), tasks("throw", "c"), tasks("exit"), done];
    const { told } = await run("tasks", steps);
    expect(told).toEqual([
      "call kitaru-advance-1",
      "all(call kitaru-task-1, call kitaru-task-1)",
      "call kitaru-advance-1",
      "all(call kitaru-task-1, call kitaru-task-1)",
      "call kitaru-crashed-1",
      "call kitaru-advance-1",
      "all(call kitaru-task-1)",
      "call kitaru-crashed-1",
      "call kitaru-advance-1",
    ]);
    const crashes = log("tasks").filter((line) => line.startsWith("crashed"));
    expect(crashes[1]).toMatch(
      /^crashed exit:0: Activity function 'kitaru-task-1' failed: The process of kitaru-task-1 has ended/,
    );
    expect(crashes[0]).toBe("crashed throw:0: Activity function 'kitaru-task-1' failed: no disk");
  });

  test("many of them run in pages, each with a history of its own", async () => {
    const many: Step = { directive: { kind: "manyTasks", key: "330", count: 330 } };
    const { told, history } = await run("many", [many, done]);
    expect(told[1]).toBe(
      `all(${Array.from({ length: 7 }, () => "call kitaru-tasks-1").join(", ")})`,
    );
    expect(history).toBeLessThan(50);
    expect(new Set(log("many").filter((line) => line.startsWith("task"))).size).toBe(330);
    const pages = (await host.instances()).filter(({ name }) => name === "kitaru-tasks-1");
    expect(Math.max(...pages.map((page) => page.history))).toBeLessThan(250);
  });

  test("goes on after the host was stopped in the middle", async () => {
    const id = await start("stopped", [park(60_000), tasks("a", "b"), again, done]);
    await parked(id);
    await host.restart();
    await host.raise(id, "wake:0");
    await host.restart();
    expect(await host.ended(id)).toMatchObject({ runtimeStatus: "Completed" });
  });

  test("activities that come twice change nothing", async () => {
    await host.setFaults({ doubles: 1 });
    const steps = [again, { ...park(60_000), wakes: true }, tasks("a", "b"), again, done];
    expect(await run("twice", steps)).toMatchObject({ runtimeStatus: "Completed" });
    expect((await host.counts()).doubled).toBeGreaterThanOrEqual(5);
  });

  test("an instance that is terminated or purged is woken no more", async () => {
    const id = await start("gone", [park(60_000), done]);
    await parked(id);
    expect(await host.terminate(id)).toBe(202);
    expect(await host.raise(id, "wake:0")).toBe(410);
    expect(await host.purge(id)).toBe(200);
    expect(await host.raise(id, "wake:0")).toBe(404);
  });
});

describe("the host refuses what the service refuses", () => {
  let host: DurableHost;
  beforeAll(async () => {
    host = await startDurableHost({ app, env: { SCRIPTS: folder } });
  }, 60_000);
  afterAll(() => host?.close());

  test("an orchestrator function that does something else on replay", async () => {
    writeFileSync(join(folder, "switch"), "off");
    await host.call("start", { name: "fickle", id: "fickle-1", input: { executionId: "fickle" } });
    await new Promise((resolve) => setTimeout(resolve, 150));
    writeFileSync(join(folder, "switch"), "on");
    expect(await host.ended("fickle-1")).toMatchObject({
      runtimeStatus: "Failed",
      output: expect.stringMatching(/Non-Deterministic workflow detected.*sequence ID 1.*'second'/),
    });
  });

  test("an end while a timer is left: the instance runs on until it has fired", async () => {
    const begun = Date.now();
    await host.call("start", { name: "forgetful", id: "forgetful-1", input: {} });
    expect(await host.ended("forgetful-1")).toMatchObject({ runtimeStatus: "Completed" });
    expect(Date.now() - begun).toBeGreaterThan(1400);
  });

  test("ids that are not allowed, functions that are not there, callers without the key", async () => {
    const create = (name: string, id: string) =>
      fetch(`${host.endpoint}/durabletask/orchestrators/${name}/${encodeURIComponent(id)}`, {
        method: "POST",
        body: "{}",
      });
    for (const id of ["@a", "a/b", "a#b", "a?b", "x".repeat(101)])
      expect((await create("fickle", id)).status).toBe(400);
    expect((await create("nothing", "a")).status).toBe(400);
    const anonymous = await fetch(`${host.endpoint}/api/start`, { method: "POST", body: "{}" });
    expect(anonymous.status).toBe(401);
  });

  test("a timer's function runs when its time has come, on a clock of its own", async () => {
    await host.tick("ticks", 3600_000);
    const at = Number(readFileSync(join(folder, "ticks.log"), "utf8"));
    expect(at - Date.now()).toBeGreaterThan(3500_000);
  });
});
