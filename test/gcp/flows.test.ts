import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { gcp } from "../../adapters/gcp/index.ts";
import { permissions } from "../../adapters/gcp/permissions.ts";
import { detachedToken } from "../../adapters/gcp/tokens.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks, openStack } from "../../core/stacks.ts";
import { project } from "../deployments/project.ts";
import type { Fate } from "../emulators/fault-proxy.ts";
import type { Execution } from "../emulators/workflows/execution.ts";
import { entriesOf } from "../parity/journal.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import type { Account } from "./iam.ts";
import { broken, crashing, go, many, patient, sized, sleepy } from "./fixtures/flows.ts";

const preload = fileURLToPath(new URL("../from-source.ts", import.meta.url));
const program = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const pass: Fate = { kind: "pass" };
const folder = mkdtempSync(join(tmpdir(), "kitaru-gcp-"));
/**
 * Permissions that the flows of this file need by chance, or that only others need: models and their secrets, child flows and what waits for them,
 * values above 16 KB, long advances that look for a cancel; the right to list makes "there is none" of "forbidden".
 */
const maybeUnneeded: Readonly<Record<Account, readonly string[]>> = {
  advance: [
    "datastore.entities.get",
    "secretmanager.versions.access",
    "storage.objects.list",
    "workflows.callbacks.send",
    "workflows.executions.create",
  ],
  task: [
    "datastore.entities.get",
    "datastore.entities.update",
    "secretmanager.versions.access",
    "storage.objects.create",
    "storage.objects.list",
  ],
  sweep: ["datastore.entities.create", "datastore.entities.get", "workflows.executions.get"],
  api: ["storage.objects.create", "storage.objects.list", "workflows.executions.get"],
};
const entry = new URL("fixtures/flows.ts", import.meta.url);

