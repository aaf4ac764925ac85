import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KitaruUsageError } from "./errors.ts";
import { loadFailureOf } from "./load-failure.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru load-"));
});
afterAll(() => rm(root, { recursive: true }));

/** As Node's own loader fails, which tests are not loaded with. */
async function failureOf(source: string, stack: string): Promise<string> {
  await writeFile(join(root, "flow.ts"), source);
  const error = new SyntaxError("Expression expected");
  error.stack = stack;
  return loadFailureOf(error);
}

test("a line that cannot be parsed is named", async () => {
  const stack = `file://${encodeURI(root)}/flow.ts:1\nexport const x = ;\n                 ^\n\nSyntaxError: Expression expected\n    at parseTypeScript (node:internal/modules/typescript:72:36)`;
  expect(await failureOf("export const x = ;", stack)).toBe(
    `SyntaxError: Expression expected (${root}/flow.ts:1)`,
  );
});

test("a line that throws is named", async () => {
  await writeFile(join(root, "throws.mjs"), 'const a = 1;\nthrow new Error("boom");');
  const thrown: unknown = await import(join(root, "throws.mjs")).catch((error: unknown) => error);
  expect(loadFailureOf(thrown)).toBe(`boom (${root}/throws.mjs:2)`);
});

test("neither this package's own lines nor those of others are", () => {
  const error = new KitaruUsageError("Two definitions");
  const own = new URL("./engine/definitions.ts:9:9", import.meta.url).href;
  error.stack = `KitaruUsageError: Two definitions\n    at add (${own})\n    at file:///x/node_modules/y/index.js:3:1\n    at async file:///app/flows/a.ts:7:20\n    at file:///app/b.ts:1:1`;
  expect(loadFailureOf(error)).toBe("KitaruUsageError: Two definitions (/app/flows/a.ts:7)");
  error.stack = `KitaruUsageError: Two definitions\n    at add (${own})`;
  expect(loadFailureOf(error)).toBe("KitaruUsageError: Two definitions");
});

test("nor those of Node", () => {
  const error = new Error("Cannot find module '/app/none.ts'");
  error.stack = `Error: ${error.message}\n    at finalizeResolution (node:internal/modules/esm/resolve:272:11)\n    at node:internal/main:1:1`;
  expect(loadFailureOf(error)).toBe("Cannot find module '/app/none.ts'");
});

test("a path with a percent sign is named as it is", () => {
  const error = new Error("boom");
  error.stack = "Error: boom\n    at Object.<anonymous> (/app/100%/flow.cjs:1:7)";
  expect(loadFailureOf(error)).toBe("boom (/app/100%/flow.cjs:1)");
  error.stack = "Error: boom\n    at file:///app/100%25%23/flow.ts:2:7";
  expect(loadFailureOf(error)).toBe("boom (/app/100%#/flow.ts:2)");
  error.stack = "Error: boom\n    at file:///app/100%/flow.ts:2:7";
  expect(loadFailureOf(error)).toBe("boom (/app/100%/flow.ts:2)");
});

test("whatever is thrown has a line", () => {
  expect(loadFailureOf("no\nerror")).toBe("no");
  const bare = new Error("bare");
  delete bare.stack;
  expect(loadFailureOf(bare)).toBe("bare");
});
