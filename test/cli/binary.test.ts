import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Ran } from "./command-line.ts";

const source = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const binary = source("cli/main.ts");
let root = "";

const flows = `
import { existsSync, writeFileSync } from "node:fs";
import { checkpoint, flow, wait } from ${JSON.stringify(source("core/index.ts"))};
setInterval(() => undefined, 1000); // as a connection that nobody closes would
const step = checkpoint("step", async (marker: string) => {
  if (existsSync(marker)) return "second try";
  writeFileSync(marker, "");
  await new Promise((resolve) => setTimeout(resolve, 60_000));
  return "first try";
});
const go = wait("go");
const pause = checkpoint("pause", () => new Promise<void>((resolve) => setTimeout(resolve, 60_000)));
export const slow = flow("slow", async (marker: string) => step(marker));
export const held = flow("held", async () => { await go(); return { gone: "on" }; });
export const later = flow("later", async () => {
  setTimeout(() => { throw new Error("out of nowhere"); }, 20);
  await pause();
});
`;

beforeAll(makeRoot);

/** A project folder of its own. */
async function makeRoot(): Promise<void> {
  root = await mkdtemp(join(tmpdir(), "kitaru-binary-"));
  await writeFile(join(root, "flows.ts"), flows);
  await writeFile(
    join(root, "kitaru.config.ts"),
    `import { local } from ${JSON.stringify(source("adapters/local/index.ts"))};
    export default { flows: ["flows.ts"], stacks: { local: local() } };`,
  );
}

afterAll(() => rm(root, { recursive: true }));

