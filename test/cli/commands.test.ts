import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Io, Said } from "../../cli/io.ts";
import { local } from "../../adapters/local/index.ts";
import type { KitaruConfig } from "../../core/config.ts";
import { registry } from "../../core/engine/definitions.ts";
import { configure } from "../../core/stacks.ts";
import { type Ran, fixture, flowsFile, kitaru } from "./command-line.ts";

const core = fileURLToPath(new URL("../../core", import.meta.url));
let root = "";

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-cli-"));
  setConfig({});
});

afterEach(() => rm(root, { recursive: true }));

function setConfig(config: KitaruConfig): void {
  configure({
    root,
    config: { stacks: { local: local(), spare: local({ folder: "spare" }) }, ...config },
  });
}

const run = (...args: readonly string[]): Promise<Ran> => kitaru({ cwd: root }, ...args);

async function json(...args: readonly string[]): Promise<Record<string, unknown>> {
  const ran = await run(...args, "-o", "json");
  expect(ran.err).toBe("");
  return JSON.parse(ran.out) as Record<string, unknown>;
}

/** Start a flow that comes to rest on a wait; its execution id. */
async function waiting(flow: string, input?: unknown): Promise<string> {
  const args = input === undefined ? [] : ["--input", JSON.stringify(input)];
  const { item } = (await json("run", `${flowsFile}:${flow}`, ...args)) as { item: { id: string } };
  return item.id;
}

async function fails(...args: readonly string[]): Promise<string> {
  const text = await run(...args);
  const asJson = await run(...args, "-o", "json");
  expect([text.code, text.out, asJson.code, asJson.out]).toEqual([1, "", 1, ""]);
  expect(text.err).toMatch(/^error: /);
  expect(text.err).not.toMatch(/\n {2,}at /);
  const failure = JSON.parse(asJson.err) as {
    command: string;
    error: { code: string; message: string };
  };
  expect(Object.keys(failure)).toEqual(["command", "error"]);
  expect(`error: ${failure.error.message}\n`.slice(0, 40)).toBe(text.err.slice(0, 40));
  return `${failure.command} [${failure.error.code}] ${failure.error.message}`;
}

