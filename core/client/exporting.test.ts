import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";

import { flowModule } from "../../test/deployments/project.ts";
import { type TwoStacks, twoStacks } from "../../test/export/memory-stacks.ts";
import { signal } from "../engine/signal.ts";
import { type RecordKey } from "../ports/records.ts";
import { load, save } from "../primitives/artifact.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";
import { wait } from "../primitives/wait.ts";

let stacks: TwoStacks;
beforeEach(async () => {
  stacks = await twoStacks({
    here: { records: { pageSize: 2 }, capabilities: { segmentBytes: 400, inlineBytes: 64 } },
  });
});
afterEach(() => stacks.close());

/** A flow that asks twice. */
function twice() {
  const [first, second] = [wait("first", { schema: z.string() }), wait("second")];
  return flow("twice", async () => {
    const answer = await first();
    await second();
    return answer;
  });
}

test("what runs is not exported: a checkpoint here, one elsewhere", async () => {
  const { here, file } = stacks;
  const working = Promise.withResolvers<void>();
  const inline = checkpoint("inline", () => working.promise);
  const apart = checkpoint("apart", { runtime: "isolated" }, () => working.promise);
  const approve = wait("approve");
  const runs = flow("runs", async () => inline());
  const both = flow("both", async () => Promise.all([apart(), approve()]));
  const handles = [runs.run(undefined, { id: "a" }), both.run(undefined, { id: "b" })];
  await expect.poll(async () => handles[0]?.status()).toBe("running");
  await here.asks("b", "approve:0");
  const exporting = (id: string) => here.client.executions.export(id, { file: file(), move: true });
  await expect(exporting("a")).rejects.toThrow(
    "Execution a is running and cannot be exported now. Export it once it rests on a wait,",
  );
  await expect(exporting("b")).rejects.toThrow("Execution b is running apart:0 and cannot be");
  working.resolve();
  await here.client.executions.input("b", {});
  await Promise.all(handles.map((handle) => handle.result()));
});

test("children that have ended, and those that never came to be, do not keep their parent from moving", async () => {
  const { here, there, file } = stacks;
  const approve = wait("approve");
  const child = flow("child", { input: z.object({ n: z.number() }) }, async ({ n }) => n * 2);
  const parent = flow("parent", async () => {
    const doubled = await child.call({ n: 4 });
    const refused = await child.call({ n: "one" } as never).catch(() => -1);
    await approve();
    return [doubled, refused];
  });
  parent.run(undefined, { id: "p" });
  await here.asks("p", "approve:0");
  const to = { file: file(), move: true };
  expect(await here.client.executions.export("p", to)).toMatchObject({
    executions: 2,
    moved: true,
  });
  expect(await here.client.executions.get("p/child:0")).toMatchObject({ status: "completed" });
  expect(await there.client.executions.import(to.file)).toMatchObject({
    executions: 2,
    version: "local",
  });
  await there.asks("p", "approve:0");
  await there.client.executions.input("p", {});
  await expect
    .poll(async () => there.client.executions.get("p"))
    .toMatchObject({ status: "completed", output: [8, -1] });
});

test("what it saved and what it loaded from others is known where it goes on", async () => {
  const { here, there, file } = stacks;
  const approve = wait("approve");
  const keep = checkpoint("keep", () => save("film", "kept".repeat(50)));
  const look = checkpoint("look", async () => load("first", "film"));
  const saves = flow("saves", async () => keep());
  const loads = flow("loads", async () => {
    const found = await look();
    await approve();
    return String(found).length;
  });
  await saves.run(undefined, { id: "first" }).result();
  loads.run(undefined, { id: "second" });
  await here.asks("second", "approve:0");
  const to = { file: file(), move: true };
  await here.client.executions.export("second", to);
  await there.client.executions.import(to.file);
  await there.asks("second", "approve:0");
  const context = await there.context();
  const head = await context.backend.records.get({ partition: "exec/second", sort: "head" });
  expect(JSON.parse(head?.body ?? "{}")).toMatchObject({ view: { loaded: ["first"] } });
});

