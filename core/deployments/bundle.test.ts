import { Buffer } from "node:buffer";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { flowModule, project } from "../../test/deployments/project.ts";
import { hasCode } from "../errors.ts";
import { sha256Hex } from "../hash.ts";
import { type Bundle, buildBundle } from "./bundle.ts";
import type { LoadedBundle } from "./bundle-loader.ts";
import { loadBundle } from "./bundle-source.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** Build and load a package's `flows.ts`. */
async function loaded(
  files: Readonly<Record<string, string>>,
): Promise<{ bundle: Bundle; exports: NonNullable<LoadedBundle["exports"]> }> {
  const bundle = await buildBundle(join(await project(files), "flows.ts"));
  const { exports = {} } = await loadBundle(bundle);
  return { bundle, exports };
}

const source = {
  "flows.ts": `
    import { flow } from "kitaru";
    import { greet } from "./lib/greet.ts";
    import pad from "pad";
    enum Tone { Kind = "kind" }
    export const hello = flow("hello", async (name: string) => pad(greet(name), Tone.Kind));`,
  "lib/greet.ts": "export const greet = (name: string): string => `Hello ${name}`;",
  "node_modules/pad/package.json": '{ "name": "pad", "version": "1.0.0", "main": "index.js" }',
  "node_modules/pad/index.js":
    'const { join } = require("path"); module.exports = (a, b) => join(a, b);',
};

test("the same source gives the same bytes in every folder, and none of them names it", async () => {
  const roots = [await project(source), await project(source)];
  const [one, other] = await Promise.all(roots.map((root) => buildBundle(join(root, "flows.ts"))));
  expect(text(one!.code)).toBe(text(other!.code));
  expect(text(one!.map)).toBe(text(other!.map));
  expect(one!.hash).toBe(other!.hash);
  expect(one!.hash).toBe(sha256Hex(one!.code));
  expect(one).toMatchObject({ entry: "flows.ts", warnings: [] });
  for (const root of roots) expect(text(one!.code) + text(one!.map)).not.toContain(root);
  await rename(roots[0]!, `${roots[0]}-moved`);
  expect((await buildBundle(join(`${roots[0]}-moved`, "flows.ts"))).hash).toBe(one!.hash);
});

test("another source gives another hash; a comment does not", async () => {
  const changed = { ...source, "lib/greet.ts": "export const greet = (name: string) => name;" };
  const remarked = { ...source, "lib/greet.ts": `${source["lib/greet.ts"]} // said twice` };
  const hashes = await Promise.all(
    [source, changed, remarked].map(async (files) => {
      const { hash } = await buildBundle(join(await project(files), "flows.ts"));
      return hash;
    }),
  );
  expect(hashes[1]).not.toBe(hashes[0]);
  expect(hashes[2]).toBe(hashes[0]);
});

test("everything imported is in it but the engine; the address of a module will do", async () => {
  const root = await project(source);
  const bundle = await buildBundle(pathToFileURL(join(root, "flows.ts")).href);
  expect(text(bundle.code)).toContain("Hello ");
  expect(text(bundle.code)).toContain("node_modules/pad/index.js");
  expect(bundle.code.byteLength).toBeLessThan(5000);
});

test("packages in CommonJS find node's own modules, and where they are", async () => {
  const { exports } = await loaded({
    "flows.ts": `
      import { flow } from "kitaru";
      import dep from "dep";
      export const facts = dep;
      export const f = flow("f_cjs", async () => 1);`,
    "node_modules/dep/package.json": '{ "name": "dep", "main": "index.js" }',
    "node_modules/dep/index.js": `
      const name = ["o", "s"].join("");
      module.exports = { cpus: typeof require(name).cpus, dir: __dirname, file: __filename };`,
  });
  expect(exports["facts"]).toMatchObject({
    cpus: "function",
    dir: expect.stringContaining("kitaru-bundle-"),
    file: expect.stringMatching(/\.mjs$/),
  });
});

test("a module's own require, __dirname and __filename stay its own", async () => {
  const { exports } = await loaded({
    "flows.ts": `
      import { createRequire } from "node:module";
      import { dirname } from "node:path";
      import { fileURLToPath } from "node:url";
      import { flow } from "kitaru";
      const require = createRequire(import.meta.url);
      const __filename = fileURLToPath(import.meta.url);
      const __dirname = dirname(__filename) + "!";
      export const own = [typeof require("node:os").cpus, __dirname.endsWith("!"), __filename.endsWith(".mjs")];
      export const f = flow("f_own", async () => 1);`,
  });
  expect(exports["own"]).toEqual(["function", true, true]);
});

