import { Buffer } from "node:buffer";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { flowModule, put, unique } from "../../test/deployments/project.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";
import { definitionsAtHand } from "../engine/code.ts";
import { sha256Hex } from "../hash.ts";
import { readHead } from "../journal/head.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { invokeVersion } from "./invoke.ts";
import type { VersionChoice } from "./tags.ts";

let stack: TestStack;
beforeEach(async () => {
  stack = await testStack();
});
afterEach(() => stack.close());

async function deployed(entry: string, tag?: string | false): Promise<void> {
  await stack.client.deployments.deploy({ entry, ...(tag === undefined ? {} : { tag }) });
}

const versionOf = async (id: string): Promise<string> =>
  (await stack.client.executions.get(id)).version;

const returning = (name: string, result: string): string => `
  import { flow } from "kitaru";
  export const f = flow("${name}", async (input: unknown) => [${JSON.stringify(result)}, input]);`;

/** Two versions of a flow: 1 is default, 2 is canary. */
async function twoVersions(name = unique()): Promise<{ name: string; entry: string }> {
  const entry = await flowModule(returning(name, "one"));
  await deployed(entry);
  await put(dirname(entry), "flows.ts", returning(name, "two"));
  await deployed(entry, "canary");
  return { name, entry };
}

test("a start gets the version that is meant, and says which", async () => {
  const { name } = await twoVersions();
  const { deployments } = stack.client;
  const run = async (choice?: VersionChoice): Promise<unknown[]> => {
    const handle = deployments.invoke<[string, unknown]>(name, "in", choice);
    const [result, input] = await stack.finish(handle);
    const [listed] = await stack.client.executions.list({ flow: name, limit: 1 });
    return [result, input, await versionOf(handle.id), listed?.version];
  };
  expect(await run()).toEqual(["one", "in", "1", "1"]);
  expect(await run({ tag: "canary" })).toEqual(["two", "in", "2", "2"]);
  expect(await run({ version: 2 })).toEqual(["two", "in", "2", "2"]);
  await deployments.tag(name, "default", { version: 2 });
  expect(await run({})).toEqual(["two", "in", "2", "2"]);
});

test("a start that names no version there is rejects all of its handle", async () => {
  const { name } = await twoVersions();
  const { deployments } = stack.client;
  const refused = async (flowName: string, choice: object): Promise<unknown> => {
    const handle = deployments.invoke(flowName, 1, choice);
    const errors = await Promise.all(
      [handle.started, handle.status(), handle.result(), handle.get(), handle.cancel()].map(
        (promise: Promise<unknown>) => promise.catch((error: Error) => error.message),
      ),
    );
    expect(new Set(errors).size).toBe(1);
    return errors[0];
  };
  expect(await refused(name, { version: 1, tag: "canary" })).toContain(
    "`version` and `tag` exclude each other",
  );
  expect(await refused(name, { tag: "beta" })).toContain('has no tag "beta"');
  expect(await refused(unique("never"), {})).toContain("No deployments found for flow");
  const built = await flowModule(returning(`${name}_built`, "x"));
  await deployed(built, false);
  expect(await refused(`${name}_built`, {})).toContain(
    "has the version 1; none is currently routed as the default deployment.",
  );
  expect(await stack.client.executions.list({ flow: name })).toEqual([]);
});

test("the input's own keys are its own, whatever they are called", async () => {
  const { name } = await twoVersions();
  const input = { tag: "canary", version: 9, stack: "x", cache: true, retries: 3, image: "i" };
  const handle = stack.client.deployments.invoke(name, input);
  expect(await stack.finish(handle)).toEqual(["one", input]);
});

