import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LocalStack, local } from "../../adapters/local/index.ts";
import { Registry, registry } from "../engine/definitions.ts";
import { Runtime } from "../engine/runtime.ts";
import { headDraft, headKey, readHead } from "../journal/head.ts";
import type { Backend } from "../ports/backend.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { save, log } from "../primitives/artifact.ts";
import { flow } from "../primitives/flow.ts";
import { llm } from "../primitives/llm.ts";
import { sleep } from "../primitives/sleep.ts";
import { wait } from "../primitives/wait.ts";
import { closeStacks, configure, openStack } from "../stacks.ts";
import type { StandardSchema } from "../schema.ts";
import { KitaruClient } from "./client.ts";
import { untilRest } from "./driving.ts";
import { Executions } from "./executions.ts";
import { Artifacts } from "./artifacts.ts";
import { StoredValue } from "./values.ts";

const core = fileURLToPath(new URL("../", import.meta.url));
let root = "";
let stack: LocalStack;
const others: Runtime[] = [];
const client = new KitaruClient();

beforeEach(async () => {
  registry.clear();
  root = await mkdtemp(join(tmpdir(), "kitaru-client-"));
  stack = local();
  configure({ root, config: { stacks: { local: stack, spare: local({ folder: "spare" }) } } });
});

afterEach(async () => {
  await Promise.all(others.splice(0).map((runtime) => runtime.close()));
  await closeStacks();
  await rm(root, { recursive: true });
});

/** The same stack as another process would have it, with definitions of its own. */
async function otherProcess(change: (backend: Backend) => Partial<Backend> = () => ({})) {
  const backend = await stack.open({ name: "local", root });
  const other = new Runtime({
    stack: "local",
    backend: { ...backend, ...change(backend) },
    registry: new Registry(),
  });
  others.push(other);
  const open = async (): Promise<Runtime> => other;
  return { runtime: other, executions: new Executions(open), artifacts: new Artifacts(open) };
}

const rested = async (id: string) => untilRest(await openStack("local"), id);

/** Checks like a schema library, but has no JSON Schema. */
const even: StandardSchema<number, number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value === "number" && value % 2 === 0
        ? { value }
        : { issues: [{ message: "must be even" }] },
  },
};

test("an execution is read back whole", async () => {
  const step = checkpoint("step", { type: "tool_call" }, async (x: number) => {
    save("note", { x });
    log({ x });
    return llm("Say this. And that.", { model: "offline/extract", name: "say" });
  });
  const ask = wait("ask", { schema: even, question: "Even?", metadata: { why: "test" } });
  const f = flow("f", async (x: number) => [await step(x), await ask()]);
  const { id } = f.run(1);
  await expect.poll(() => client.executions.list({ status: "waiting" })).toHaveLength(1);
  const waiting = await client.executions.get(id);
  expect(waiting).toMatchObject({
    id,
    flow: "f",
    version: "local",
    stack: "local",
    status: "waiting",
    input: 1,
    pendingWaits: [{ id: "ask:0", question: "Even?", metadata: { why: "test" }, gate: false }],
    calls: [
      { id: "step:0", type: "tool_call", status: "completed" },
      { id: "ask:0", status: "waiting" },
    ],
  });
  expect(waiting.usage.totalTokens).toBeGreaterThan(0);
  expect(await client.executions.pendingWaits(id)).toHaveLength(1);
  expect(waiting).not.toHaveProperty("output");
  await expect(client.executions.input(id, { value: 3 })).rejects.toMatchObject({
    code: "wait_validation",
  });
  expect(await client.executions.input(id, { wait: "ask", value: 2 })).toEqual({
    callId: "ask:0",
    repeated: false,
    drivenBy: "this process",
  });
  expect(await client.executions.input(id, { wait: "ask", value: 2 })).toMatchObject({
    repeated: true,
  });
  expect(await rested(id)).toBe("completed");
  const { output, endedAt } = await client.executions.get(id);
  expect(output).toEqual(["Say this. And that.", 2]);
  expect(endedAt).toBeInstanceOf(Date);
  expect(await (await client.executions.handle(id)).result()).toEqual(output);
  const names = async (options: object) =>
    (await client.artifacts.list(id, options)).map(({ name }) => name);
  expect(await names({})).toEqual(["say_prompt", "say_response", "note"]);
  expect(await names({ type: "output" })).toEqual(["note"]);
  expect(await names({ name: "say_prompt" })).toEqual(["say_prompt"]);
  expect(await names({ call: "ask:0" })).toEqual([]);
  expect(await client.artifacts.get(`${id}/step:0/note`)).toEqual({ x: 1 });
  expect(await client.artifacts.get(`${id}/step:0`)).toBe("Say this. And that.");
  const lines = await client.executions.logs(id, { call: "step:0" });
  expect(lines.find(({ kind }) => kind === "log")?.fields).toEqual({ x: 1 });
});

