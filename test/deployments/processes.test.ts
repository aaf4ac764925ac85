import { type ChildProcess, execFile, fork, spawn } from "node:child_process";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { project, put } from "./project.ts";

const source = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const binary = source("cli/main.ts");

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A project whose one module can be deployed, and run from its bundle alone. */
async function made(flows: string): Promise<string> {
  return project({
    "flows.ts": flows,
    "kitaru.config.ts": `import { local } from ${JSON.stringify(source("adapters/local/index.ts"))};
      export default { flows: [], stacks: { local: local() } };`,
  });
}

async function kitaru(root: string, ...args: readonly string[]): Promise<Ran> {
  const running = promisify(execFile)(process.execPath, [binary, ...args], { cwd: root });
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      out: error.stdout,
      err: error.stderr,
    }),
  );
}

async function json<T>(root: string, ...args: readonly string[]): Promise<T> {
  const { code, out, err } = await kitaru(root, ...args, "-o", "json");
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as T;
}

const fixture = (name: string, ...args: readonly string[]): ChildProcess =>
  fork(source(`test/deployments/fixtures/${name}.ts`), args, { stdio: "inherit" });

const told = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as T));
    child.once("exit", (code) => reject(new Error(`exited with ${code}`)));
  });

const waiting = (word: string): string => `
  import { checkpoint, flow, wait } from "kitaru";
  const before = checkpoint("before", () => "${word} before");
  const far = checkpoint("far", { runtime: "isolated" }, (text: string) => "${word} far, " + text);
  const ask = wait("ask");
  const inner = flow("inner", async (text: string) => far(text));
  export const f = flow("held", async () => {
    const text = await before();
    await ask();
    return inner.call(text);
  });`;

test("an execution in flight stays on its version while tags move and its source is gone", async () => {
  const root = await made(waiting("one"));
  await kitaru(root, "deploy", "flows.ts");
  const asked = await kitaru(root, "invoke", "held", "--id", "held-1", "--wait");
  expect([asked.code, asked.out]).toEqual([0, expect.stringMatching(/^waiting {2}ask:0/)]);
  await put(root, "flows.ts", waiting("two"));
  await kitaru(root, "deploy", "flows.ts", "--tag", "default");
  await rm(join(root, "flows.ts"));
  const answered = await json<object>(root, "executions", "input", "held-1");
  expect(answered).toMatchObject({
    item: { drivenBy: "this process", execution: { version: "1", output: "one far, one before" } },
  });
  expect(await json(root, "executions", "get", "held-1/inner:0")).toMatchObject({
    item: { version: "1", output: "one far, one before" },
  });
  await kitaru(root, "invoke", "held", "--id", "held-2", "--wait");
  expect((await kitaru(root, "executions", "input", "held-2")).out).toBe("two far, two before\n");
});

