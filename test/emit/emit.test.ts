import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CaseName, type EmitCase, cases } from "./cases.ts";
import type { EmitRunner } from "./cloud.ts";
import { type Cloud, clouds, expected } from "./fixtures.ts";

const names = Object.keys(cases) as CaseName[];
const base: CaseName = "no wait";

describe.each(Object.keys(clouds) as Cloud[])("on %s", (cloud) => {
  const { missing, emit, write, start } = clouds[cloud];
  let runner: EmitRunner | undefined;
  beforeAll(async () => {
    if (missing === undefined) runner = await start();
  }, 60_000);
  afterAll(() => runner?.close());

  test.each(names)("%s: what is emitted", (name) => {
    const parts = Object.entries(emit(cases[name]));
    const known = name === base ? {} : emit(cases[base]);
    const isNew = ([key, part]: readonly [string, unknown]): boolean =>
      JSON.stringify(part) !== JSON.stringify(known[key]);
    expect(Object.keys(known).filter((key) => !parts.some(([one]) => one === key))).toEqual([]);
    const beyond = parts.filter(isNew);
    expect(beyond.length === 0 ? "" : write(Object.fromEntries(beyond))).toBe(
      expected[name][cloud].emitted,
    );
  });

  test.skipIf(missing !== undefined).each(names)(
    `%s: what an execution goes through (${missing ?? "emulated"})`,
    async (name) => {
      const given: EmitCase = cases[name];
      expect(await runner?.path(given)).toEqual(expected[name][cloud].path);
    },
  );
});
