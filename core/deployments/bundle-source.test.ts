import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { flowModule, unique } from "../../test/deployments/project.ts";
import { memoryBackend } from "../../testing/backend.ts";
import { memoryBlobs } from "../../testing/memory.ts";
import { contextOf } from "../engine/code.ts";
import { engineContext } from "../engine/context.ts";
import { Registry, registry as program } from "../engine/definitions.ts";
import { sha256Hex } from "../hash.ts";
import { type Bundle, buildBundle } from "./bundle.ts";
import { bundleSource, loadBundle } from "./bundle-source.ts";
import { bundleContent, sourceMapKey } from "./content.ts";

const build = async (source: string): Promise<Bundle> => buildBundle(await flowModule(source));

const flowText = (name: string, body: string): string => `
  import { checkpoint, flow, wait } from "kitaru";
  const step = checkpoint("step", () => ${JSON.stringify(body)});
  const ask = wait("ask", { question: ${JSON.stringify(body)} });
  export const f = flow(${JSON.stringify(name)}, async () => { await ask(); return step(); });`;

test("versions that use the same names stand side by side, and none is the program's own", async () => {
  const name = unique();
  const bundles = await Promise.all(["one", "two"].map((body) => build(flowText(name, body))));
  const loaded = await Promise.all(bundles.map((bundle) => loadBundle(bundle)));
  const said = loaded.map(({ registry }) => [
    registry.flowNames(),
    registry.checkpoint("step")?.fn(),
    registry.wait("ask")?.question,
    registry.bundle,
    registry.flow(name)?.source,
  ]);
  expect(said).toEqual([
    [[name], "one", "one", bundles[0]!.hash, undefined],
    [[name], "two", "two", bundles[1]!.hash, undefined],
  ]);
  expect(program.flow(name)).toBeUndefined();
  expect(program.checkpoint("step")).toBeUndefined();
});

test("what a module defines after it has awaited something is its bundle's too", async () => {
  const names = [unique(), unique(), unique()];
  const late = await Promise.all(
    names.map((name, index) =>
      build(`
        import { flow } from "kitaru";
        await new Promise((resolve) => setTimeout(resolve, ${30 - index * 10}));
        export const f = flow(${JSON.stringify(name)}, async () => 1);`),
    ),
  );
  const loaded = await Promise.all(late.map((bundle) => loadBundle(bundle)));
  expect(loaded.map(({ registry }) => registry.flowNames())).toEqual(names.map((name) => [name]));
});

test("a bundle is run once in a process, from whichever stack it comes", async () => {
  const key = unique("ran");
  const bundle = await build(`
    import { flow } from "kitaru";
    globalThis[${JSON.stringify(key)}] = (globalThis[${JSON.stringify(key)}] ?? 0) + 1;
    export const f = flow(${JSON.stringify(unique())}, async () => 1);`);
  const { key: blob, contentType } = bundleContent(bundle.hash);
  const sources = [memoryBlobs(), memoryBlobs()];
  for (const blobs of sources) await blobs.put(blob, bundle.code, { contentType });
  expect(bundleSource(sources[0]!).loaded(bundle.hash)).toBeUndefined();
  const registries = await Promise.all(
    [...sources, ...sources].map((blobs) => bundleSource(blobs).load(bundle.hash)),
  );
  expect(new Set(registries).size).toBe(1);
  expect(bundleSource(sources[1]!).loaded(bundle.hash)).toBe(registries[0]);
  expect(Reflect.get(globalThis, key)).toBe(1);
});

test("a bundle that was changed, or is gone, is refused and nothing of it is run", async () => {
  const key = unique("tampered");
  const bundle = await build(`
    import { flow } from "kitaru";
    export const f = flow(${JSON.stringify(unique())}, async () => 1);`);
  const blobs = memoryBlobs();
  const source = bundleSource(blobs);
  const name = `bundles/${bundle.hash}.mjs`;
  await expect(source.load(bundle.hash)).rejects.toMatchObject({
    code: "corrupt",
    message: `The bundle ${name} is missing. Nothing of it is run. Put the original back, or deploy the flow again and use that version.`,
  });
  const evil = Buffer.from(
    `globalThis[${JSON.stringify(key)}] = true;\n${Buffer.from(bundle.code).toString()}`,
  );
  await blobs.put(name, evil, { contentType: "text/javascript" });
  await expect(source.load(bundle.hash)).rejects.toMatchObject({
    code: "corrupt",
    message: `The bundle ${name} has the SHA-256 ${sha256Hex(evil)}: it was changed. Nothing of it is run. Put the original back, or deploy the flow again and use that version.`,
  });
  expect(Reflect.get(globalThis, key)).toBeUndefined();
  await blobs.put(name, bundle.code, { contentType: "text/javascript" });
  expect((await source.load(bundle.hash)).flowNames()).toHaveLength(1);
});