test("kitaru dev takes up what was left, and what a killed process had begun, without any module", async () => {
  const root = await made(`
    import { checkpoint, flow } from "kitaru";
    import { existsSync, writeFileSync } from "node:fs";
    const step = checkpoint("step", async (marker: string) => {
      if (existsSync(marker)) return "second try";
      writeFileSync(marker, "");
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });
    export const f = flow("slow", async (marker: string) => step(marker));`);
  await kitaru(root, "deploy", "flows.ts");
  await rm(join(root, "flows.ts"));
  const marker = join(root, "marker");
  const input = ["--input", JSON.stringify(marker)];
  const child = spawn(
    process.execPath,
    [binary, "invoke", "slow", "--id", "cut", "--wait", ...input],
    {
      cwd: root,
      stdio: "ignore",
    },
  );
  const died = new Promise((resolve) => child.once("exit", resolve));
  for (let found = false; !found; found = await isThere(marker)) await pause(20);
  child.kill("SIGKILL");
  await died;
  const left = await kitaru(root, "invoke", "slow", "--id", "left", ...input);
  expect(left).toMatchObject({ code: 0, out: "queued  left\n" });
  const dev = spawn(process.execPath, [binary, "dev"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  dev.stderr.on("data", (part: Buffer) => (text += part.toString()));
  const stopped = new Promise((resolve) => dev.once("exit", resolve));
  while (!/left {2}completed/.test(text) || !/cut {2}completed/.test(text)) await pause(20);
  dev.kill("SIGINT");
  expect(await stopped).toBe(0);
  expect(text).toContain("Stack local: 0 flows from 0 files, 1 deployed flow (slow).");
  const outputs = await Promise.all(
    ["cut", "left"].map((id) => json<{ item: object }>(root, "executions", "get", id)),
  );
  expect(outputs.map(({ item }) => item)).toMatchObject([
    { version: "1", output: "second try" },
    { version: "1", output: "second try" },
  ]);
});

test("every start gets exactly one of two versions while a tag moves between them", async () => {
  const root = await made("");
  const text = (word: string): string =>
    `import { flow } from "kitaru"; export const f = flow("raced", async () => "${word}");`;
  for (const word of ["one", "two"]) {
    await put(root, "flows.ts", text(word));
    await kitaru(root, "deploy", "flows.ts", "--tag", "stable");
  }
  const movers = [fixture("mover", root, "raced"), fixture("mover", root, "raced")];
  const moves = movers.map((mover) => told<number>(mover));
  const starters = Array.from({ length: 3 }, () => fixture("starter", root, "raced", "25"));
  const starts = await Promise.all(
    starters.map((starter) => told<{ result: string; version: string }[]>(starter)),
  );
  for (const mover of movers) mover.send("stop");
  for (const count of await Promise.all(moves)) expect(count).toBeGreaterThan(10);
  const all = starts.flat();
  expect(all).toHaveLength(75);
  const kinds = new Set(all.map(({ result, version }) => `${result} ${version}`));
  expect([...kinds].toSorted()).toEqual(["one 1", "two 2"]);
});

test("deploys of several processes at once make a version each, without a gap", async () => {
  const root = await made(
    'import { flow } from "kitaru"; export const f = flow("met", async () => 1);',
  );
  const deployed = await Promise.all(
    ["a", "b", "c"].map((tag) =>
      json<{ items: { version: number; tags: string[] }[] }>(
        root,
        "deploy",
        "flows.ts",
        "--tag",
        tag,
      ),
    ),
  );
  const versions = deployed.map(({ items }) => items[0]!.version);
  expect(versions.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  const { item } = await json<{ item: { tags: Record<string, number> } }>(
    root,
    "flow",
    "show",
    "met",
  );
  expect(Object.keys(item.tags)).toEqual(["a", "b", "c", "default"]);
  expect(new Set([item.tags["a"], item.tags["b"], item.tags["c"]]).size).toBe(3);
});

test("a deploy that is killed between its number and its version leaves nothing broken", async () => {
  const root = await made(
    'import { flow } from "kitaru"; export const f = flow("cut", async () => "ran");',
  );
  const child = fixture("deployer", root, join(root, "flows.ts"));
  const signal = await new Promise((resolve) => child.once("exit", (_, name) => resolve(name)));
  expect(signal).toBe("SIGKILL");
  expect(await json(root, "flow", "show", "cut")).toMatchObject({
    item: { tags: {}, versions: [{ version: 1, status: "unfinished" }] },
  });
  expect((await kitaru(root, "invoke", "cut", "--version", "1")).err).toMatch(
    /Version 1 .* is not ready/,
  );
  expect(await json(root, "deploy", "flows.ts")).toMatchObject({
    items: [{ version: 2, tags: ["default"] }],
  });
  expect((await kitaru(root, "invoke", "cut", "--wait")).out).toBe("ran\n");
  expect(await json(root, "flow", "delete", "cut", "--version", "1")).toMatchObject({
    item: { version: 1 },
  });
});

test("a bundle that was changed on disk is refused by whoever would run it", async () => {
  const root = await made(waiting("one"));
  await kitaru(root, "deploy", "flows.ts");
  await kitaru(root, "invoke", "held", "--id", "kept");
  const folder = join(root, ".kitaru", "bundles");
  const name = (await readdir(folder)).find((one) => one.endsWith(".mjs")) ?? "";
  const text = await readFile(join(folder, name), "utf8");
  await writeFile(join(folder, name), text.replace("one before", "evil"));
  const refused = await kitaru(root, "executions", "resume", "kept", "-o", "json");
  expect([refused.code, refused.out]).toEqual([1, ""]);
  expect(JSON.parse(refused.err)).toMatchObject({
    error: {
      code: "corrupt",
      message: expect.stringContaining("it was changed. Nothing of it is run."),
    },
  });
  const invoked = await kitaru(root, "invoke", "held", "--wait", "-o", "json");
  expect(JSON.parse(invoked.err)).toMatchObject({ error: { code: "corrupt" } });
  await writeFile(join(folder, name), text);
  expect((await kitaru(root, "executions", "resume", "kept")).out).toMatch(/^waiting {2}ask:0/);
});

test("a failure of a version names the line of its source", async () => {
  const root = await made(`
    import { checkpoint, flow } from "kitaru";
    const step = checkpoint("step", () => {
      throw new RangeError("out of range");
    });
    export const f = flow("failing", async () => step());`);
  await kitaru(root, "deploy", "flows.ts");
  const failed = await kitaru(root, "invoke", "failing", "--id", "failed", "--wait");
  expect(failed).toMatchObject({ code: 1, err: expect.stringContaining("out of range") });
  const { item } = await json<{ item: { error: { stack: string } } }>(
    root,
    "executions",
    "get",
    "failed",
  );
  expect(item.error.stack).toContain("bundle:///flows.ts:4:13");
});

async function isThere(file: string): Promise<boolean> {
  return readFile(file).then(
    () => true,
    () => false,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