test("a flow runs to a wait, is answered, and its execution can be looked at", async () => {
  const started = await run("run", `${flowsFile}:review_flow`, "--input", '{"topic": "Roofs."}');
  expect(started.code).toBe(0);
  expect(started.err).toMatch(
    /review_flow {2}\w+\n✓ draft:0 .* 12 tokens\n\? approve:0 {2}Approve it\?\n/,
  );
  const command = /kitaru executions input (\w+) --value true/.exec(started.out);
  const id = command?.[1] ?? "";
  expect(started.out).toBe(
    `waiting  approve:0  Approve it?\n  { "text": "Write about this. Roofs." }\n  ${command?.[0]}\n`,
  );

  const shown = await run("executions", "get", id);
  for (const text of [
    "review_flow (version local)",
    "waiting",
    "draft:0",
    "approve:0",
    "offline/extract, 12 tokens",
    `${id}/draft:0/topic`,
    "Approve it?",
    command?.[0] ?? "",
  ])
    expect(shown.out).toContain(text);
  expect(await json("executions", "get", id)).toMatchObject({
    command: "executions.get",
    item: {
      id,
      status: "waiting",
      input: { topic: "Roofs." },
      calls: [{ id: "draft:0" }, { id: "approve:0" }],
    },
  });

  expect(await fails("executions", "input", id)).toBe(
    "executions.input [usage] approve:0 waits for a value: --value true (Approve it?).",
  );
  expect(await fails("executions", "input", id, "--value", "3")).toMatch(
    /\[wait_validation\] The answer to approve:0 .*expected boolean.*The wait stays pending; answer again\. One that fits: --value true/,
  );
  const answered = await run("executions", "input", id, "--value", "true");
  expect(answered).toMatchObject({ code: 0, out: "Write about this. Roofs.\n" });
  expect(answered.err).toContain("Answered approve:0\n");
  expect(
    await json("executions", "input", id, "--wait", "approve", "--value", "true"),
  ).toMatchObject({
    command: "executions.input",
    item: { callId: "approve:0", repeated: true, execution: { status: "completed" } },
  });
  expect(await fails("executions", "input", id, "--wait", "approve", "--value", "false")).toMatch(
    /\[conflict\]/,
  );
  expect(await fails("executions", "input", id, "--value", "true")).toMatch(
    /\[state\] .*has ended/,
  );

  const logs = await run("executions", "logs", id);
  expect(logs.out).toMatch(
    /started flow review_flow[\s\S]*draft:0 {2}completed[\s\S]*approve:0 {2}answered[\s\S]*completed\n$/,
  );
  expect(await json("executions", "logs", id, "--call", "approve:0")).toMatchObject({
    command: "executions.logs",
    count: 2,
  });
  const list = await run("executions", "list");
  expect(list.out).toMatch(
    /^ID +FLOW +VERSION +STATUS +CREATED +TOOK\n\w+ {2}review_flow {2}local +completed {2}/,
  );
  expect(await json("executions", "list", "--flow", "none")).toEqual({
    command: "executions.list",
    items: [],
    count: 0,
  });
  expect((await run("executions", "list", "--status", "failed")).out).toBe("No executions.\n");
  expect((await run("executions", "list", "--limit", "1")).err).toMatch(
    /There may be more: --cursor \d+\//,
  );

  expect((await run("artifacts", "list", id)).out).toMatch(
    /llm_prompt +prompt[\s\S]*llm_response +response[\s\S]*topic +output/,
  );
  expect((await run("artifacts", "list", id, "--name", "x")).out).toBe("No artifacts.\n");
  expect(await run("artifacts", "get", `${id}/draft:0/topic`)).toMatchObject({ out: "Roofs.\n" });
  expect(await json("artifacts", "get", `${id}/draft:0`)).toMatchObject({
    command: "artifacts.get",
    item: { value: "Write about this. Roofs." },
  });
  expect(
    (await run("artifacts", "get", `${id}/draft:0/topic`, "--file", "topic.txt")).out,
  ).toContain("topic.txt  6 B");
  expect(await readFile(join(root, "topic.txt"), "utf8")).toBe("Roofs.");
  expect(await fails("artifacts", "get", `${id}/draft:0/topic`, "--file", ".")).toMatch(
    /cannot be written/,
  );
  expect(await fails("artifacts", "get", `${id}/draft:0/none`)).toMatch(
    /\[not_found\] There is no artifact/,
  );
  expect(await fails("artifacts", "get", "x")).toMatch(
    /\[usage\] "x" is not the id of an artifact/,
  );
});

test("artifacts are listed and read across the executions of a flow", async () => {
  const first = await waiting("review_flow", { topic: "Roofs." });
  const second = await waiting("review_flow", { topic: "Walls." });
  const flow = ["--flow", "review_flow", "--name", "topic"] as const;
  const list = await run("artifacts", "list", ...flow);
  expect(list.out).toMatch(
    new RegExp(
      `^ID +TYPE +SIZE +VERSION +KEPT\n${second}/draft:0/topic +output +8 B +[0-9a-f]{12} +now\n${first}/draft:0/topic .*\n$`,
    ),
  );
  expect(list.err).toBe("");
  const page = await run("artifacts", "list", ...flow, "--limit", "1");
  const cursor = /There may be more: --cursor (\S+)\n$/.exec(page.err)?.[1] ?? "";
  const { items } = (await json("artifacts", "list", ...flow, "--cursor", cursor)) as {
    items: { id: string; version: string }[];
  };
  expect(items.map(({ id }) => id)).toEqual([`${first}/draft:0/topic`]);
  expect((await run("artifacts", "get", ...flow)).out).toBe("Walls.\n");
  const version = items[0]?.version ?? "";
  expect(await json("artifacts", "get", ...flow, "--version", version.slice(0, 12))).toEqual({
    command: "artifacts.get",
    item: { id: `${first}/draft:0/topic`, version, value: "Roofs." },
  });
  expect((await run("artifacts", "get", first, "--name", "topic")).out).toBe("Roofs.\n");
});

test("several pending waits are named", async () => {
  const id = await waiting("two_waits");
  expect(await fails("executions", "input", id, "--value", "1")).toMatch(
    /2 pending waits.*approve:0, count:0/,
  );
  expect(await fails("executions", "input", id)).toMatch(
    /2 pending waits.*--wait: approve:0, count:0/,
  );
  const shown = await run("executions", "input", id);
  expect(shown.err).toContain(`kitaru executions input ${id} --wait count:0 --value 1`);
  expect((await run("executions", "input", id, "--wait", "count", "--value", "7")).out).toContain(
    "waiting  approve:0",
  );
  await writeFile(join(root, "answer.json"), "true");
  expect((await run("executions", "input", id, "--value", "@answer.json")).out).toBe(
    "[\n  true,\n  7\n]\n",
  );
});

