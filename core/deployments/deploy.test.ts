import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { flowModule, project, unique } from "../../test/deployments/project.ts";
import {
  type MemoryBackend,
  type MemoryBackendOptions,
  memoryBackend,
} from "../../testing/backend.ts";
import { type Around, Process, isWrite } from "../../testing/process.ts";
import { Registry } from "../engine/definitions.ts";
import { Runtime } from "../engine/runtime.ts";
import type { Backend } from "../ports/backend.ts";
import type { Orchestrator } from "../ports/orchestrator.ts";
import type { Plan } from "../plan/plan.ts";
import { bundleSource } from "./bundle-source.ts";
import { deploy } from "./deploy.ts";
import { readFlow } from "./flow-document.ts";
import { invokeVersion } from "./invoke.ts";
import { getVersion, listVersions } from "./versions.ts";

function world(options: MemoryBackendOptions = {}) {
  const shared = memoryBackend(options);
  return { shared, runtime: runtimeOn(shared) };
}

function runtimeOn(backend: Backend): Runtime {
  const { blobs } = backend;
  return new Runtime({
    stack: "memory",
    backend,
    bundles: bundleSource(blobs),
    registry: new Registry(),
  });
}

const flowText = (name: string, result = 1): string => `
  import { flow } from "kitaru";
  export const f = flow(${JSON.stringify(name)}, async () => ${result});`;

test("a version holds the code, its source map and a manifest", async () => {
  const name = unique();
  const { runtime, shared } = world();
  const entry = await flowModule(`
    import { checkpoint, flow, wait } from "kitaru";
    import { z } from "zod";
    checkpoint("near", () => 1);
    checkpoint("far", { runtime: "isolated", retries: 2, timeout: "5s", type: "tool_call" }, () => 1);
    checkpoint("once", { semantics: "at-most-once" }, () => 1);
    wait("ask", { schema: z.boolean(), question: "Approve?", timeout: "1 day" });
    wait("go");
    wait("odd", { schema: { "~standard": { version: 1, vendor: "own", validate: (value) => ({ value }) } } });
    const input = z.object({ topic: z.string(), count: z.number().default(1) });
    export const f = flow(${JSON.stringify(name)}, { input, retries: 1, timeout: "1h" }, async () => 1);
    export const g = flow("${name}_g", async () => 1);`);
  const deployments = await deploy(runtime, { entry, flows: [name] });
  const [deployment] = deployments;
  expect(deployment).toMatchObject({
    flow: name,
    version: 1,
    tags: ["default"],
    status: "ready",
    stack: "memory",
    createdAt: new Date(shared.clock.now()),
    entry: "flows.ts",
    engine: "0.1.0",
    warnings: [],
    inputSchema: {
      type: "object",
      properties: { topic: { type: "string" }, count: { type: "number", default: 1 } },
      required: ["topic"],
    },
  });
  const { manifest, bundle, bytes } = deployment!;
  expect(manifest).toMatchObject({
    format: 1,
    bundle: { hash: bundle, bytes },
    flows: [
      { name, retries: 1, timeoutMs: 3_600_000, input: { schema: { type: "object" } } },
      { name: `${name}_g`, retries: 0 },
    ],
    checkpoints: [
      { name: "near", runtime: "inline", semantics: "at-least-once", retries: 0 },
      { name: "far", runtime: "isolated", retries: 2, timeoutMs: 5000, type: "tool_call" },
      { name: "once", semantics: "at-most-once" },
    ],
    waits: [
      {
        name: "ask",
        gate: false,
        schema: { type: "boolean" },
        question: "Approve?",
        timeoutMs: 86_400_000,
      },
      { name: "go", gate: true },
      { name: "odd", gate: false },
    ],
  });
  expect(manifest.flows[1]).not.toHaveProperty("input");
  expect(manifest.waits[2]).not.toHaveProperty("schema");
  const { keys } = await shared.blobs.list({ prefix: "" });
  expect(keys).toEqual([
    `bundles/${bundle}.mjs`,
    `bundles/${bundle}.mjs.map`,
    expect.stringMatching(/^manifests\/[0-9a-f]{64}\.json$/),
  ]);
  expect((await shared.blobs.get(keys[0]!))?.byteLength).toBe(bytes);
  expect(await getVersion(runtime, name, {})).toEqual(deployment);
});