test("whoever has an id may wait for its rest at once", async () => {
  const gate = wait("gate");
  const gated = flow("gated", async () => gate());
  const { id } = gated.run();
  expect((await client.executions.untilRest(id)).status).toBe("waiting");
});

test("what is missing or malformed is said", async () => {
  const notFound = { code: "not_found" };
  await expect(client.executions.get("none")).rejects.toMatchObject(notFound);
  await expect(client.executions.cancel("none")).rejects.toMatchObject(notFound);
  await expect(client.executions.resume("none")).rejects.toMatchObject(notFound);
  await expect(client.executions.untilRest("none")).rejects.toMatchObject(notFound);
  await expect(client.artifacts.list("none")).rejects.toMatchObject(notFound);
  await expect(client.artifacts.get("none/a:0/x")).rejects.toMatchObject(notFound);
  await expect(client.artifacts.get("none")).rejects.toMatchObject({ code: "usage" });
  await expect(client.artifacts.get("/a:0/x")).rejects.toMatchObject({ code: "usage" });
  await expect(client.executions.latest()).rejects.toThrow(
    'No executions found for stack "local".',
  );
  await expect(
    new KitaruClient({ stack: "spare" }).executions.latest({
      flow: "f",
      status: ["failed", "waiting"],
    }),
  ).rejects.toThrow(
    'No executions found for flow "f" on stack "spare" with status failed or waiting.',
  );
  const usage = { code: "usage" };
  await expect(client.executions.list({ limit: 0 })).rejects.toMatchObject(usage);
  await expect(client.executions.list({ limit: 1.5 })).rejects.toMatchObject(usage);
  await expect(client.executions.list({ cursor: "x" })).rejects.toMatchObject(usage);
  await expect(client.executions.list({ status: "done" as "failed" })).rejects.toMatchObject(usage);
});

test("a broken store is not taken for a missing artifact", async () => {
  const { artifacts } = await otherProcess((backend) => ({
    records: { ...backend.records, list: () => Promise.reject(new Error("offline")) },
  }));
  await expect(artifacts.get("x/a:0/n")).rejects.toThrow("offline");
});