test("a gate is continued without a value, and a wait can be aborted", async () => {
  const id = await waiting("gated");
  expect(await fails("executions", "resume", id)).toMatch(/waits for an answer to gate:0/);
  expect((await run("executions", "input", id)).out).toBe("(3 bytes)\n");
  const bytes = ["artifacts", "get", `${id}/gate:0`] as const;
  expect((await run(...bytes)).out).toBe("(no value)\n");
  const other = await waiting("other");
  const aborted = await run("executions", "input", other, "--abort");
  expect(aborted).toMatchObject({ code: 0 });
  expect(aborted.out).toMatch(/^failed {2}\w+ {2}KitaruExecutionError: The wait gate:0/);
  expect(await fails("executions", "resume", other)).toMatch(/has ended \(failed\)/);
});

test("executions are cancelled and retried", async () => {
  const id = await waiting("gated");
  expect((await run("executions", "cancel", id)).out).toMatch(/^cancelled {2}/);
  expect(await fails("executions", "cancel", id)).toMatch(/\[state\] .*cannot be cancelled/);
  expect(await fails("executions", "retry", id)).toMatch(/Only failed executions/);
  const marker = join(root, "marker");
  const failed = await run(
    "run",
    `${flowsFile}:retried`,
    "--id",
    "r1",
    "--input",
    JSON.stringify(marker),
  );
  expect(failed).toMatchObject({ code: 1, out: "" });
  expect(failed.err).toContain("error: Execution r1 failed: TypeError: the marker is missing\n");
  expect((await run("executions", "retry", "r1")).err).toContain(
    "error: Execution r1 failed: TypeError",
  );
  expect((await run("executions", "get", "r1")).out).toMatch(
    /error +TypeError: the marker is missing/,
  );
  await writeFile(marker, "");
  expect(await run("executions", "retry", "r1")).toMatchObject({ code: 0, out: "worked\n" });
  expect(
    await run("run", `${flowsFile}:retried`, "--id", "r1", "--input", JSON.stringify(marker)),
  ).toMatchObject({ code: 0, out: "worked\n" });
  expect(await fails("run", `${flowsFile}:retried`, "--id", "r1", "--input", "1")).toMatch(
    /\[conflict\]/,
  );
  await run("run", `${flowsFile}:own`, "--id", "o1");
  expect(await fails("executions", "retry", "o1")).toMatch(/threw an error of its own/);
  expect((await run("executions", "list")).out).toMatch(
    /o1 +own +local +failed .* RangeError: of its own/,
  );
});

test("a sleeping flow is followed, can be left, and is resumed", async () => {
  let interrupt = (): void => undefined;
  const onInterrupt: Io["onInterrupt"] = (stop) => {
    interrupt = stop;
    return () => undefined;
  };
  const following = kitaru({ cwd: root, onInterrupt }, "run", `${flowsFile}:napping`, "--id", "n1");
  await new Promise((resolve) => setTimeout(resolve, 300));
  interrupt();
  const left = await following;
  expect(left.code).toBe(1);
  expect(left.err).toContain("Execution n1 goes on with: kitaru executions resume n1\n");
  expect(await run("executions", "resume", "n1")).toMatchObject({ code: 0, out: "awake\n" });
  expect((await run("executions", "logs", "n1")).out).toContain("sleep:0  sleeping until");
});

test("what a child asks is told of its parent, and asked at a terminal", async () => {
  const left = await run("run", `${flowsFile}:outer`, "--id", "o1");
  expect(left).toMatchObject({ code: 0 });
  expect(left.out).toMatch(/^waiting {2}\w+:0.*\n {2}kitaru executions input o1\/gated:0.*\n$/);
  const asked: string[] = [];
  const ask: Io["ask"] = async (wait) => {
    asked.push(wait.id);
    return { kind: "answer", value: undefined };
  };
  const seen = await kitaru({ cwd: root, ask, isTerminal: true }, "executions", "resume", "o1");
  expect(seen).toMatchObject({ code: 0 });
  expect(asked).toHaveLength(1);
  expect(await json("executions", "get", "o1")).toMatchObject({ item: { status: "completed" } });
});