test("flows are chosen by name or export; left out, those the module exports", async () => {
  const name = unique();
  const { runtime } = world();
  const entry = await flowModule(`
    import { flow } from "kitaru";
    const inner = flow("${name}_inner", async () => 1);
    export const one = flow("${name}_one", async () => inner.call());
    export const two = flow("${name}_two", async () => 1);
    export const notFlow = { definition: 1 };`);
  const deployed = async (flows?: string[]): Promise<string[]> => {
    const deployments = await deploy(runtime, {
      entry,
      ...(flows === undefined ? {} : { flows }),
    });
    return deployments.map(({ flow, version }) => `${flow.slice(name.length + 1)} ${version}`);
  };
  expect(await deployed()).toEqual(["one 1", "two 1"]);
  expect(await deployed(["two", `${name}_two`, `${name}_inner`])).toEqual(["two 2", "inner 1"]);
  await expect(deployed(["three"])).rejects.toMatchObject({
    code: "usage",
    message: `flows.ts defines no flow "three". It defines: ${name}_inner, ${name}_one, ${name}_two.`,
  });
  const unexported = await flowModule(
    `import { flow } from "kitaru"; flow("${name}_lone", async () => 1);`,
  );
  const deployments = await deploy(runtime, { entry: unexported });
  expect(deployments).toMatchObject([{ flow: `${name}_lone`, version: 1 }]);
});

test("a module without flows is refused, and so is a tag that is no name, before anything is written", async () => {
  const { runtime, shared } = world();
  await expect(deploy(runtime, { entry: await flowModule("") })).rejects.toThrow(
    "flows.ts defines no flow. Define one:",
  );
  const entry = await flowModule(flowText(unique()));
  await expect(deploy(runtime, { entry, tag: "no spaces" })).rejects.toThrow("is not allowed");
  expect((await shared.blobs.list({ prefix: "" })).keys).toEqual([]);
  expect(await listVersions(runtime)).toEqual([]);
});

test("what the stack cannot do is said before anything is written", async () => {
  const { runtime, shared } = world({ capabilities: { isolated: false } });
  const entry = await flowModule(`
    import { checkpoint, flow } from "kitaru";
    checkpoint("far_off", { runtime: "isolated" }, () => 1);
    export const f = flow(${JSON.stringify(unique())}, async () => 1);`);
  await expect(deploy(runtime, { entry })).rejects.toMatchObject({
    code: "usage",
    message:
      'flows.ts cannot be deployed to stack "memory". Checkpoint "far_off" is isolated, and a stack of kind "memory" has no invocations of their own for checkpoints. Let it run inline, or choose another stack.',
  });
  expect((await shared.blobs.list({ prefix: "" })).keys).toEqual([]);
});

test("default goes to the first deploy and stays; a version that is only built gets no tag", async () => {
  const name = unique();
  const { runtime } = world();
  const entry = await flowModule(flowText(name));
  const tags = async (tag?: string | false): Promise<readonly string[]> => {
    const deployments = await deploy(runtime, { entry, ...(tag === undefined ? {} : { tag }) });
    return deployments[0]!.tags;
  };
  expect(await tags(false)).toEqual([]);
  expect(await tags("canary")).toEqual(["canary", "default"]);
  expect(await tags("canary")).toEqual(["canary"]);
  expect(await tags()).toEqual([]);
  expect(await tags("default")).toEqual(["default"]);
  expect((await readFlow(runtime.context, name)).tags).toEqual({ canary: 3, default: 5 });
});