test("the input is checked and completed by the version's own schema", async () => {
  const name = unique();
  const schema = (rest: string): string => `
    import { flow } from "kitaru";
    import { z } from "zod";
    const input = z.object({ topic: z.string(), ${rest} });
    export const f = flow("${name}", { input, timeout: "1h" }, async (given) => given);`;
  const entry = await flowModule(schema("count: z.number().default(1)"));
  await deployed(entry);
  await put(dirname(entry), "flows.ts", schema("count: z.number()"));
  await deployed(entry, "strict");
  const { deployments } = stack.client;
  const run = (input: unknown, tag?: string): Promise<unknown> =>
    stack.finish(deployments.invoke(name, input, tag === undefined ? {} : { tag }));
  expect(await run({ topic: "a" })).toEqual({ topic: "a", count: 1 });
  await expect(run({ topic: "a" }, "strict")).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining(`The input of flow "${name}" does not fit its schema: count:`),
  });
  await expect(run({ topic: 3 })).rejects.toMatchObject({ code: "usage" });
  expect((await deployments.get(name)).inputSchema).toMatchObject({ required: ["topic"] });
});

test("the same id and input give the execution there is, also when the tag has moved", async () => {
  const { name } = await twoVersions();
  const { deployments } = stack.client;
  const id = unique("x");
  await stack.finish(deployments.invoke(name, 7, { id }));
  await deployments.tag(name, "default", { version: 2 });
  const again = deployments.invoke(name, 7, { id });
  expect(await again.result()).toEqual(["one", 7]);
  expect(await versionOf(id)).toBe("1");
  await expect(deployments.invoke(name, 8, { id }).started).rejects.toMatchObject({
    code: "conflict",
  });
});

test("an execution of a version goes on with it while tags move and its source changes", async () => {
  const name = unique();
  const text = (result: string): string => `
    import { checkpoint, flow, wait } from "kitaru";
    const before = checkpoint("before", () => "${result} before");
    const after = checkpoint("after", () => "${result} after");
    const ask = wait("ask");
    const inner = flow("${name}_inner", async () => { await ask(); return after(); });
    export const f = flow("${name}", async () => [await before(), await inner.call()]);`;
  const entry = await flowModule(text("one"));
  await deployed(entry);
  const handle = stack.client.deployments.invoke(name);
  expect(await stack.waiting(handle.id)).toMatchObject([{ callId: "ask:0" }]);
  await put(dirname(entry), "flows.ts", text("two"));
  await deployed(entry, "default");
  await stack.crash();
  const answers = { ask: undefined };
  expect(await stack.finish(handle, { answers })).toEqual(["one before", "one after"]);
  const child = await stack.client.executions.get(`${handle.id}/${name}_inner:0`);
  expect([child.version, child.status]).toEqual(["1", "completed"]);
  const next = stack.client.deployments.invoke(name);
  expect(await stack.finish(next, { answers })).toEqual(["two before", "two after"]);
});

test("a deployed execution never runs the program's own flow of that name, and the other way round", async () => {
  const name = unique();
  const own = flow(name, async () => ["program", undefined]);
  await deployed(await flowModule(returning(name, "bundle")));
  const invoked = own.invoke();
  const run = own.run();
  expect(await stack.finish(invoked)).toEqual(["bundle", undefined]);
  expect(await stack.finish(run)).toEqual(["program", undefined]);
  expect([await versionOf(invoked.id), await versionOf(run.id)]).toEqual(["1", "local"]);
});

test("answers are checked by the version's own waits", async () => {
  const name = unique();
  const entry = await flowModule(`
    import { flow, wait } from "kitaru";
    import { z } from "zod";
    const even = { "~standard": { version: 1, vendor: "own", validate: (value: unknown) =>
      Number(value) % 2 === 0 ? { value: Number(value) / 2 } : { issues: [{ message: "not even" }] } } };
    const half = wait("half", { schema: even });
    const word = wait("word", { schema: z.string().transform((text) => text.toUpperCase()) });
    export const f = flow("${name}", async () => [await half(), await word()]);`);
  await deployed(entry);
  const handle = stack.client.deployments.invoke(name);
  await stack.waiting(handle.id);
  await expect(stack.answer(handle.id, "half", 3)).rejects.toMatchObject({
    code: "wait_validation",
    message: expect.stringContaining("not even"),
  });
  await stack.answer(handle.id, "half", 4);
  await stack.waiting(handle.id);
  await expect(stack.answer(handle.id, "word", 3)).rejects.toMatchObject({
    code: "wait_validation",
  });
  expect(await stack.finish(handle, { answers: { word: "yes" } })).toEqual([2, "YES"]);
});