test("at a terminal, a person is asked until an answer fits", async () => {
  const said: Said[] = [
    { kind: "answer", value: "yes" },
    { kind: "answer", value: true },
  ];
  const problems: (string | undefined)[] = [];
  const ask: Io["ask"] = async (_, problem) => {
    problems.push(problem);
    return said.shift() ?? { kind: "later" };
  };
  const line = { cwd: root, ask, isTerminal: true };
  const ran = await kitaru(line, "run", `${flowsFile}:review_flow`, "-i", '{"topic": "X."}');
  expect(ran).toMatchObject({ code: 0, out: "Write about this. X.\n" });
  expect(ran.err).toContain("\u001B[");
  expect(problems).toEqual([undefined, expect.stringMatching(/does not fit its schema/)]);
  const later = await kitaru(line, "run", `${flowsFile}:gated`, "--id", "g1");
  expect(later.out).toContain("executions input g1");
  expect(
    (await kitaru({ ...line, env: { NO_COLOR: "1" } }, "executions", "list")).out,
  ).not.toContain("\u001B[");
  said.push({ kind: "later" }, { kind: "abort" });
  expect(await kitaru(line, "executions", "input", "g1", "--interactive")).toMatchObject({
    code: 0,
    out: "",
  });
  expect((await kitaru(line, "executions", "input", "--interactive")).out).toMatch(/failed/);
  const none = await kitaru(line, "executions", "input", "--interactive");
  expect(none.err).toContain("No execution waits for an answer.");
  const over = await kitaru(line, "executions", "input", "g1", "--interactive", "--wait", "gate");
  expect(over.err).toContain('Execution g1 has no pending wait "gate".');
  const raw = await kitaru(line, "run", `${flowsFile}:gated`, "--id", "g2");
  expect(raw.code).toBe(0);
  const both = await kitaru(line, "executions", "input", "g2", "--interactive", "--value", "1");
  expect(both.err).toMatch(/--interactive and --value exclude each other/);
  const abort = await kitaru(line, "executions", "input", "g2", "--interactive", "--abort");
  expect(abort.err).toMatch(/--interactive and --abort exclude each other/);
  const asJson = await kitaru(line, "executions", "input", "g2", "--interactive", "-o", "json");
  expect(asJson.err).toMatch(/--interactive and --output json exclude each other/);
});

test("a target that names no flow is explained", async () => {
  expect(await fails("run", `${flowsFile}:none`)).toMatch(
    /flows\.ts defines no flow "none"\. It defines: review_flow, two_waits, gated/,
  );
  expect(await fails("run", flowsFile)).toMatch(/Which flow of .*It defines: review_flow/);
  expect(await fails("run", "none.ts:x")).toMatch(/\[usage\] There is no file .*none\.ts\./);
  expect(await fails("run", `${root}:x`)).toMatch(/is not a file/);
  expect(await fails("run", "file.ts:")).toMatch(/does not name a flow/);
  expect(await fails("run", `${fixture("throws")}:x`)).toMatch(
    /throws\.ts cannot be loaded: TypeError: this module throws/,
  );
  expect(await fails("run")).toMatch(/missing required argument 'file:flow'/);
});

