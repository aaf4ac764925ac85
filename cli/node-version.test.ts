import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { unfitNode } from "./node-version.ts";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly engines: { readonly node: string };
};

test("the oldest version is that of the manifest", () => {
  const oldest = manifest.engines.node.replace(">=", "");
  expect(unfitNode(`${oldest}.0`)).toBeUndefined();
  expect(unfitNode("20.20.2")).toBe(
    `kitaru needs Node.js ${oldest} or newer, and this is 20.20.2. \`npm install --save-dev node@24\` gives a project one of its own, which npx and npm scripts then use.`,
  );
});

test.each([
  ["22.17.9", false],
  ["22.18.0", true],
  ["23.0.0", true],
  ["24.21.0", true],
  ["18.99.0", false],
])("%s: %s", (version, isFit) => {
  expect(unfitNode(version) === undefined).toBe(isFit);
});