function start(args: readonly string[], cwd = root): { child: ChildProcess; ran: Promise<Ran> } {
  const child = spawn(process.execPath, [binary, ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { child, ran: runIn(child) };
}

/** What a process leaves. */
function runIn(child: ChildProcessByStdio<Writable | null, Readable, Readable>): Promise<Ran> {
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  return new Promise((resolve) => {
    child.once("close", (code) => resolve({ code: code ?? -1, out, err }));
  });
}

const run = (...args: readonly string[]): Promise<Ran> => start(args).ran;

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Start an execution that is in the middle of a checkpoint; the result kills its process. */
async function begun(id: string, file = "flows.ts"): Promise<() => Promise<void>> {
  const marker = join(root, id);
  const input = JSON.stringify(marker);
  const { child, ran } = start(["run", `${file}:slow`, "--id", id, "--input", input]);
  await until(() => existsSync(marker));
  return async () => {
    child.kill("SIGKILL");
    await ran;
  };
}

/** Start an execution and kill its process in the middle of a checkpoint. */
async function killed(id: string): Promise<void> {
  const kill = await begun(id);
  await kill();
}

/** Wait until a process has said something on standard error. */
async function hears(child: ChildProcess, text: string): Promise<void> {
  let err = "";
  child.stderr?.on("data", (part: string) => (err += part));
  await until(() => err.includes(text));
}

test.concurrent("it prints its version, and one line for an error", async () => {
  expect(await run("--version")).toMatchObject({ code: 0, err: "" });
  const failed = await run("executions", "get", "none", "-o", "json");
  expect(failed).toMatchObject({ code: 1, out: "" });
  expect(JSON.parse(failed.err)).toMatchObject({
    command: "executions.get",
    error: { code: "not_found" },
  });
  const thrown = await run("run", "flows.ts:later");
  expect(thrown.code).toBe(1);
  expect(thrown.err).toContain("error: out of nowhere (outside any checkpoint;");
  expect(thrown.err).not.toMatch(/\n {2,}at /);
  const unknown = await run("rn");
  expect(unknown).toEqual({
    code: 1,
    out: "",
    err: "error: unknown command 'rn' (Did you mean run?)\n",
  });
});

test.concurrent("a failure that is awaited late ends no process, a rejection outside of flows does", async () => {
  const header = `import { checkpoint, flow } from ${JSON.stringify(source("core/index.ts"))};
    const pause = checkpoint("pause", (ms: number) => new Promise<void>((done) => setTimeout(done, ms)));`;
  await writeFile(
    join(root, "late.ts"),
    `${header}
    const fails = checkpoint("fails", () => { throw new Error("early"); });
    export const late = flow("late", async () => {
      const early = (async () => fails())();
      await pause(50);
      return early.catch((error) => "caught " + error.message);
    });`,
  );
  await writeFile(
    join(root, "foreign.ts"),
    `${header}
    setTimeout(() => void Promise.reject(new Error("of no flow")), 300);
    export const foreign = flow("foreign", async () => pause(60_000));`,
  );
  expect(await run("run", "late.ts")).toMatchObject({ code: 0, out: "caught early\n" });
  const ended = await run("run", "foreign.ts");
  expect(ended.code).toBe(1);
  expect(ended.err).toContain("error: of no flow (outside any checkpoint;");
});

test.concurrent("input comes from standard input, and output that cannot be written is a failure", async () => {
  await writeFile(
    join(root, "echo.ts"),
    `import { flow } from ${JSON.stringify(source("core/index.ts"))};
    export const echo = flow("echo", async (input: unknown) => input);`,
  );
  const shell = (command: string): Promise<Ran> =>
    runIn(spawn("sh", ["-c", command, process.execPath, binary], { cwd: root }));
  const piped = await shell(`echo '{"n": 1}' | "$0" "$1" run echo.ts --input @-`);
  expect(piped).toMatchObject({ code: 0, out: '{\n  "n": 1\n}\n' });
  const malformed = await shell(`echo '{' | "$0" "$1" run echo.ts --input @-`);
  expect(malformed).toMatchObject({
    code: 1,
    err: expect.stringContaining("--input @- is not valid JSON"),
  });
  if (!existsSync("/dev/full")) return;
  const full = await shell(`"$0" "$1" run echo.ts --input 1 > /dev/full`);
  expect(full.code).toBe(1);
  expect(full.err).toContain("error: The output cannot be written: ENOSPC");
});

test.concurrent("what a flow prints goes beside the progress, the result alone to standard output", async () => {
  await writeFile(
    join(root, "talks.ts"),
    `import { checkpoint, flow } from ${JSON.stringify(source("core/index.ts"))};
    const say = checkpoint("say", () => { process.stdout.write("from a checkpoint\\n"); return 1; });
    const apart = checkpoint("apart", { runtime: "isolated" }, () => { console.log("from a process"); return 2; });
    console.log("from the module");
    export const talks = flow("talks", async () => {
      console.log("from the flow");
      return (await say()) + (await apart());
    });`,
  );
  const text = await run("run", "talks.ts");
  expect(text).toMatchObject({ code: 0, out: "3\n" });
  for (const place of ["the module", "the flow", "a checkpoint", "a process"])
    expect(text.err).toContain(`from ${place}\n`);
  const json = await run("run", "talks.ts", "-o", "json");
  expect(JSON.parse(json.out)).toMatchObject({ command: "run", item: { output: 3 } });
});

test.concurrent("a flow that ends the process is told, and is no success", async () => {
  await writeFile(
    join(root, "leaves.ts"),
    `import { checkpoint, flow } from ${JSON.stringify(source("core/index.ts"))};
    const leave = checkpoint("leave", (code: number) => process.exit(code));
    export const leaves = flow("leaves", async (code: number) => leave(code));`,
  );
  for (const [given, code] of [
    [0, 1],
    [7, 7],
  ]) {
    const ran = await run("run", "leaves.ts", "--input", String(given));
    expect(ran).toMatchObject({ code, out: "" });
    expect(ran.err).toContain(
      `error: The process was ended with code ${given} before the command was done: by process.exit() in a flow`,
    );
  }
});

test.concurrent("a project without a module type, and one that cannot be parsed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kitaru-typeless-"));
  await writeFile(join(folder, "package.json"), "{}");
  await writeFile(join(folder, "kitaru.config.ts"), 'export default { flows: ["broken.ts"] };');
  await writeFile(join(folder, "broken.ts"), "export const a = ;");
  const { code, out, err } = await start(["doctor"], folder).ran;
  await rm(folder, { recursive: true });
  expect(code).toBe(1);
  expect(out).toMatch(/ok +config/);
  expect(out).toMatch(
    /fail +flows +\S+broken\.ts cannot be loaded: .*\. `kitaru check FILE` shows the line\./,
  );
  expect(err).toBe("error: 1 check failed: flows.\n"); // and nothing of Node.js about module types
});