test("an input that is malformed, missing, too large or given twice is explained", async () => {
  const input = (text: string): Promise<string> =>
    fails("run", `${flowsFile}:gated`, "--input", text);
  expect(await input('{"topic": }')).toMatch(
    /--input is not valid JSON: unexpected "}" at line 1, column 11, near/,
  );
  expect(await input('{"a": [1')).toMatch(/it ends too early, after/);
  expect(await input("{topic: 1}")).toMatch(/unexpected "t" at line 1, column 2.*single quotes/);
  expect(await input("nonsense")).toMatch(/unexpected "o" at line 1, column 2/);
  expect(await input("")).toMatch(/--input is empty/);
  expect(await input("@none.json")).toMatch(/--input: there is no file .*none\.json/);
  expect(await input("@.")).toMatch(/is a folder, not a file/);
  await writeFile(join(root, "bad.json"), '{\n  "a": 1,\n  b\n}');
  expect(await input("@bad.json")).toMatch(
    /--input @.*bad\.json is not valid JSON: unexpected "b" at line 3, column 3/,
  );
  await writeFile(join(root, "large.json"), "");
  await truncate(join(root, "large.json"), 65 * 1024 * 1024);
  expect(await input("@large.json")).toMatch(/has 65\.0 MB; at most 64 MB/);
  expect(await fails("run", `${flowsFile}:gated`, "--input", "1", "--input", "2")).toMatch(
    /--input is given twice/,
  );
  expect(await fails("run", `${flowsFile}:checked`, "--input", '{"n": "1"}')).toMatch(
    /The input of flow "checked" does not fit its schema/,
  );
  expect(await fails("run", `${flowsFile}:gated`, "--id", "no spaces")).toMatch(
    /The execution id "no spaces" is not allowed/,
  );
  expect(await fails("run", `${flowsFile}:gated`, "--stack", "none")).toMatch(
    /no stack named "none"/,
  );
  const executions: readonly (readonly [readonly string[], RegExp])[] = [
    [
      ["executions", "input", "x", "--abort", "--value", "1"],
      /--abort and --value exclude each other/,
    ],
    [["executions", "input", "x", "--value", "{"], /--value is not valid JSON/],
    [["executions", "input"], /Name the execution/],
    [["executions", "input", "x"], /\[not_found\] There is no execution "x"/],
    [["executions", "get", "x"], /\[not_found\]/],
    [["executions", "get"], /missing required argument 'id'/],
    [["executions", "get", "x", "y"], /too many arguments/],
    [["executions", "logs", "x"], /\[not_found\]/],
    [["executions", "cancel", "x"], /\[not_found\]/],
    [["executions", "retry", "x"], /\[not_found\]/],
    [["executions", "resume", "x"], /\[not_found\]/],
    [["executions", "list", "--limit", "0"], /whole number from 1 to 1000/],
    [["executions", "list", "--limit", "x"], /whole number from 1 to 1000/],
    [["executions", "list", "--status", "done"], /Allowed choices are queued, running/],
    [["executions", "list", "--cursor", "x"], /is not a cursor/],
    [["executions", "list", "--stack", "none"], /no stack named "none"/],
    [["artifacts", "list", "x"], /\[not_found\]/],
    [["artifacts", "list"], /\[usage\] Name the execution/],
    [["artifacts", "list", "x", "--flow", "f"], /\[usage\] --flow does not go with the id/],
    [
      ["artifacts", "list", "--flow", "f", "--call", "a:0"],
      /\[usage\] --call does not go with --flow/,
    ],
    [["artifacts", "get"], /\[usage\] Name the artifact/],
    [["artifacts", "get", "--flow", "f"], /\[usage\] Name the artifact/],
    [
      ["artifacts", "get", "x", "--name", "n", "--version", "0"],
      /\[usage\] --version needs --flow/,
    ],
    [["artifacts", "get", "x", "--flow", "f"], /\[usage\] --flow does not go with an id/],
    [["artifacts", "get", "--flow", "f", "--name", "n"], /\[not_found\] No execution of flow/],
    [["stack", "use", "none"], /no stack named "none"/],
    [["stack", "use", "toString"], /no stack named "toString"/],
    [["stack", "show", "none"], /no stack named "none"/],
    [["stack", "use"], /missing required argument/],
    [["models", "list", "extra"], /too many arguments/],
    [["doctor", "extra"], /too many arguments/],
    [["dev", "--stack", "none"], /There are no flows|no stack named/],
    [["init", "a", "b"], /too many arguments/],
    [["executons"], /unknown command 'executons' \(Did you mean executions\?\)/],
    [["executions", "lst"], /unknown command 'lst' \(Did you mean list\?\)/],
    [["executions", "list", "--flw", "x"], /unknown option '--flw' \(Did you mean --flow\?\)/],
    [["executions"], /kitaru executions needs a command: list, get, logs/],
    [["stack"], /kitaru stack needs a command: list, use, show/],
    [[], /kitaru needs a command: init, run, executions/],
  ];
  for (const [args, message] of executions) expect(await fails(...args)).toMatch(message);
  expect((await run("executions", "input", "x", "--interactive")).err).toMatch(
    /--interactive needs a terminal/,
  );
  expect((await run("executions", "list", "-o", "xml")).err).toMatch(
    /Allowed choices are text, json/,
  );
});