test("the stack is made ready for a plan before a version can be started", async () => {
  const name = unique();
  const { shared } = world();
  const published: { plan: Plan; status: string | undefined }[] = [];
  const orchestrator: Orchestrator = {
    publish: async (plan: Plan) => {
      const [version] = await listVersions(runtime, name);
      published.push({ plan, status: version?.status });
    },
    start: async () => undefined,
    wake: async () => false,
    stop: async () => undefined,
  };
  const runtime: Runtime = runtimeOn({ ...shared, orchestrator });
  const deployments = await deploy(runtime, { entry: await flowModule(flowText(name)) });
  const { bundle } = deployments[0]!;
  expect(published).toMatchObject([
    {
      status: "unfinished",
      plan: { bundle, flows: [{ flow: name, name: `${name}-${bundle.slice(0, 12)}` }] },
    },
  ]);
});

/** Deploy in a process that dies before or after its n-th write; whether it got that far. */
async function interrupted(
  shared: MemoryBackend,
  entry: string,
  n: number,
  when: "before" | "after",
): Promise<boolean> {
  const process = new Process("deployer");
  let writes = 0;
  const around: Around = async (operation, run) => {
    if (!isWrite(operation) || ++writes !== n) return run();
    if (when === "after") await run();
    process.kill();
    return run();
  };
  const { orchestrator } = shared;
  const backend = process.view(shared, orchestrator, {
    around: (operation, run) => process.run(() => around(operation, run)),
  });
  const deploying = deploy(runtimeOn(backend), { entry, tag: "stable" });
  return Promise.race([deploying.then(() => false), process.died.then(() => true)]);
}

test("a deploy that is killed at any write leaves nothing that could be started by mistake", async () => {
  const name = unique();
  const entry = await flowModule(flowText(name, 41));
  let points = 0;
  for (let n = 1, more = true; more; n += 1) {
    for (const when of ["before", "after"] as const) {
      const { shared, runtime } = world();
      const wasKilled = await interrupted(shared, entry, n, when);
      more = wasKilled;
      if (!wasKilled) continue;
      points += 1;
      const before = await listVersions(runtime);
      const { tags, versions } = await readFlow(runtime.context, name);
      for (const version of Object.values(tags)) expect(versions[version]?.state).toBe("ready");
      for (const { version, status } of before) {
        const start = invokeVersion(runtime, {
          id: `${name}-${version}`,
          flow: name,
          input: undefined,
          choice: { version },
          isIdempotent: false,
        });
        const refusal = await start.then(
          () => "",
          (error: Error) => error.message,
        );
        expect(refusal).toMatch(status === "ready" ? /^$/ : /is not ready/);
      }
      const deployments = await deploy(runtime, { entry });
      expect(deployments[0]).toMatchObject({
        version: before.length + 1,
        tags: before[0]?.status === "ready" ? [] : ["default"],
      });
    }
  }
  expect(points).toBeGreaterThanOrEqual(10);
});

test("deploys that meet each make a version, without a gap", async () => {
  const name = unique();
  const { shared, runtime } = world();
  const entry = await flowModule(flowText(name));
  const all = await Promise.all(
    Array.from({ length: 6 }, (_, n) => deploy(runtimeOn(shared), { entry, tag: `t${n}` })),
  );
  const versions = all.map(([deployment]) => deployment!.version);
  expect(versions.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
  const { tags, next } = await readFlow(runtime.context, name);
  expect([Object.keys(tags).length, next]).toEqual([7, 7]);
});

test("a version knows its git commit, and whether there was more than that", async () => {
  const root = await project({ "flows.ts": flowText(unique()) });
  const git = async (...args: string[]): Promise<string> => {
    const author = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    const { stdout } = await promisify(execFile)("git", ["-C", root, ...author, ...args]);
    return stdout.trim();
  };
  const { runtime } = world();
  const entry = join(root, "flows.ts");
  const commit = async () => (await deploy(runtime, { entry }))[0]?.commit;
  await git("init", "-q");
  expect(await commit()).toBeUndefined();
  await git("add", ".");
  await git("commit", "-q", "-m", "one");
  const sha = await git("rev-parse", "HEAD");
  expect(await commit()).toEqual({ sha, dirty: false });
  await writeFile(join(dirname(entry), "package.json"), '{ "name": "changed" }');
  expect(await commit()).toEqual({ sha, dirty: true });
});