test.concurrent("an execution is left waiting by one process and finished by another", async () => {
  const left = await run("run", "flows.ts:held", "--id", "held-1");
  expect(left.code).toBe(0);
  expect(left.out).toMatch(/waiting {2}go:0\n {2}node .*main\.ts executions input held-1\n/);
  const answered = await run("executions", "input", "held-1", "-o", "json");
  expect(JSON.parse(answered.out)).toMatchObject({
    command: "executions.input",
    item: {
      callId: "go:0",
      drivenBy: "this process",
      execution: { status: "completed", output: { gone: "on" } },
    },
  });
});

test.concurrent("a killed process's execution is resumed by another", async () => {
  await killed("killed-1");
  const resumed = await run("executions", "resume", "killed-1");
  expect(resumed).toMatchObject({ code: 0, out: "second try\n" });
});

test.concurrent("a command that waits for another process takes over when that is killed", async () => {
  const kill = await begun("killed-3");
  const waiting = start(["executions", "resume", "killed-3"]);
  await hears(waiting.child, "Another process drives it");
  await kill();
  expect(await waiting.ran).toMatchObject({ code: 0, out: "second try\n" });
});

test.concurrent("and says why when it cannot", async () => {
  await writeFile(join(root, "lost.ts"), flows);
  const kill = await begun("killed-4", "lost.ts");
  const waiting = start(["executions", "resume", "killed-4"]);
  await hears(waiting.child, "Another process drives it");
  await rm(join(root, "lost.ts"));
  await kill();
  const { code, err } = await waiting.ran;
  expect(code).toBe(1);
  expect(err).toMatch(/error: \S+lost\.ts, the module of flow "slow", cannot be loaded: /);
});

test.concurrent("a flow that does not end when it is cancelled ends when it is cancelled again", async () => {
  await writeFile(
    join(root, "stuck.ts"),
    `import { flow } from ${JSON.stringify(source("core/index.ts"))};
    export const stuck = flow("stuck", () => new Promise(() => undefined));`,
  );
  const running = start(["run", "stuck.ts", "--id", "stuck"]);
  await hears(running.child, "stuck  stuck");
  const cancelling = start(["executions", "cancel", "stuck"]);
  await hears(cancelling.child, "To end it without waiting for that: ");
  expect(await run("executions", "cancel", "stuck")).toMatchObject({ code: 0 });
  expect(await cancelling.ran).toMatchObject({ code: 0, out: "cancelled  stuck\n" });
  expect(await running.ran).toMatchObject({ code: 1 });
});

test("dev takes up a killed process's execution, and stops cleanly when it is interrupted", async () => {
  await makeRoot(); // it takes up whatever it finds
  await killed("killed-2");
  const { child, ran } = start(["dev"]);
  let told = "";
  child.stderr?.on("data", (text: string) => (told += text));
  await until(() => /killed-2 {2}completed/.test(told));
  expect(told).not.toContain("changed");
  await writeFile(join(root, "flows.ts"), `${flows}// changed`);
  await until(() =>
    told.includes("flows.ts changed. This process goes on with what it has loaded;"),
  );
  child.kill("SIGINT");
  const { code, out, err } = await ran;
  expect([code, out]).toEqual([0, "Stopped; executions go on when this runs again.\n"]);
  expect(err).toMatch(
    /Stack local: 3 flows from 1 file[\s\S]*killed-2 {2}(?:started|taken up)[\s\S]*✓ killed-2 step:0/,
  );
});
