import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { describeSecrets } from "../../testing/conformance/secrets.ts";
import { openSecrets } from "./secrets.ts";

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kitaru-secrets-"));
  file = join(folder, ".env");
  await writeFile(
    file,
    `# keys\nANTHROPIC=from-file\nexport OPENAI_KEY="quoted # value"\nEMPTY=\nlower=plain\n`,
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeSecrets("local secrets", {
  open: async (values) => {
    const path = join(folder, "conformance.env");
    const lines = Object.entries(values).map(([name, value]) => `${name.toUpperCase()}='${value}'`);
    await writeFile(path, lines.join("\n"));
    return openSecrets({ env: {}, file: path });
  },
});

test("the environment comes before the file, the exact name before the upper-case one", async () => {
  const secrets = (env: Record<string, string>) => openSecrets({ env, file });
  expect(await secrets({ anthropic: "exact", ANTHROPIC: "upper" }).get("anthropic")).toBe("exact");
  expect(await secrets({ ANTHROPIC: "upper" }).get("anthropic")).toBe("upper");
  expect(await secrets({}).get("anthropic")).toBe("from-file");
  expect(await secrets({}).get("lower")).toBe("plain");
  expect(await secrets({ ANTHROPIC: "" }).get("anthropic")).toBe("from-file");
});

test("names are turned into upper snake case", async () => {
  const secrets = openSecrets({ env: {}, file });
  for (const name of ["openai-key", "openaiKey", "openai.key", "OPENAI_KEY"]) {
    expect(await secrets.get(name)).toBe("quoted # value");
  }
});

test("without env, the process's own is read", async () => {
  vi.stubEnv("KITARU_TEST_SECRET", "from-process");
  expect(await openSecrets({ file }).get("kitaruTestSecret")).toBe("from-process");
  vi.unstubAllEnvs();
});

test("the file's names are listed, without those left empty", async () => {
  expect(await openSecrets({ env: { OTHER: "x" }, file }).list()).toEqual([
    "ANTHROPIC",
    "OPENAI_KEY",
    "lower",
  ]);
  expect(await openSecrets({ env: {}, file }).get("empty")).toBeUndefined();
});

test("a missing file holds nothing", async () => {
  const secrets = openSecrets({ env: {}, file: join(folder, "missing", ".env") });
  expect(await secrets.list()).toEqual([]);
  expect(await secrets.get("anthropic")).toBeUndefined();
});

test("the file is read anew each time", async () => {
  const path = join(folder, "changing.env");
  const secrets = openSecrets({ env: {}, file: path });
  await writeFile(path, "KEY=1");
  expect(await secrets.get("key")).toBe("1");
  await writeFile(path, "KEY=2");
  expect(await secrets.get("key")).toBe("2");
});

test("location names the file", () => {
  expect(openSecrets({ file }).location).toBe(`the .env file in ${folder}`);
});

test("a file that cannot be read is an error that names it", async () => {
  const secrets = openSecrets({ env: {}, file: folder });
  await expect(secrets.list()).rejects.toMatchObject({
    code: "backend",
    message: expect.stringContaining(`Cannot read ${folder}: `),
  });
});