test("stacks are listed, chosen and shown", async () => {
  expect((await run("stack", "list")).out).toMatch(
    /\* +local +local +folder: \.kitaru, durability: normal\n +spare +local +folder: spare/,
  );
  expect((await run("stack", "use", "spare")).out).toMatch(/run on stack "spare" from now on/);
  setConfig({});
  expect(await json("stack", "show")).toMatchObject({
    item: { name: "spare", chosenBy: "kitaru stack use", isActive: true },
  });
  expect((await run("stack", "show", "local")).out).toMatch(/active +no/);
  const env = { KITARU_STACK: "local" };
  expect((await kitaru({ cwd: root, env }, "stack", "use", "spare")).err).toMatch(
    /KITARU_STACK is set to "local" and goes first/,
  );
  expect((await kitaru({ cwd: root, env }, "stack", "show")).out).toMatch(/yes, by KITARU_STACK/);
  await rm(join(root, ".kitaru"), { recursive: true });
  setConfig({ stack: "spare" });
  expect(await json("stack", "show")).toMatchObject({ item: { chosenBy: "the config's `stack`" } });
  setConfig({});
  expect(await json("stack", "show")).toMatchObject({ item: { chosenBy: "default" } });
});

test("models are listed with where their credentials are, never what they are", async () => {
  expect((await run("models", "list")).out).toMatch(/^No aliases/);
  setConfig({
    models: {
      here: "offline/extract",
      fast: { model: "openai/gpt-5", secret: "NOPE" },
      smart: "anthropic/claude-haiku-4-5",
    },
  });
  const env = { ANTHROPIC_API_KEY: "sk-very-secret" };
  const ran = await kitaru({ cwd: root, env }, "models", "list");
  expect(ran.out).toMatch(
    /\* +here +offline\/extract +none\n +fast +openai\/gpt-5 +missing\n +smart +anthropic\/claude-haiku-4-5 +environment/,
  );
  expect(ran.err).toMatch(/fast: The secret "NOPE"/);
  expect(ran.out + ran.err).not.toContain("sk-very-secret");
  expect(await json("models", "list")).toMatchObject({ command: "models.list", count: 3 });
});

test("a project is set up once, and its flow runs", async () => {
  const written = await run("init", "mine");
  expect(written.out).toMatch(/wrote {2}mine\/kitaru\.config\.ts\nwrote {2}mine\/flows\/hello\.ts/);
  expect(await readFile(join(root, "mine", ".gitignore"), "utf8")).toBe(".kitaru/\n.env\n");
  expect(await fails("init", "mine")).toMatch(/are there already\. Overwrite with --force/);
  expect((await run("init", "mine", "--force")).code).toBe(0);
  expect(await readFile(join(root, "mine", ".gitignore"), "utf8")).toBe(".kitaru/\n.env\n");
  expect(written.out).toMatch(/wrote {2}mine\/package\.json\n/);
  const manifest = join(root, "mine", "package.json");
  expect(JSON.parse(await readFile(manifest, "utf8"))).toEqual({ private: true, type: "module" });
  await writeFile(manifest, '{ "name": "older" }');
  const again = await run("init", "mine/inner");
  expect(again.out).not.toContain("package.json");
  expect(again.out).toContain("\n  npm pkg set type=module\n");
  expect(again.out).toContain("\n  npm install kitaru\n");
  expect((await run("check", "mine/flows")).out).toBe(
    "Nothing found in 1 file (1 flow, 1 checkpoint, 1 wait).\n",
  );
  await writeFile(join(root, "file"), "");
  expect(await fails("init", "file")).toMatch(/cannot be written/);
});