test("isolated checkpoints and started flows of a version are of that version", async () => {
  const name = unique();
  const text = (result: string): string => `
    import { checkpoint, checkpointContext, flow } from "kitaru";
    const other = flow("${name}_other", async () => "${result} other");
    const far = checkpoint("far", { runtime: "isolated" }, () => "${result} far");
    const near = checkpoint("near", async () => {
      const { id } = other.run(undefined, { id: checkpointContext().executionId + "-other" });
      return id;
    });
    export const f = flow("${name}", async () => [await far(), await near()]);`;
  const entry = await flowModule(text("one"));
  await deployed(entry);
  await put(dirname(entry), "flows.ts", text("two"));
  await deployed(entry);
  const run = async (version: number): Promise<unknown[]> => {
    const handle = stack.client.deployments.invoke(name, undefined, { version });
    const [far, started] = (await stack.finish(handle)) as [string, string];
    const other = await stack.client.executions.handle(started);
    return [far, await stack.finish(other), await versionOf(started)];
  };
  expect(await run(1)).toEqual(["one far", "one other", "1"]);
  expect(await run(2)).toEqual(["two far", "two other", "2"]);
});

/** Let version 1 of a flow be a bundle of the same code that this process has never loaded; its hash. */
async function unloaded(name: string): Promise<string> {
  const { blobs, records } = stack.backend;
  const { bundle } = await stack.client.deployments.get(name, { version: 1 });
  const code = await blobs.get(`bundles/${bundle}.mjs`);
  const other = Buffer.concat([code!, Buffer.from("// another")]);
  const hash = sha256Hex(other);
  await blobs.put(`bundles/${hash}.mjs`, other, { contentType: "text/javascript" });
  const record = await records.get({ partition: `flow/${name}`, sort: "deployments" });
  const body = record!.body.replaceAll(bundle, hash);
  await records.put({ ...record!, body }, record!.version);
  return hash;
}

test("a start needs a version's code only where its input is checked by it", async () => {
  const name = unique();
  const text = (options: string): string => `
    import { flow } from "kitaru";
    import { z } from "zod";
    export const f = flow("${name}", ${options}, async (input: unknown) => [input]);`;
  for (const [options, isLoaded] of [
    ['{ timeout: "1h" }', false],
    ["{}", false],
    ["{ input: z.number() }", true],
  ] as const) {
    await stack.close();
    stack = await testStack();
    await deployed(await flowModule(text(options)));
    const bundle = await unloaded(name);
    const { context } = stack.runtime;
    const pin = { version: "1", bundle };
    const params = { id: "x", flow: name, input: 4, choice: {}, isIdempotent: false, isLeft: true };
    const { facts } = await invokeVersion(stack.runtime, params);
    expect(facts).toMatchObject(pin);
    expect(facts.timeoutAt).toBe(options.includes("1h") ? facts.createdAt + 3_600_000 : undefined);
    expect(definitionsAtHand(context, facts) !== undefined).toBe(isLoaded);
    await stack.sweep();
    expect(await stack.finish(await stack.client.executions.handle("x"))).toEqual([4]);
  }
});

test("an answer that only code can check has the version's code loaded for that", async () => {
  const name = unique();
  await deployed(
    await flowModule(`
      import { flow, wait } from "kitaru";
      const schema = { "~standard": { version: 1, vendor: "own", validate: (value: unknown) =>
        value === 1 ? { value } : { issues: [{ message: "not one" }] } } };
      const only = wait("only", { schema });
      export const f = flow("${name}", async () => only());`),
  );
  const { id } = stack.client.deployments.invoke(name);
  await stack.waiting(id);
  // as a process sees it that has loaded nothing
  const bundle = await unloaded(name);
  const { records } = stack.backend;
  const head = await records.get({ partition: `exec/${id}`, sort: "head" });
  const { bundle: before } = readHead(head!).facts;
  await records.put({ ...head!, body: head!.body.replace(before!, bundle) }, head!.version);
  await expect(stack.client.executions.input(id, { value: 2 })).rejects.toMatchObject({
    code: "wait_validation",
    message: expect.stringContaining("not one"),
  });
  expect(definitionsAtHand(stack.runtime.context, { version: "1", bundle })).toBeDefined();
});