describe.skipIf(noCloud !== undefined)(`flows on gcp (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await startCloud();
    configure({ config: { stacks: { gcp: gcp(cloud.options) } }, stack: "gcp" });
    await new KitaruClient().deployments.deploy({ entry, tag: "default" });
  }, 120_000);
  afterEach(() => {
    for (const proxy of [cloud.database, cloud.bucket, cloud.orchestration])
      proxy.fate = () => pass;
  });
  afterAll(async () => {
    await closeStacks();
    await cloud?.close();
  });

  /** Executions of workflows that were started for an execution, oldest first. */
  const workflowsOf = (id: string): readonly Execution[] =>
    cloud.workflows.executions.filter(({ argument }) => argument.includes(`"${id}"`));
  const inboxOf = async (id: string): Promise<string> => {
    const { records } = (await openStack("gcp")).backend;
    return (await records.get({ partition: `exec/${id}`, sort: "inbox" }))?.body ?? "";
  };
  const eventually = (check: () => unknown): Promise<unknown> =>
    vi.waitFor(check, { timeout: 60_000, interval: 50 });
  const startParked = async (id: string): Promise<string> => {
    const file = join(folder, id);
    await patient.run(file, { id }).started;
    await eventually(async () => expect(await inboxOf(id)).toContain('"parked"'));
    return file;
  };
  const ended = async (
    id: string,
  ): Promise<{ readonly status: string; readonly output?: unknown }> => {
    await eventually(async () =>
      expect((await new KitaruClient().executions.get(id)).endedAt).toBeDefined(),
    );
    return new KitaruClient().executions.get(id);
  };
  const starts = async (id: string): Promise<number> => {
    const entries = await entriesOf(await openStack("gcp"), id);
    return new Set(entries.flatMap((one) => (one.t === "advance" ? [one.owner] : []))).size;
  };

  test("a wait is parked in its own step, and answered", async () => {
    const file = await startParked("answered");
    await eventually(() =>
      expect(workflowsOf("answered").map(({ state, steps }) => [state, steps.at(-1)])).toEqual([
        ["ACTIVE", "wait_for_go"],
      ]),
    );
    await go.answer("answered", "gone");
    expect(await ended("answered")).toMatchObject({ status: "completed", output: "noted gone" });
    expect(readFileSync(file, "utf8")).toBe("ran\n");
    await eventually(() => expect(workflowsOf("answered")[0]?.state).toBe("SUCCEEDED"));
  }, 120_000);

  test("a sleep ends by itself, and a failure is one of the workflow too", async () => {
    const [slept, failed] = [sleepy.run(1200), broken.run(undefined, { id: "broken" })];
    expect(await slept.result({ timeout: "60s" })).toBe("awake");
    await expect(failed.result({ timeout: "60s" })).rejects.toThrow("no");
    await eventually(() => expect(workflowsOf("broken")[0]?.state).toBe("FAILED"));
    expect(workflowsOf("broken")[0]?.error?.payload).toContain("out_of_paper");
  }, 120_000);

  test("of starts that were doubled one drives, and the others end", async () => {
    let lost = 0;
    cloud.orchestration.fate = ({ method, path }) =>
      method === "POST" && path.endsWith("/executions") && lost++ === 0 ? { kind: "lose" } : pass;
    const file = await startParked("doubled"); // the first reply is lost: there are two already
    const { backend } = await openStack("gcp");
    const { bundle } = await factsOf("doubled");
    const params = { executionId: "doubled", flow: "patient", bundle, generation: 1 };
    await Promise.all([1, 2].map(() => backend.orchestrator.start(params)));
    await eventually(() =>
      expect(
        workflowsOf("doubled")
          .map(({ state }) => state)
          .toSorted(),
      ).toEqual(["ACTIVE", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]),
    );
    await go.answer("doubled", "gone");
    expect(await ended("doubled")).toMatchObject({ status: "completed" });
    expect(readFileSync(file, "utf8")).toBe("ran\n");
    expect(await starts("doubled")).toBe(1);
  }, 120_000);

  test("wakes that come twice, out of the blue or too late change nothing", async () => {
    const file = await startParked("woken");
    const { parked = "" } = JSON.parse(await inboxOf("woken")) as { parked?: string };
    const { orchestrator } = (await openStack("gcp")).backend;
    await Promise.all([1, 2, 3].map(() => orchestrator.wake(parked, "woken")));
    await eventually(async () => expect(await inboxOf("woken")).not.toContain(parked));
    await go.answer("woken", "gone");
    await ended("woken");
    await eventually(() => expect(workflowsOf("woken")[0]?.state).toBe("SUCCEEDED"));
    expect(await orchestrator.wake(parked, "woken")).toBe(false);
    expect(await orchestrator.wake("https://elsewhere.example/hook", "woken")).toBe(false);
    expect(readFileSync(file, "utf8")).toBe("ran\n");
  }, 120_000);

  test("an execution whose workflow was cancelled is found by the sweep, and goes on at once", async () => {
    const file = await startParked("orphan");
    workflowsOf("orphan")[0]?.cancel();
    await go.answer("orphan", "gone"); // its wake finds nobody
    await eventually(async () => {
      await cloud.sweep();
      expect(workflowsOf("orphan").length).toBeGreaterThan(1);
    });
    expect(await ended("orphan")).toMatchObject({ status: "completed", output: "noted gone" });
    expect(readFileSync(file, "utf8")).toBe("ran\n");
  }, 120_000);

  test("a cancelled execution ends its workflow", async () => {
    await startParked("cancelled");
    await new KitaruClient().executions.cancel("cancelled");
    expect(await ended("cancelled")).toMatchObject({ status: "cancelled" });
    await eventually(() => expect(workflowsOf("cancelled")[0]?.state).toBe("FAILED"));
    expect(workflowsOf("cancelled")[0]?.error?.payload).toContain("cancelled");
  }, 120_000);

  test("an isolated attempt whose process ends is a failed attempt, retried by the checkpoint's policy", async () => {
    const file = join(folder, "attempts");
    const handle = crashing.run(file, { id: "crashing" });
    expect(await handle.result({ timeout: "60s" })).toBe(2);
    expect(readFileSync(file, "utf8")).toBe("1\n2\n");
    const { calls } = await new KitaruClient().executions.get("crashing");
    expect(calls[0]?.attempts).toMatchObject([
      { number: 1, error: { code: "crashed" } },
      { number: 2 },
    ]);
  }, 120_000);

  test("each isolated checkpoint runs in the smallest function that holds it, and the flow in its own", async () => {
    expect(await sized.run().result({ timeout: "60s" })).toEqual(["task", "large", "advance"]);
  }, 120_000);

  test("130 isolated calls of one map go through pages", async () => {
    const count = 130;
    const handle = many.run(count, { id: "many" });
    const sum = ((count - 1) * count * (2 * count - 1)) / 6;
    expect(await handle.result({ timeout: "60s" })).toBe(sum);
    expect(workflowsOf("many")[0]?.steps).toContain("run_many_tasks");
  }, 120_000);

  test("callers without the right identity get 401 or 403, and do nothing", async () => {
    const { url } = cloud.functions.advance;
    const body = { op: "crashed", executionId: "answered", callId: "a:0", attempt: 1, why: "x" };
    const status = async (authorization?: string): Promise<number> => {
      const headers = {
        "content-type": "application/json",
        ...(authorization && { authorization }),
      };
      const reply = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
      return reply.status;
    };
    const account = cloud.document.workflowAccount;
    const { issuer } = cloud;
    expect(await status()).toBe(401);
    expect(await status("Bearer nonsense")).toBe(401);
    expect(await status(`Bearer ${issuer.idToken(account, cloud.functions.task.url)}`)).toBe(401);
    expect(await status(`Bearer ${issuer.forgedToken(account, url)}`)).toBe(401);
    expect(await status(`Bearer ${issuer.idToken("stranger@example.com", url)}`)).toBe(403);
    expect((await cloud.call("sweep", {}, account)).status).toBe(403);
    expect((await cloud.call("task", body)).status).toBe(403);
    expect((await cloud.call("advance", { op: "none" }, account)).status).toBe(400);
    const gone = { op: "page", executionId: "answered", key: "tasks/none/1", page: 0 };
    expect((await cloud.call("advance", gone, account)).status).toBe(404);
    expect(
      await cloud.call(
        "advance",
        {
          op: "advance",
          executionId: "answered",
          generation: 1,
          workflow: "projects/p/locations/l/workflows/w/executions/e",
          callbackUrl: "https://elsewhere.example/v1/callbacks/1",
        },
        account,
      ),
    ).toMatchObject({ status: 400, body: { error: /must be that of an endpoint/ } });
  });

  test("another service starts, looks at and answers executions through the api function", async () => {
    const file = join(folder, "api");
    const begin = { op: "start", flow: "patient", input: file, id: "api" };
    expect(await cloud.call("api", begin)).toMatchObject({
      status: 200,
      body: { ok: true, result: { executionId: "api" } },
    });
    await eventually(async () =>
      expect(await cloud.call("api", { op: "get", executionId: "api" })).toMatchObject({
        body: { result: { status: "waiting", pendingWaits: [{ id: "go:0" }] } },
      }),
    );
    const wrong = { op: "answer", executionId: "api", wait: "go", value: 7 };
    expect(await cloud.call("api", wrong)).toMatchObject({ body: { ok: false, error: {} } });
    expect(await cloud.call("api", { ...wrong, value: "gone" })).toMatchObject({
      body: { ok: true },
    });
    expect(await ended("api")).toMatchObject({ status: "completed", output: "noted gone" });
  }, 120_000);

  test("kitaru deploy publishes the bundle, its workflows and a version, which kitaru invoke runs", async () => {
    const { name, project: id, region } = cloud.options;
    const place = JSON.stringify({ name, project: id, region });
    const root = await project({
      "late.ts": `import { flow, sleep } from "kitaru";
export const late = flow("late", async (ms: number) => { await sleep(ms); return "late"; });`,
      "kitaru.config.ts": `import { defineConfig } from "kitaru";
import { gcp } from "kitaru/gcp";
export default defineConfig({ stack: "prod", stacks: { prod: gcp(${place}) } });`,
    });
    const kitaru = async (...args: readonly string[]): Promise<{ readonly item?: object }> => {
      const all = [`--import=${preload}`, program, ...args, "--output", "json"];
      const env = { ...process.env, ...cloud.env };
      const { stdout } = await promisify(execFile)(process.execPath, all, { cwd: root, env });
      return JSON.parse(stdout) as { readonly item?: object };
    };
    expect(await kitaru("deploy", "late.ts")).toMatchObject({ count: 1 });
    const invoked = await kitaru("invoke", "late", "--input", "1100", "--wait");
    expect(invoked.item).toMatchObject({ status: "completed", version: "1", stack: "prod" });
    const steps = cloud.workflows.executions.find((one) => one.name.includes("/agents-late-"));
    expect(steps?.steps).toContain("park");
  }, 120_000);

  test("no function has asked for what its account may not, and what it may is needed", () => {
    const accounts = ["advance", "task", "sweep", "api"] as const;
    const refused = accounts.flatMap((account) => [...cloud.iam[account].refused]);
    expect(refused).toEqual([]);
    const spare = accounts.flatMap((account) => {
      const used = new Set([...cloud.iam[account].needed, ...maybeUnneeded[account]]);
      return permissions[account].flatMap((grant) =>
        grant.permissions.filter((one) => !used.has(one)),
      );
    });
    expect(spare).toEqual([]);
  });

  async function factsOf(id: string): Promise<{ readonly bundle: string }> {
    const { records } = (await openStack("gcp")).backend;
    const head = await records.get({ partition: `exec/${id}`, sort: "head" });
    return (JSON.parse(head?.body ?? "{}") as { facts: { bundle: string } }).facts;
  }
});

describe.skipIf(noCloud !== undefined)(`long waits on gcp (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  beforeAll(async () => {
    cloud = await startCloud({ environment: { KITARU_GCP_DETACH_MS: "5000" } });
    configure({ config: { stacks: { gcp: gcp(cloud.options) } }, stack: "gcp" });
    await new KitaruClient().deployments.deploy({ entry, tag: "default" });
  }, 120_000);
  afterAll(async () => {
    await closeStacks();
    await cloud?.close();
  });

  test("no workflow is kept for them; an answer starts another, and doubled wakes no second owner", async () => {
    const file = join(folder, "detached");
    await patient.run(file, { id: "detached" }).started;
    const executions = (): readonly Execution[] =>
      cloud.workflows.executions.filter(({ argument }) => argument.includes('"detached"'));
    const { backend } = await openStack("gcp");
    const owner = await vi.waitFor(
      () => {
        const [first] = executions();
        expect(first?.state).toBe("SUCCEEDED");
        return first?.name ?? "";
      },
      { timeout: 60_000, interval: 50 },
    );
    const client = new KitaruClient();
    expect(await client.executions.get("detached")).toMatchObject({ status: "waiting" });
    await Promise.all([
      go.answer("detached", "gone"),
      backend.orchestrator.wake(detachedToken(owner, 1), "detached"),
      backend.orchestrator.wake(detachedToken(owner, 1), "detached"),
    ]);
    await vi.waitFor(
      async () => expect((await client.executions.get("detached")).output).toBe("noted gone"),
      { timeout: 60_000, interval: 50 },
    );
    expect(executions().length).toBeGreaterThan(2);
    await vi.waitFor(
      () => expect(new Set(executions().map(({ state }) => state))).toEqual(new Set(["SUCCEEDED"])),
      { timeout: 60_000, interval: 50 },
    );
    expect(readFileSync(file, "utf8")).toBe("ran\n");
    // a short wait keeps its workflow
    expect(await sleepy.run(1200).result({ timeout: "60s" })).toBe("awake");
  }, 120_000);
});