test("names of functions and classes are kept", async () => {
  const { exports } = await loaded({
    "flows.ts": `
      import { flow } from "kitaru";
      import { Lost as Other } from "./other.ts";
      class Lost extends Error {}
      export const names = [Lost.name, Other.name];
      export const f = flow("f_names", async () => 1);`,
    "other.ts": "export class Lost extends Error {}",
  });
  expect(exports["names"]).toEqual(["Lost", "Lost"]);
});

const native = {
  "node_modules/fast/package.json": '{ "name": "fast", "main": "index.js" }',
  "node_modules/fast/index.js": 'module.exports = require("node-gyp-build")(__dirname);',
  "node_modules/@a/raw/package.json": '{ "name": "@a/raw", "main": "raw.node" }',
  "node_modules/@a/raw/raw.node": "\u0000",
};
const nativeText =
  "has a native addon, which cannot be part of a bundle. Use a package without one, or call it in a service of its own.";

test("a package that can do without its native addon goes on without", async () => {
  const { bundle, exports } = await loaded({
    ...native,
    "flows.ts": `
      import { flow } from "kitaru";
      import dep from "dep";
      export const speed = dep;
      export const f = flow("f_slow", async () => 1);`,
    "node_modules/dep/package.json": '{ "name": "dep", "main": "index.js" }',
    "node_modules/dep/index.js": `
      let fast; try { fast = require("fast"); } catch { fast = "slow"; }
      let raw; try { raw = require("@a/raw"); } catch { raw = "cooked"; }
      module.exports = fast + " and " + raw;`,
  });
  expect(exports["speed"]).toBe("slow and cooked");
  expect(bundle.warnings).toEqual([
    "@a/raw has a native addon, which is not in the bundle: what needs it fails.",
    "fast has a native addon, which is not in the bundle: what needs it fails.",
  ]);
});

test.each([
  ["fast", 'import fast from "fast"; fast();'],
  ["@a/raw", 'import raw from "@a/raw"; raw();'],
])("one that needs its native addon says so: %s", async (name, line) => {
  const bundle = await buildBundle(
    join(await project({ ...native, "flows.ts": line }), "flows.ts"),
  );
  await expect(loadBundle(bundle)).rejects.toThrow(`cannot be loaded: ${name} ${nativeText}`);
});

test("an addon of the project's own is named by its file", async () => {
  const root = await project({ "flows.ts": 'import x from "./x.node"; x();', "x.node": "\u0000" });
  const bundle = await buildBundle(join(root, "flows.ts"));
  await expect(loadBundle(bundle)).rejects.toThrow(`x.node ${nativeText}`);
});

const refused = async (entry: string | URL): Promise<string> => {
  const error: unknown = await buildBundle(entry).catch((thrown: unknown) => thrown);
  if (!hasCode(error, "usage")) throw error;
  return error.message;
};

test("what cannot be bundled is named with its place", async () => {
  const missing = await flowModule('import "left-pad-2";\nimport "./gone.ts";');
  expect(await refused(missing)).toBe(
    `${missing} cannot be bundled: flows.ts:1:8: Could not resolve "left-pad-2". (and 1 more)`,
  );
  const broken = await flowModule("export const x = ;");
  expect(await refused(broken)).toBe(`${broken} cannot be bundled: flows.ts:1:18: Unexpected ";".`);
});

test("a flow that imports a stack is told where that belongs", async () => {
  const file = await flowModule('import { local } from "kitaru/local"; local();');
  expect(await refused(file)).toMatch(
    /flows\.ts:1:23: .*flows\.ts imports "kitaru\/local", which is no part of a flow: only "kitaru" is\. Move that import to kitaru\.config\.ts/,
  );
});

test("an entry must be a module that is there", async () => {
  expect(await refused("flows.ts")).toBe(
    'The entry "flows.ts" is not an absolute path. Pass import.meta.url in the module that defines the flow.',
  );
  expect(await refused("data:text/javascript,1")).toContain("is not an absolute path");
  const file = await flowModule("");
  expect(await refused(`${file}x`)).toBe(`There is no module ${file}x to deploy.`);
  const folder = join(file, "..");
  expect(await refused(folder)).toContain("cannot be bundled");
});