test("doctor looks at everything, and fails for what must be mended", async () => {
  registry.clear();
  setConfig({ flows: [], models: { fast: "openai/gpt-5" } });
  const ran = await run("doctor");
  expect(ran.code).toBe(0);
  expect(ran.out).toMatch(/^ok +node +Node\.js/);
  for (const line of [
    /ok +config/,
    /warn +flows/,
    /ok +stack local +local, opens, active/,
    /ok +folder of local/,
    /ok +space of local/,
    /ok +records of local +empty/,
    /ok +executions of local +none overdue/,
    /ok +stack spare/,
    /warn +model fast +openai\/gpt-5\. .*OPENAI_API_KEY/,
  ])
    expect(ran.out).toMatch(line);
  await mkdir(join(root, "flows"));
  await writeFile(join(root, "flows", "none.ts"), "export const none = 1;");
  setConfig({ flows: ["flows/*.ts"], models: { fast: "nope/x" } });
  const wrong = await run("doctor");
  expect(wrong.out).toMatch(/warn +flows +1 file of the config, and no flow in them\. Define one/);
  expect(wrong.out).toMatch(/fail +models +models\.fast\.model is "nope\/x"/);
  expect(wrong.err).toBe("error: 1 check failed: models.\n");
  setConfig({ flows: ["none/*.ts"], stack: "gone" });
  const bad = await run("doctor", "-o", "json");
  expect(bad.code).toBe(1);
  const { items } = JSON.parse(bad.out) as { items: { check: string; state: string }[] };
  expect(items.filter(({ state }) => state === "fail").map(({ check }) => check)).toEqual([
    "flows",
    "stack gone",
  ]);
  expect(JSON.parse(bad.err)).toMatchObject({ command: "doctor", error: { code: "doctor" } });
  await mkdir(join(root, ".kitaru"), { recursive: true });
  await writeFile(join(root, "occupied"), "");
  await mkdir(join(root, "broken"));
  await writeFile(
    join(root, "broken", "kitaru.db"),
    "this is no database, but a text that is long enough",
  );
  setConfig({
    stacks: { local: local({ folder: "occupied/inside" }), broken: local({ folder: "broken" }) },
  });
  const worse = await run("doctor");
  expect(worse.code).toBe(1);
  expect(worse.out).toMatch(
    /fail +folder of local +\S+occupied is a file, not a folder\. Move it away, or choose another/,
  );
  expect(worse.out).toMatch(/fail +stack broken +Cannot .*kitaru\.db/);
});

test("dev keeps executions going until it is interrupted", async () => {
  registry.clear();
  expect(await fails("dev")).toMatch(/There are no flows to keep going/);
  await writeFile(
    join(root, "nap.ts"),
    `import { flow, sleep, wait } from ${JSON.stringify(join(core, "index.ts"))};
    const ask = wait("nap_ask");
    export const nap = flow("nap", async () => { await sleep(1100); await ask(); });`,
  );
  let interrupt: (() => void) | undefined;
  const onInterrupt: Io["onInterrupt"] = (stop) => {
    interrupt = stop;
    return () => undefined;
  };
  const interrupted = async (): Promise<void> => {
    await vi.waitUntil(() => interrupt !== undefined, { timeout: 20_000 });
    interrupt?.();
    interrupt = undefined;
  };
  const line = { cwd: root, onInterrupt };
  const leaving = kitaru(line, "run", "nap.ts:nap", "--id", "nap1");
  await interrupted();
  await leaving;
  setConfig({ flows: ["*.ts"] });
  const dev = kitaru(line, "dev");
  await interrupted();
  const ran = await dev;
  expect(ran).toMatchObject({ code: 0, out: "Stopped; executions go on when this runs again.\n" });
  expect(ran.err).toMatch(/^Stack local: 1 flow from 1 file \(nap\)\. Interrupt to stop\.\n/);
});

test("help and version are results", async () => {
  expect((await run("--version")).out).toMatch(/^\d+\.\d+\.\d+/);
  const help = await run("executions", "input", "--help");
  expect(help).toMatchObject({ code: 0, err: "" });
  expect(help.out).toContain("--interactive");
  const debug = await kitaru({ cwd: root, env: { KITARU_DEBUG: "1" } }, "executions", "get", "x");
  expect(debug.err).toMatch(/error: There is no execution[\s\S]* {4}at /);
});

test("a flow of the config is run by its name", async () => {
  const module = `import { flow } from ${JSON.stringify(join(core, "index.ts"))};
    export const greetAll = flow("greet_all", async (name: string) => "Hi " + name);`;
  await mkdir(join(root, "flows"));
  await writeFile(join(root, "flows", "greet.ts"), module);
  expect(await fails("run", "greet_all")).toBe(
    `run [usage] There is no file ${root}/greet_all, and no flow that the config names by its module (flows: ["./flows/*.ts"]). Write FILE:FLOW.`,
  );
  setConfig({ flows: ["./flows/*.ts"] });
  expect(await run("run", "greet_all", "--input", '"Ana"')).toMatchObject({ out: "Hi Ana\n" });
  expect(await run("run", "greetAll", "--input", '"Ben"')).toMatchObject({ out: "Hi Ben\n" });
  expect(await fails("run", "greet_none")).toMatch(
    /no flow "greet_none" in the modules of the config, which define: .*greet_all.*\. Write FILE:FLOW\.$/,
  );
});
