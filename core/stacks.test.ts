import { mkdtemp, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { local } from "../adapters/local/index.ts";
import { registry } from "./engine/definitions.ts";
import { flow } from "./primitives/flow.ts";
import { closeStacks, configure } from "./stacks.ts";

let root = "";
beforeEach(async () => {
  registry.clear();
  root = await mkdtemp(join(tmpdir(), "kitaru-stacks-"));
});
afterEach(async () => {
  await closeStacks();
  await rm(root, { recursive: true });
});

test("a process may be given a stack that no config names", async () => {
  const f = flow("f", async (n: number) => n + 1);
  configure({ root, config: {}, stack: local({ folder: "one" }) });
  expect(await f.run(1, { id: "e" }).result()).toBe(2);
  configure({ stack: local({ folder: join(root, "two") }) });
  expect(await f.run(2, { id: "e" }).result()).toBe(3);
  expect(["one", "two"].map((folder) => existsSync(join(root, folder, "kitaru.db")))).toEqual([
    true,
    true,
  ]);
});

test.each([{ kind: "local" }, 5, null, () => local()])("%j is no stack", (stack) => {
  expect(() => configure({ stack: stack as never })).toThrow(
    'configure(): `stack` must be the name of a configured stack, a stack such as local() of "kitaru/local", or a backend.',
  );
});

test("a config that is handed over is checked like one in a file", () => {
  expect(() => configure({ config: { flow: [] } as never })).toThrow(
    'configure(): `config`: "flow" is not a setting.',
  );
});