test("flow.deploy makes a version of the flow it is called on", async () => {
  const name = unique();
  const own = flow(name, async () => ["program", undefined]);
  const entry = await flowModule(`${returning(name, "bundle")}
    export const g = flow("${name}_other", async () => 1);`);
  const deployment = await own.deploy({ entry: pathToFileURL(entry).href, tag: "canary" });
  expect(deployment).toMatchObject({ flow: name, version: 1, tags: ["canary", "default"] });
  expect(await stack.finish(own.invoke(undefined, { tag: "canary" }))).toEqual([
    "bundle",
    undefined,
  ]);
  expect(await stack.client.deployments.list()).toHaveLength(1);
  await expect(own.deploy({ entry: await flowModule("") })).rejects.toThrow(
    `flows.ts defines no flow "${name}". It defines none.`,
  );
});

test("a version's flow that is started outside every execution says what to do", async () => {
  const name = unique();
  const key = unique("kept");
  await deployed(
    await flowModule(`${returning(name, "one")}
      globalThis["${key}"] = f;`),
  );
  const kept = Reflect.get(globalThis, key) as { run(): { started: Promise<void> } };
  await expect(kept.run().started).rejects.toMatchObject({
    code: "context",
    message: expect.stringContaining("Start flows of a deployed version with .invoke()"),
  });
});

test("an execution whose bundle was changed is not run, and says why", async () => {
  const name = unique();
  const entry = await flowModule(returning(name, "one"));
  const { deployments } = stack.client;
  const [first] = await deployments.deploy({ entry });
  // this process has it already: another bundle of the same kind, never loaded, is put under a hash of its own
  const hash = "0".repeat(64);
  const key = `bundles/${hash}.mjs`;
  await stack.backend.blobs.put(key, Buffer.from("throw 1;"), { contentType: "text/javascript" });
  const { records } = stack.backend;
  const record = await records.get({ partition: `flow/${name}`, sort: "deployments" });
  const body = record!.body.replaceAll(first!.bundle, hash);
  await records.put({ ...record!, body }, record!.version);
  const handle = deployments.invoke(name);
  await expect(handle.result()).rejects.toMatchObject({
    code: "corrupt",
    message: expect.stringContaining(`The bundle ${key} has the SHA-256`),
  });
  expect(await handle.status()).toBe("queued");
});

test("a replay runs the version of what it replays, or the one that is named", async () => {
  const name = unique();
  const text = (result: string): string => `
    import { checkpoint, flow } from "kitaru";
    const step = checkpoint("${name}_step", (x: string) => "${result} " + x);
    export const f = flow("${name}", async (x: string) => step(x));`;
  const entry = await flowModule(text("one"));
  await deployed(entry);
  await put(dirname(entry), "flows.ts", text("two"));
  await deployed(entry);
  const step = checkpoint(`${name}_step`, (x: string) => `source ${x}`);
  flow(name, async (x: string) => step(x));
  const { deployments, executions } = stack.client;
  const { id } = deployments.invoke(name, "a", { id: `${name}-source` });
  await stack.finish(await executions.handle(id));
  const replayed = async (version?: number | "local"): Promise<unknown[]> => {
    const { handle } = await executions.replay(id, {
      from: `${name}_step:0`,
      ...(version === undefined ? {} : { version }),
    });
    return [await stack.finish(handle), await versionOf(handle.id)];
  };
  expect(await replayed()).toEqual(["one a", "1"]);
  expect(await replayed(2)).toEqual(["two a", "2"]);
  expect(await replayed("local")).toEqual(["source a", "local"]);
  await expect(replayed(3)).rejects.toMatchObject({ code: "not_found" });
});