test("what kept a bundle from being loaded is told, and may pass", async () => {
  const key = unique("ready");
  const bundle = await build(`
    import { flow } from "kitaru";
    if (globalThis[${JSON.stringify(key)}] === undefined) throw new TypeError("no API key");
    export const f = flow(${JSON.stringify(unique())}, async () => 1);`);
  await expect(loadBundle(bundle)).rejects.toMatchObject({
    code: "state",
    message: `The bundle ${bundle.hash.slice(0, 12)} cannot be loaded: no API key`,
  });
  Reflect.set(globalThis, key, true);
  expect((await loadBundle(bundle)).registry.flowNames()).toHaveLength(1);
});

test("two definitions of one name in one bundle are refused", async () => {
  const bundle = await build(`
    import { checkpoint, wait } from "kitaru";
    checkpoint("twice", () => 1);
    wait("twice");`);
  await expect(loadBundle(bundle)).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining('Two definitions are named "twice"'),
  });
});

test("a script that starts, invokes and deploys when it is run does none of it when its bundle is loaded", async () => {
  const name = unique();
  const bundle = await build(`
    import { configure, flow, KitaruClient } from "kitaru";
    configure({ stack: "none" });
    export let settled = false;
    const settle = () => { settled = true; };
    new KitaruClient().deployments.deploy({ entry: "nowhere" }).then(settle, settle);
    export const f = flow(${JSON.stringify(name)}, async () => 1);
    f.run(); f.invoke(); void f.deploy({ entry: import.meta.url });`);
  const { registry, exports } = await loadBundle(bundle);
  expect(registry.flowNames()).toEqual([name]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(exports?.["settled"]).toBe(false);
  const { defaultStack } = await import("../stacks.ts");
  expect(await defaultStack()).toBe("local");
});

test("one that waits for what it has started is not waited for", async () => {
  const name = unique();
  const bundle = await build(`
    import { flow } from "kitaru";
    export const f = flow(${JSON.stringify(name)}, async () => 1);
    await f.run().result();`);
  const { registry, exports } = await loadBundle(bundle);
  expect([registry.flowNames(), exports]).toEqual([[name], undefined]);
});

test("the stack of an error names the files of the flow", async () => {
  const bundle = await build(`
    import { checkpoint } from "kitaru";
    export const step = checkpoint("fails_there", () => {
      throw new Error("there");
    });`);
  const blobs = memoryBlobs();
  const { key, contentType } = bundleContent(bundle.hash);
  await blobs.put(key, bundle.code, { contentType });
  await blobs.put(sourceMapKey(bundle.hash), bundle.map, { contentType: "application/json" });
  const registry = await bundleSource(blobs).load(bundle.hash);
  const failed = await Promise.resolve()
    .then(() => registry.checkpoint("fails_there")?.fn())
    .catch((error: unknown) => error);
  expect((failed as Error).stack).toMatch(/bundle:.*\/flows\.ts:4:13/);
});

test("a version keeps the models it was deployed with, whatever the config says later", async () => {
  const entry = await flowModule(flowText(unique(), "models"));
  const [fast, smart] = [{ model: "offline/extract" }, { model: "openai/gpt-5" }];
  const bundle = await buildBundle(entry, { aliases: { fast, smart }, defaultAlias: "fast" });
  const same = await buildBundle(entry, { defaultAlias: "fast", aliases: { smart, fast } });
  expect(same.hash).toBe(bundle.hash);
  expect((await buildBundle(entry, { aliases: { fast } })).hash).not.toBe(bundle.hash);

  const { registry } = await loadBundle(bundle);
  expect(registry.models).toEqual({ aliases: { fast, smart }, defaultAlias: "fast" });
  const source = { loaded: () => registry, load: async () => registry };
  const models = { aliases: { fast: smart } };
  const context = engineContext({
    backend: memoryBackend(),
    registry: new Registry(),
    bundles: source,
    models,
  });
  const pinned = await contextOf(context, { version: "1", bundle: bundle.hash });
  expect(pinned.models).toBe(registry.models);
  expect((await contextOf(pinned, { version: "local" })).models).toBe(models);
});

test("a version that was deployed without models uses those of the program", async () => {
  const { registry } = await loadBundle(
    await buildBundle(await flowModule(flowText(unique(), "models"))),
  );
  expect(registry.models).toBeUndefined();
});