test("a list goes over all flows, newest first, page by page", async () => {
  const evens = flow("even", async (x: number) => x);
  const odd = flow("odd", async (x: number) => {
    if (x > 2) throw new RangeError("large");
    return x;
  });
  const ids: string[] = [];
  for (let x = 0; x < 5; x++) {
    const handle = (x % 2 === 0 ? evens : odd).run(x);
    await handle.result().catch(() => undefined);
    ids.unshift(handle.id);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const all = await client.executions.list();
  expect(all.map(({ id }) => id)).toEqual(ids);
  expect(all[1]).toMatchObject({
    status: "failed",
    error: { name: "RangeError" },
    pendingWaits: [],
  });
  const first = await client.executions.list({ limit: 2 });
  const second = await client.executions.list({ limit: 3, cursor: first[1]?.cursor ?? "" });
  expect([...first, ...second].map(({ id }) => id)).toEqual(ids);
  expect(await client.executions.list({ flow: "odd", status: "completed" })).toHaveLength(1);
  expect(await client.executions.list({ flow: "none" })).toEqual([]);
  expect(await client.executions.latest({ flow: "odd" })).toMatchObject({ id: ids[1] });
});

test("a list reads through pages of its store, and leaves out what is gone", async () => {
  const f = flow("f", async (x: number) => x);
  for (const x of [1, 2, 3]) await f.run(x, { id: `e${x}` }).result();
  const w = wait("w");
  const g = flow("g", async () => w());
  g.run(undefined, { id: "stays" });
  await expect.poll(() => client.executions.list({ status: "waiting" })).toHaveLength(1);
  const paged = await otherProcess(({ records }) => ({
    records: {
      get: (key) => records.get(key),
      put: (...args) => records.put(...args),
      delete: (...args) => records.delete(...args),
      list: (params) =>
        params.partition === "exec/stays"
          ? Promise.resolve({ items: [] })
          : records.list({ ...params, limit: 1 }),
      listIndex: (index, params) => records.listIndex(index, { ...params, limit: 1 }),
    },
  }));
  const ids = (await paged.executions.list()).map(({ id }) => id);
  expect(ids.toSorted()).toEqual(["e1", "e2", "e3"]);
});

test("waits can be aborted, executions cancelled, and failed ones retried", async () => {
  const gate = wait("gate");
  let works = false;
  const flaky = checkpoint("flaky", () => {
    if (!works) throw new Error("not yet");
    return "worked";
  });
  const f = flow("f", async (x: string) => {
    if (x === "fails") return flaky();
    await gate();
    return "continued";
  });
  const { id: aborted } = f.run("waits");
  await expect.poll(() => client.executions.list({ status: "waiting" })).toHaveLength(1);
  await client.executions.abortWait(aborted);
  expect(await rested(aborted)).toBe("failed");
  expect((await client.executions.get(aborted)).error?.code).toBe("wait_aborted");
  const { id: cancelled } = f.run("waits");
  await expect.poll(() => client.executions.list({ status: "waiting" })).toHaveLength(1);
  expect(await client.executions.cancel(cancelled)).toMatchObject({ drivenBy: "this process" });
  expect(await rested(cancelled)).toBe("cancelled");
  const { id: failing } = f.run("fails");
  expect(await rested(failing)).toBe("failed");
  works = true;
  await client.executions.retry(failing);
  expect(await client.executions.abortWait(aborted, { wait: "gate" })).toMatchObject({
    repeated: true,
  });
  expect(await rested(failing)).toBe("completed");
  expect((await client.executions.get(failing)).output).toBe("worked");
  await expect(client.executions.resume(failing)).rejects.toThrow(/has ended \(completed\)/);
  await expect(client.executions.resume(aborted)).rejects.toThrow(/executions retry/);
  const { id: waiting } = f.run("waits");
  await expect.poll(() => client.executions.list({ status: "waiting" })).toHaveLength(1);
  await expect(client.executions.resume(waiting)).rejects.toThrow(/waits for an answer to gate:0/);
  await client.executions.input(waiting, {});
  expect(await rested(waiting)).toBe("completed");
});

test("a value too large to be read along is stood in for", async () => {
  const f = flow("f", async (x: string) => x.length);
  const large = "x".repeat(1_500_000);
  const { id } = f.run(large);
  await rested(id);
  const { input, output } = await client.executions.get(id);
  expect(input).toBeInstanceOf(StoredValue);
  expect(await client.executions.value(input)).toBe(large);
  expect(await client.executions.value(output)).toBe(large.length);
});

/** A module in a file of its own, as a person writes it. */
async function writeModule(name: string, body: string): Promise<string> {
  const file = join(root, `${name}.ts`);
  await writeFile(
    file,
    `import { checkpoint, flow, wait, sleep } from ${JSON.stringify(join(core, "index.ts"))};\n${body}`,
  );
  return file;
}

const twoSteps = `
const gate = wait("gate");
export const f = flow("two_steps", async () => { await gate(); return "done"; });
`;

/** Start a flow of a module and leave it waiting, its process gone. */
async function abandoned(body: string): Promise<string> {
  const name = `m${Math.random().toString(36).slice(2)}`;
  const module = (await import(await writeModule(name, body))) as {
    f: { run(): { id: string } };
  };
  const { id } = module.f.run();
  await expect.poll(async () => (await client.executions.list())[0]?.status).toBe("waiting");
  await closeStacks();
  registry.clear();
  // the copy has not been loaded in this process yet
  await setSource(id, await writeModule(`${name}-copy`, body));
  return id;
}

async function setSource(id: string, source: string | undefined): Promise<void> {
  const { records, close } = await stack.open({ name: "local", root });
  const found = await records.get(headKey(id));
  const head = readHead(found!);
  const { source: _old, ...facts } = head.facts;
  const changed = { ...facts, ...(source === undefined ? {} : { source }) };
  await records.put(headDraft({ ...head, facts: changed }, 1), found!.version);
  await close?.();
}

test("what is said to an execution whose process is gone is taken up by this one", async () => {
  const id = await abandoned(twoSteps);
  expect(await client.executions.input(id, {})).toMatchObject({ drivenBy: "this process" });
  expect(await rested(id)).toBe("completed");
});

test("what nobody can drive is kept, and why is said", async () => {
  const id = await abandoned(twoSteps);
  const { executions } = await otherProcess();
  const receipt = await executions.input(id, {});
  expect(receipt).toMatchObject({ callId: "gate:0", drivenBy: "nobody" });
  expect(receipt.problem?.message).toMatch(/does not define flow "two_steps" any more/);
  await expect(executions.resume(id)).rejects.toThrow(/does not define flow/);
  await setSource(id, undefined);
  await expect(executions.resume(id)).rejects.toThrow(/is not known/);
  await setSource(id, await writeModule("broken", 'throw new Error("broken on load");'));
  await expect(executions.resume(id)).rejects.toThrow(/cannot be loaded: broken on load/);
});

test("an execution that another process drives is left to it", async () => {
  const gate = wait("gate");
  const parity = wait("parity", { schema: even });
  const f = flow("f", async () => {
    await gate();
    return parity();
  });
  const { id } = f.run();
  await expect.poll(() => client.executions.list({ status: "waiting" })).toHaveLength(1);
  const { executions, runtime } = await otherProcess();
  expect(await executions.input(id, {})).toEqual({
    callId: "gate:0",
    repeated: false,
    drivenBy: "another process",
  });
  await expect.poll(() => client.executions.pendingWaits(id)).toMatchObject([{ id: "parity:0" }]);
  // the code alone can check this answer, and it cannot be loaded here: the driver will check it
  expect(await executions.input(id, { value: 2 })).toMatchObject({ drivenBy: "another process" });
  expect(await untilRest(runtime, id)).toBe("completed");
});

test("a sleeping execution is resumed where its process is gone, and its rest is told", async () => {
  const id = await abandoned(
    `export const f = flow("sleeper", async () => { await sleep(1500); return "awake"; });`,
  );
  const again = client.executions.resume(id);
  let rests = 0;
  const status = await untilRest(await openStack("local"), id, () => rests++);
  expect([status, rests]).toEqual(["completed", 1]);
  expect(await again).toMatchObject({ status: "completed", output: "awake" });
});

test("a start with the id of an execution whose process is gone goes on with it", async () => {
  const body = `export const f = flow("sleeper", async () => { await sleep(1500); return "awake"; });`;
  const id = await abandoned(body);
  const { f } = (await import(await writeModule("again", body))) as {
    f: { run(input: undefined, options: { id: string }): { result(): Promise<unknown> } };
  };
  expect(await f.run(undefined, { id }).result()).toBe("awake");
});

test("a start with the id of an execution that rests on a wait leaves it there", async () => {
  const gate = wait("gate");
  const f = flow("f", async () => {
    await gate();
    return "through";
  });
  const { id, started } = f.run();
  await started;
  expect(await client.executions.untilRest(id)).toMatchObject({
    status: "waiting",
    pendingWaits: [{ id: "gate:0" }],
  });
  const again = f.run(undefined, { id });
  await again.started;
  expect(await client.executions.untilRest(id)).toMatchObject({ status: "waiting" });
  await gate.answer(id);
  expect(await again.result()).toBe("through");
  expect(await client.executions.untilRest(id)).toMatchObject({ status: "completed" });
});

test("a wait that has expired while no process ran is resumed, and one beside an overdue sleep", async () => {
  const expiring = await abandoned(`
    const soon = wait("soon", { timeout: 1500 });
    export const f = flow("expiring", async () => { await soon(); return "expired"; });
  `);
  await expect(client.executions.resume(expiring)).rejects.toThrow(/waits for an answer to soon:0/);
  await expect
    .poll(() => client.executions.resume(expiring).catch(() => undefined), { timeout: 5000 })
    .toMatchObject({ status: "completed", output: "expired" });
  const racing = await abandoned(`
    const gate = wait("gate");
    export const f = flow("racing", async () =>
      Promise.race([gate().then(() => "answered"), sleep(1500).then(() => "slept")]));
  `);
  await expect(client.executions.resume(racing)).rejects.toThrow(/waits for an answer to gate:0/);
  await expect
    .poll(() => client.executions.resume(racing).catch(() => undefined), { timeout: 5000 })
    .toMatchObject({ status: "completed", output: "slept" });
});

test("where orchestration runs elsewhere, this process drives nothing", async () => {
  const id = await abandoned(twoSteps);
  const orchestrator = {
    start: async () => undefined,
    wake: async () => true,
    stop: async () => undefined,
  };
  const { executions } = await otherProcess(() => ({ orchestrator }));
  expect(await executions.input(id, {})).toMatchObject({ drivenBy: "another process" });
});

test("an execution between advances is queued in a list, and its open waits are told", async () => {
  const id = await abandoned(twoSteps);
  const { executions, runtime } = await otherProcess();
  const { records } = runtime.backend;
  const found = await records.get({ partition: `exec/${id}`, sort: "j/000000" });
  await records.put(
    {
      partition: `exec/${id}`,
      sort: "j/000000",
      body: `${found?.body ?? ""}${JSON.stringify({ t: "advance", epoch: 2, owner: "9@gone", until: 1, at: 1 })}\n`,
    },
    found?.version ?? "absent",
  );
  expect(await executions.list()).toMatchObject([{ status: "queued", pendingWaits: ["gate:0"] }]);
  await expect(executions.resume(id)).rejects.toThrow(/does not define flow/);
});

test("a drive that gives up is told to who follows it", async () => {
  const nap = flow("nap", async () => sleep("1 day"));
  const { id } = nap.run();
  await expect.poll(() => client.executions.list({ status: "waiting" })).toHaveLength(1);
  const runtime = await openStack("local");
  const following = untilRest(runtime, id);
  runtime.host.failed(id, new Error("the disk is full"));
  await expect(following).rejects.toThrow("the disk is full");
});
