import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

/** The sources on their own, where no optional package can be found. */
let folder = "";
const core = fileURLToPath(new URL("../", import.meta.url));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kitaru-peers-"));
  await cp(core, join(folder, "core"), { recursive: true });
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function ask(model: string): Promise<string> {
  const script = `
    import { generate } from "./core/models/generate.ts";
    const context = { signal: new AbortController().signal, models: { aliases: {} }, secrets: {}, env: { OPENAI_API_KEY: "k" } };
    const request = { model: ${JSON.stringify(model)}, messages: [{ role: "user", content: "Hello there." }] };
    const said = await generate(request, context).then(({ value }) => value, (error) => error.code + ": " + error.message);
    console.log(said);
  `;
  const file = join(folder, "ask.ts");
  await writeFile(file, script);
  const { stdout } = await promisify(execFile)(process.execPath, [file]);
  return stdout.trim();
}

test("without the AI SDK: offline answers, a provider names the command that installs it", async () => {
  expect(await ask("offline/extract")).toBe("Hello there.");
  expect(await ask("openai/gpt-5")).toBe(
    "usage: A model call needs the package ai, which is not installed. Run: npm install ai @ai-sdk/openai",
  );
});

test("with the AI SDK but not the provider's package", async () => {
  await mkdir(join(folder, "node_modules"));
  const installed = fileURLToPath(new URL("../../node_modules/ai", import.meta.url));
  await symlink(installed, join(folder, "node_modules", "ai"));
  expect(await ask("openai/gpt-5")).toMatch(
    /needs the package @ai-sdk\/openai, which is not installed/,
  );
});
