import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { loadConfig, savedStack } from "./config.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-config-"));
});

async function folder(...names: string[]): Promise<string> {
  const path = join(root, ...names);
  await mkdir(path, { recursive: true });
  return path;
}

test("the nearest config upward is loaded, once", async () => {
  const inner = await folder("a", "b", "c");
  const file = join(root, "a", "kitaru.config.mjs");
  await writeFile(join(root, "kitaru.config.mjs"), "export default { stack: 'outer' };");
  await writeFile(file, "export default { stack: 'inner' };");
  const found = await loadConfig(inner);
  expect(found).toMatchObject({ config: { stack: "inner" }, root: join(root, "a"), file });
  expect((await loadConfig(join(root, "a"))).config).toBe(found.config);
  expect((await loadConfig(root)).config.stack).toBe("outer");
});

test("TypeScript comes before JavaScript of the same folder", async () => {
  await writeFile(join(root, "kitaru.config.js"), "export default { stack: 'js' };");
  await writeFile(
    join(root, "kitaru.config.ts"),
    "const stack: string = 'ts'; export default { stack };",
  );
  expect((await loadConfig(root)).config.stack).toBe("ts");
});

test("without one the config is empty and the folder is the root", async () => {
  const inner = await folder("empty");
  expect(await loadConfig(inner)).toEqual({ config: {}, root: inner });
});

test.each(["export const stack = 'local';", "export default null;", "export default 'local';"])(
  "a file without a config in it is named, with what to write: %s",
  async (text) => {
    await writeFile(join(root, "kitaru.config.mjs"), text);
    await expect(loadConfig(root)).rejects.toMatchObject({
      code: "usage",
      message: `${join(root, "kitaru.config.mjs")} has no default export. Write: export default defineConfig({ … });`,
    });
  },
);

test("a file that cannot be loaded is named, with why", async () => {
  await writeFile(join(root, "kitaru.config.mjs"), "throw new Error('no such region');");
  await expect(loadConfig(root)).rejects.toMatchObject({
    code: "usage",
    message: `${join(root, "kitaru.config.mjs")} cannot be loaded: no such region (${join(root, "kitaru.config.mjs")}:1)`,
  });
});

test.each([
  [
    "{ flow: [] }",
    '"flow" is not a setting. Settings: flows, stacks, stack, models, defaultModel.',
  ],
  ["{ flows: './flows/*.ts' }", '`flows` must be a list of globs, such as ["./flows/*.ts"].'],
  ["{ flows: [1] }", '`flows` must be a list of globs, such as ["./flows/*.ts"].'],
  ["{ stack: 1 }", "`stack` must be the name of a stack."],
  ["{ stacks: [] }", "`stacks` must be an object, such as { prod: aws({ … }) }."],
  ["{ models: 5 }", '`models` must be an object, such as { fast: "openai/gpt-5-mini" }.'],
  ["{ defaultModel: {} }", "`defaultModel` must be an alias or provider/model."],
  [
    "{ stacks: { prod: { kind: 'aws' } } }",
    '`stacks.prod` is not a stack. Make one with local() of "kitaru/local", aws() of "kitaru/aws", gcp() of "kitaru/gcp" or azure() of "kitaru/azure".',
  ],
])("a setting that is not one is refused: %s", async (text, message) => {
  const file = join(root, "kitaru.config.mjs");
  await writeFile(file, `export default ${text};`);
  await expect(loadConfig(root)).rejects.toMatchObject({
    code: "usage",
    message: `${file}: ${message}`,
  });
});

test("settings that are absent or undefined are fine", async () => {
  await writeFile(
    join(root, "kitaru.config.mjs"),
    "export default { stack: undefined, stacks: { local: { kind: 'local', open() {} } } };",
  );
  expect((await loadConfig(root)).config.stack).toBeUndefined();
});

test("the stack that was chosen for a folder is remembered there", async () => {
  expect(savedStack(root)).toBeUndefined();
  const file = join(await folder(".kitaru"), "stack");
  await writeFile(file, "\n");
  expect(savedStack(root)).toBeUndefined();
  await writeFile(file, "aws\n");
  expect(savedStack(root)).toBe("aws");
});
