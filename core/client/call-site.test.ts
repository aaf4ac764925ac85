import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { noteCallSite, placeIn } from "./call-site.ts";

const thisFile = fileURLToPath(import.meta.url);
const core = join(dirname(thisFile), "..");

test("the place is that of the code, not of what notes it", () => {
  const place = noteCallSite()();
  expect(place).toMatchObject({ file: thisFile, column: expect.any(Number) as number });
  expect(place?.line).toBe(10);
});

const stack = (...frames: readonly string[]): string =>
  ["Error", ...frames.map((frame) => `    ${frame}`)].join("\n");

test("frames of the package and of Node are passed over", () => {
  expect(
    placeIn(
      stack(
        `at BodyWalk.ask (${core}/engine/replay/walk.ts:10:3)`,
        `at file://${join(core, "..", "dist", "chunks", "x.js")}:3:4`,
        "at AsyncLocalStorage.run (node:internal/async_local_storage:5:6)",
        "at Array.map (<anonymous>)",
        "at async writing (file:///app/flows/writing.ts?v=1:12:20)",
      ),
    ),
  ).toEqual({ file: "/app/flows/writing.ts", line: 12, column: 20 });
});

test.each([
  ["at /app/flows/a.ts:1:2", "/app/flows/a.ts"],
  ["at async /app/flows/a.ts:1:2", "/app/flows/a.ts"],
  ["at f (/app (new)/a.ts:1:2)", "/app (new)/a.ts"],
  ["at f (bundle:///flows/a.ts:1:2)", "flows/a.ts"],
  ["at f (/tmp/kitaru-bundle-x/bundle:/flows/a.ts:1:2)", "flows/a.ts"],
  ["at f (C:\\app\\a.ts:1:2)", "C:\\app\\a.ts"],
])("%s is in %s", (frame, file) => {
  expect(placeIn(stack(frame))).toEqual({ file, line: 1, column: 2 });
});

test("a stack without a file tells no place", () => {
  expect(placeIn(stack("at eval (<anonymous>)", "at new Promise (<anonymous>)"))).toBeUndefined();
  expect(placeIn("")).toBeUndefined();
});
