import { afterEach, beforeEach, expect, test } from "vitest";
import { flowModule, unique } from "../../test/deployments/project.ts";
import { type TestStack, testStack } from "../../testing/test-stack.ts";

let stack: TestStack;
beforeEach(async () => {
  stack = await testStack({ records: { pageSize: 2 } });
});
afterEach(() => stack.close());

async function deployed(name: string, tag?: string): Promise<number> {
  const entry = await flowModule(`
    import { flow, wait } from "kitaru";
    const ask = wait("ask");
    export const f = flow("${name}", async () => ask());`);
  const deployments = await stack.client.deployments.deploy({
    entry,
    ...(tag === undefined ? {} : { tag }),
  });
  return deployments[0]!.version;
}

test("versions are listed by flow, newest first, with their tags", async () => {
  const { deployments } = stack.client;
  expect(await deployments.list()).toEqual([]);
  const names = [unique("a"), unique("b"), unique("c")];
  for (const name of names) await deployed(name);
  await deployed(names[1]!, "canary");
  const shown = (await deployments.list()).map(({ flow, version, tags, status, stack: on }) =>
    [flow, version, tags.join(), status, on].join(" "),
  );
  expect(shown).toEqual([
    `${names[0]} 1 default ready memory`,
    `${names[1]} 2 canary ready memory`,
    `${names[1]} 1 default ready memory`,
    `${names[2]} 1 default ready memory`,
  ]);
  expect(await deployments.list({ flow: names[1]! })).toHaveLength(2);
  await expect(deployments.list({ flow: "never_there" })).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringContaining('No deployments found for flow "never_there"'),
  });
});

test("a flow that was started from source alone has no versions", async () => {
  const { flow } = await import("../primitives/flow.ts");
  const local = flow(unique("source"), async () => 1);
  await stack.run(local, undefined);
  expect(await stack.client.deployments.list()).toEqual([]);
});

test("tags move and go; default only moves", async () => {
  const name = unique();
  const { deployments } = stack.client;
  await deployed(name);
  await deployed(name, "canary");
  expect(await deployments.tag(name, "canary", { version: 1 })).toEqual({
    flow: name,
    tag: "canary",
    version: 1,
    previous: 2,
  });
  expect(await deployments.tag(name, "beta", { version: 1 })).not.toHaveProperty("previous");
  expect((await deployments.get(name, { tag: "canary" })).version).toBe(1);
  expect((await deployments.get(name)).tags).toEqual(["beta", "canary", "default"]);
  expect(await deployments.untag(name, "canary")).toEqual({
    flow: name,
    tag: "canary",
    previous: 1,
  });
  await expect(deployments.get(name, { tag: "canary" })).rejects.toMatchObject({
    code: "not_found",
  });
  await expect(deployments.untag(name, "default")).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining("The reserved tag `default`"),
  });
  await expect(deployments.tag(name, "local", { version: 1 })).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining("is reserved"),
  });
  await expect(deployments.tag(name, "gamma", { version: 7 })).rejects.toMatchObject({
    code: "not_found",
  });
});

test("a version that holds a tag, or has executions that have not ended, is not deleted", async () => {
  const name = unique();
  const { deployments, executions } = stack.client;
  await deployed(name);
  await deployed(name);
  await expect(deployments.delete(name, { version: 1 })).rejects.toMatchObject({
    code: "state",
    message: expect.stringContaining("while it holds the tag default"),
  });
  const handles = Array.from({ length: 7 }, (_, n) =>
    deployments.invoke(name, undefined, { version: 2, id: `${name}-${n}` }),
  );
  deployments.invoke(name, undefined, { id: `${name}-other` });
  for (const { id } of handles) await stack.waiting(id);
  await expect(deployments.delete(name, { version: 2 })).rejects.toMatchObject({
    code: "state",
    message: expect.stringMatching(
      /^Cannot delete version 2 of flow "\w+" while it has executions that have not ended: (?:\w+-\d, ){4}\w+-\d, …\. Wait for them, or cancel them\.$/,
    ),
  });
  for (const { id } of handles.slice(1)) await executions.cancel(id);
  await stack.clock.settle();
  await expect(deployments.delete(name, { version: 2 })).rejects.toMatchObject({
    message: expect.stringContaining(`have not ended: ${name}-0. Wait`),
  });
  await stack.finish(handles[0]!, { answers: { ask: undefined } });
  await deployments.delete(name, { version: 2 });
  expect((await deployments.list({ flow: name }))[0]).toMatchObject({
    version: 2,
    status: "deleted",
    tags: [],
  });
  for (const refused of [
    deployments.invoke(name, undefined, { version: 2 }).started,
    deployments.tag(name, "back", { version: 2 }),
    deployments.delete(name, { version: 2 }),
  ])
    await expect(refused).rejects.toMatchObject({
      code: "state",
      message: expect.stringContaining("was deleted at 20"),
    });
  expect(await deployed(name)).toBe(3);
});

test("a tag that comes to a version while it is being deleted keeps it", async () => {
  const name = unique();
  const { deployments } = stack.client;
  await deployed(name);
  await deployed(name);
  const { records } = stack.backend;
  const listIndex = records.listIndex.bind(records);
  records.listIndex = async (index, params) => {
    await deployments.tag(name, "stable", { version: 2 });
    return listIndex(index, params);
  };
  await expect(deployments.delete(name, { version: 2 })).rejects.toMatchObject({
    message: expect.stringContaining("while it holds the tag stable"),
  });
  expect((await deployments.get(name, { tag: "stable" })).version).toBe(2);
});

test("a manifest of a newer format, or one that was changed, is told of", async () => {
  const name = unique();
  const { deployments } = stack.client;
  await deployed(name);
  const { blobs, records } = stack.backend;
  const { keys } = await blobs.list({ prefix: "manifests/" });
  await blobs.put(keys[0]!, new TextEncoder().encode("{}"), { contentType: "application/json" });
  await expect(deployments.get(name)).rejects.toMatchObject({ code: "corrupt" });
  const { sha256Hex } = await import("../hash.ts");
  const newer = new TextEncoder().encode('{"format":2}');
  const hash = sha256Hex(newer);
  await blobs.put(`manifests/${hash}.json`, newer, { contentType: "application/json" });
  const record = await records.get({ partition: `flow/${name}`, sort: "deployments" });
  const body = record!.body.replace(/"manifest":"\w+"/, `"manifest":"${hash}"`);
  await records.put({ ...record!, body }, record!.version);
  await expect(deployments.get(name)).rejects.toMatchObject({
    code: "backend",
    message: `The manifest manifests/${hash}.json was written by a newer version of kitaru. Update this one.`,
  });
});