test("an answer that nothing has taken in yet goes along", async () => {
  const { here, there, file } = stacks;
  twice().run(undefined, { id: "e" });
  await here.asks("e", "first:0");
  const context = await here.context();
  // whoever drives it does not hear of the answer
  const orchestrator = { ...context.backend.orchestrator, wake: async () => false };
  const deaf = { ...context, backend: { ...context.backend, orchestrator } };
  await signal(deaf, "e", { kind: "answer", target: "first", value: "yes" });
  const to = { file: file(), move: true };
  await here.client.executions.export("e", to);
  await there.client.executions.import(to.file);
  await there.asks("e", "second:0");
  await there.client.executions.input("e", {});
  await expect
    .poll(async () => there.client.executions.get("e"))
    .toMatchObject({ status: "completed", output: "yes" });
});

test("what is recorded or said between two writes of a retirement is in the file", async () => {
  const { here, there, file } = stacks;
  twice().run(undefined, { id: "e" });
  await here.asks("e", "first:0");
  // the answer is taken in before the journal is closed, and the inbox is written before it is
  here.beforeWrite(/^exec\/e j\//, async () => {
    await here.client.executions.input("e", { value: "yes" });
    await here.asks("e", "second:0");
    here.beforeWrite(/^exec\/e inbox/, () => rewrite({ partition: "exec/e", sort: "inbox" }));
  });
  const to = { file: file(), move: true };
  expect(await here.client.executions.export("e", to)).toMatchObject({ moved: true });
  await there.client.executions.import(to.file);
  await there.asks("e", "second:0");
  await expect(here.client.executions.input("e", {})).rejects.toThrow(/was moved away/);
});

test("an execution that has ended while it was being moved stays as it is, and the file says how it ended", async () => {
  const { here, there, file } = stacks;
  const approve = wait("approve");
  const once = flow("once", async () => {
    await approve();
    return "done";
  });
  const handle = once.run(undefined, { id: "e" });
  await here.asks("e", "approve:0");
  here.beforeWrite(/^exec\/e j\//, async () => {
    await here.client.executions.input("e", {});
    await handle.result();
  });
  const to = { file: file(), move: true };
  expect(await here.client.executions.export("e", to)).toMatchObject({
    status: "completed",
    moved: false,
  });
  await there.client.executions.import(to.file);
  expect(await there.client.executions.get("e")).toMatchObject({ status: "completed" });
});

test("code that is gone: an open execution needs it, one that has ended does not", async () => {
  const { here, there, file } = stacks;
  const entry = await flowModule(`
    import { flow, wait } from "kitaru";
    const approve = wait("approve");
    export const deployed = flow("deployed", async () => { await approve(); return "done"; });
  `);
  const { deployments, executions } = here.client;
  await deployments.deploy({ entry });
  await deployments.invoke("deployed", undefined, { id: "e" }).started;
  await here.asks("e", "approve:0");
  const context = await here.context();
  const { records } = context.backend;
  const key = { partition: "flow/deployed", sort: "deployments" };
  const known = await records.get(key);
  if (known === undefined) throw new Error("it has no versions");
  const without = { ...(JSON.parse(known.body) as object), versions: {} };
  await records.put({ ...key, body: JSON.stringify(without) }, known.version);
  const to = { file: file() };
  await expect(executions.export("e", to)).rejects.toThrow(
    'Version 1 of flow "deployed", which execution needs to go on, is not there any more. Deploy it again.',
  );
  await executions.input("e", {});
  await expect.poll(async () => (await executions.get("e")).status).toBe("completed");
  await executions.export("e", to);
  expect(await readFile(to.file, "latin1")).not.toContain('"part":"manifest"');
  expect(await there.client.executions.import(to.file)).toMatchObject({
    status: "completed",
    version: "1",
  });
  expect(await there.client.executions.get("e")).toMatchObject({ output: "done" });
});

/** Another version of a document, as another process would write it. */
async function rewrite(key: RecordKey): Promise<void> {
  const { records } = (await stacks.here.context()).backend;
  const found = await records.get(key);
  if (found !== undefined) await records.put(found, found.version);
}
