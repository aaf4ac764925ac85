import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { registry } from "../../core/engine/definitions.ts";
import { configure } from "../../core/stacks.ts";
import { project, put } from "../deployments/project.ts";
import { type Ran, kitaru } from "./command-line.ts";

let root = "";
let store = "";

const flows = (word: string): string => `
import { checkpoint, flow, wait } from "kitaru";
import { z } from "zod";
const note = checkpoint("note", { retries: 2, timeout: "1m" }, (topic: string) => "${word} " + topic);
const pay = checkpoint("pay", { semantics: "at-most-once", type: "tool_call" }, () => "paid");
const approve = wait("approve", { schema: z.boolean(), question: "Publish it?", timeout: "7 days" });
const pick = wait("pick", { schema: z.union([z.string(), z.number()]) });
const gate = wait("gate");
const input = z.object({ topic: z.string() });
export const reviewFlow = flow("review_flow", { input }, async ({ topic }) => {
  const text = await note(topic);
  return (await approve()) ? text : "Rejected";
});
export const plain = flow("plain_flow", async () => [await pay(), await gate(), await pick()]);
`;

beforeEach(async () => {
  root = await project({
    "flows/review.ts": flows("one"),
    "flows/helper.ts": "export const x = 1;",
  });
  store = await mkdtemp(join(tmpdir(), "kitaru-store-"));
  setFlows(["flows/*.ts"]);
});

afterEach(async () => {
  await Promise.all([root, store].map((folder) => rm(folder, { recursive: true })));
});

function setFlows(patterns: readonly string[]): void {
  const stacks = {
    local: local({ folder: store }),
    spare: local({ folder: join(store, "spare") }),
  };
  configure({ root, config: { stacks, flows: patterns } });
}

const run = (...args: readonly string[]): Promise<Ran> => kitaru({ cwd: root }, ...args);

async function lines(...args: readonly string[]): Promise<string[]> {
  const { code, out, err } = await run(...args);
  if (code !== 0) throw new Error(err);
  return out.trimEnd().split("\n");
}

async function json<T>(...args: readonly string[]): Promise<T> {
  const ran = await run(...args, "-o", "json");
  expect(ran.err).toBe("");
  return JSON.parse(ran.out) as T;
}

async function refusal(...args: readonly string[]): Promise<string> {
  const text = await run(...args);
  const asJson = await run(...args, "-o", "json");
  expect([text.code, text.out, asJson.code, asJson.out]).toEqual([1, "", 1, ""]);
  const { command, error } = JSON.parse(asJson.err) as {
    command: string;
    error: { code: string; message: string };
  };
  return `${command} [${error.code}] ${error.message}`;
}

test("flows of the config are deployed, and versions counted for each", async () => {
  const table = await lines("deploy");
  expect(table).toHaveLength(3);
  expect(table[0]).toMatch(/^FLOW +VERSION +TAGS +STACK +BUNDLE +SIZE$/);
  expect(table[1]).toMatch(/^review_flow +1 +default +local +[0-9a-f]{12} +[\d.]+ kB$/);
  expect(table[2]).toMatch(/^plain_flow +1 +default +local/);
  const again = await json("deploy", "flows/review.ts:reviewFlow", "--tag", "canary");
  expect(again).toMatchObject({
    command: "deploy",
    count: 1,
    items: [
      {
        flow: "review_flow",
        version: 2,
        tags: ["canary"],
        status: "ready",
        stack: "local",
        entry: "flows/review.ts",
        inputSchema: { required: ["topic"] },
        warnings: [],
        manifest: { format: 1 },
      },
    ],
  });
  expect(await json("build", "flows/review.ts")).toMatchObject({
    command: "build",
    items: [
      { flow: "review_flow", version: 3, tags: [] },
      { flow: "plain_flow", version: 2, tags: [] },
    ],
  });
  expect(await json("deploy", "flows/review.ts:plain_flow", "flows/review.ts")).toMatchObject({
    items: [{ version: 4 }, { version: 3 }],
  });
  expect(await json("deploy", "flows/review.ts:plain", "flows/review.ts:plain_flow")).toMatchObject(
    { count: 1, items: [{ version: 4 }] },
  );
});

test("the stack is the named one, else the flow's own, else the active one", async () => {
  await put(
    root,
    "flows/spare.ts",
    `import { flow } from "kitaru";
    export const home = flow("home", { stack: "spare" }, async () => 1);
    export const away = flow("away", async () => 1);`,
  );
  expect(await json("deploy", "flows/spare.ts")).toMatchObject({
    items: [
      { flow: "home", stack: "spare" },
      { flow: "away", stack: "local" },
    ],
  });
  expect(await json("flow", "list", "--stack", "spare")).toMatchObject({ count: 1 });
  expect(await json("deploy", "flows/spare.ts", "--stack", "spare")).toMatchObject({
    items: [
      { flow: "home", stack: "spare", version: 2 },
      { flow: "away", stack: "spare", version: 1 },
    ],
  });
});

test("a module that only exports the flows of others makes no second version", async () => {
  await put(root, "flows/zoo.ts", 'export * from "./review.ts";');
  expect(await json("deploy")).toMatchObject({ count: 2 });
});

test("a mistake in one module leaves all as they were", async () => {
  await put(root, "flows/broken.ts", 'import "./gone.ts";');
  expect(await refusal("deploy")).toMatch(
    /^deploy \[usage\] .*broken\.ts cannot be bundled: flows\/broken\.ts:1:8: Could not resolve "\.\/gone\.ts"\.$/,
  );
  expect(await lines("flow", "list")).toEqual([
    "No deployments. Make one: kitaru deploy FILE:FLOW",
  ]);
});

test("what cannot be deployed says why", async () => {
  expect(await refusal("deploy", "flows/gone.ts")).toMatch(/\[usage\] There is no file .*gone\.ts/);
  expect(await refusal("deploy", "flows/helper.ts")).toMatch(
    /helper\.ts defines no flow\. Define one: export const hello/,
  );
  expect(await refusal("build", "flows/helper.ts:x")).toBe(
    'build [usage] flows/helper.ts defines no flow "x". It defines none.',
  );
  expect(await refusal("deploy", "flows/review.ts:nope")).toBe(
    'deploy [usage] flows/review.ts defines no flow "nope". It defines: review_flow, plain_flow.',
  );
  expect(await refusal("deploy", "--tag", "local")).toMatch(
    /\[usage\] The tag "local" is reserved/,
  );
  setFlows(["flows/helper.ts"]);
  expect(await refusal("deploy")).toBe(
    "deploy [usage] The modules that `flows` of the config names define no flow.",
  );
  setFlows([]);
  expect(await refusal("deploy")).toMatch(/^deploy \[usage\] Which flow\? Write FILE:FLOW/);
});

test("a package whose native addon is left out is named", async () => {
  await put(root, "node_modules/fast/package.json", '{ "name": "fast", "main": "f.node" }');
  await put(root, "node_modules/fast/f.node", "\u0000");
  await put(
    root,
    "flows/fast.ts",
    `import { flow } from "kitaru";
    export const f = flow("fast_flow", async () => { await import("fast"); });`,
  );
  const { code, err } = await run("deploy", "flows/fast.ts");
  expect([code, err]).toEqual([
    0,
    "warning: fast has a native addon, which is not in the bundle: what needs it fails.\n",
  ]);
});

test("a flow is shown with its versions, and a version with all it holds", async () => {
  await run("deploy");
  await run("build", "flows/review.ts:review_flow");
  expect(await lines("flow", "list")).toEqual([
    expect.stringMatching(/^FLOW +VERSIONS +TAGS +LATEST$/),
    expect.stringMatching(/^plain_flow +1 version +default=1 +/),
    expect.stringMatching(/^review_flow +2 versions +default=1 +/),
  ]);
  expect(await json("flow", "list")).toMatchObject({
    command: "flow.list",
    count: 2,
    items: [
      { flow: "plain_flow", stack: "local", tags: { default: 1 }, versions: [{ version: 1 }] },
      { flow: "review_flow", versions: [{ version: 2 }, { version: 1, tags: ["default"] }] },
    ],
  });
  expect(await lines("flow", "show", "review_flow")).toEqual([
    expect.stringMatching(/^VERSION +TAGS +STATUS +CREATED +BUNDLE$/),
    expect.stringMatching(/^2 +ready +.* +[0-9a-f]{12}$/),
    expect.stringMatching(/^1 +default +ready +.* +[0-9a-f]{12}$/),
  ]);
  expect(await json("flow", "show", "review_flow")).toMatchObject({
    command: "flow.show",
    item: { flow: "review_flow", tags: { default: 1 }, versions: [{ version: 2 }, {}] },
  });
  const shown = (await lines("flow", "show", "review_flow", "--version", "2")).join("\n");
  for (const text of [
    /^flow +review_flow$/m,
    /^version +2$/m,
    /^tags +none$/m,
    /^entry +flows\/review\.ts$/m,
    /^with +review_flow, plain_flow$/m,
    /"topic": \{/,
    /^ {2}note +inline +2 +1 min$/m,
    /^ {2}pay +inline +0 +tool_call, at-most-once$/m,
    /^ {2}approve +boolean +7 days +Publish it\?$/m,
    /^ {2}pick +value$/m,
    /^ {2}gate +none$/m,
  ])
    expect(shown).toMatch(text);
  expect(await json("flow", "show", "plain_flow", "--tag", "default")).toMatchObject({
    item: { flow: "plain_flow", version: 1, tags: ["default"], manifest: { waits: [{}, {}, {}] } },
  });
  expect(await refusal("flow", "show", "never")).toMatch(
    /^flow\.show \[not_found\] No deployments found for flow "never"/,
  );
  expect(await refusal("flow", "show", "review_flow", "--tag", "a", "--version", "1")).toBe(
    "flow.show [usage] --version and --tag exclude each other; give one of them.",
  );
});

test("a version knows its commit, and a flow without checkpoints shows none", async () => {
  await put(
    root,
    "flows/bare.ts",
    'import { flow } from "kitaru"; export const bare = flow("bare", async () => 1);',
  );
  const { execFileSync } = await import("node:child_process");
  const git = (...args: string[]): void => {
    execFileSync("git", [
      "-C",
      root,
      "-c",
      "user.name=t",
      "-c",
      "user.email=t@example.com",
      ...args,
    ]);
  };
  git("init", "-q");
  git("add", "flows");
  git("commit", "-q", "-m", "one");
  await run("deploy", "flows/bare.ts");
  await put(root, "flows/helper.ts", "export const x = 2;");
  await run("deploy", "flows/bare.ts");
  const shown = async (version: string): Promise<string> =>
    (await lines("flow", "show", "bare", "--version", version)).join("\n");
  expect(await shown("1")).toMatch(/^commit +[0-9a-f]{12}$/m);
  expect(await shown("1")).not.toMatch(/Checkpoints|Waits|Input|with/);
  expect(await shown("2")).toMatch(/^commit +[0-9a-f]{12}, with changes on top$/m);
});

test("tags move and go, and versions that are free are deleted", async () => {
  for (const tag of ["default", "canary", "old"])
    await run("deploy", "flows/review.ts:reviewFlow", "--tag", tag);
  expect(await lines("flow", "tag", "review_flow", "default", "--version", "2")).toEqual([
    "review_flow  default is version 2 (before: 1)",
  ]);
  expect(await json("flow", "tag", "review_flow", "default", "--version", "2")).toEqual({
    command: "flow.tag",
    item: { flow: "review_flow", tag: "default", version: 2, previous: 2 },
  });
  expect(await lines("flow", "tag", "review_flow", "new", "--version", "2")).toEqual([
    "review_flow  new is version 2",
  ]);
  expect(await lines("flow", "untag", "review_flow", "old")).toEqual([
    "review_flow  old is gone (it was version 3)",
  ]);
  expect(await json("flow", "untag", "review_flow", "new")).toEqual({
    command: "flow.untag",
    item: { flow: "review_flow", tag: "new", previous: 2 },
  });
  expect(await refusal("flow", "untag", "review_flow", "default")).toMatch(
    /^flow\.untag \[usage\] The reserved tag `default` of flow "review_flow" cannot be removed/,
  );
  expect(await refusal("flow", "tag", "review_flow", "x", "--version", "9")).toMatch(
    /^flow\.tag \[not_found\] Flow "review_flow" has no version 9/,
  );
  expect(await refusal("flow", "tag", "review_flow", "x")).toMatch(
    /^flow\.tag \[usage\] .*--version/,
  );
  expect(await refusal("flow", "delete", "review_flow", "--version", "2")).toMatch(
    /^flow\.delete \[state\] Cannot delete version 2 .* while it holds the tags canary, default/,
  );
  expect(await lines("flow", "delete", "review_flow", "--version", "3")).toEqual([
    "review_flow  version 3 starts nothing any more",
  ]);
  expect((await lines("flow", "show", "review_flow"))[1]).toMatch(/^3 +deleted/);
  expect(await json("flow", "delete", "review_flow", "--version", "1")).toEqual({
    command: "flow.delete",
    item: { flow: "review_flow", version: 1 },
  });
});

test("a version is invoked, left, seen through and answered, from its bundle alone", async () => {
  await run("deploy", "flows/review.ts");
  await put(root, "flows/review.ts", flows("two"));
  await run("deploy", "flows/review.ts", "--tag", "canary");
  await rm(join(root, "flows"), { recursive: true });
  registry.clear();

  const left = await run("invoke", "review_flow", "--input", '{"topic":"tea"}', "--id", "left-1");
  expect(left).toEqual({
    code: 0,
    out: "queued  left-1\n",
    err: "review_flow  version 1  left-1\nA process that runs `kitaru dev` takes it up. Or see it through: kitaru executions resume left-1\n",
  });
  expect(
    await json("invoke", "review_flow", "--input", '{"topic":"tea"}', "--id", "left-1"),
  ).toMatchObject({
    command: "invoke",
    item: { id: "left-1", flow: "review_flow", version: "1", status: "queued" },
  });
  expect((await run("executions", "resume", "left-1")).out).toMatch(/^waiting {2}approve:0/);
  expect((await run("executions", "input", "left-1", "--value", "true")).out).toBe("one tea\n");

  const canary = [
    "invoke",
    "review_flow",
    "--tag",
    "canary",
    "-i",
    '{"topic":"tea"}',
    "--id",
    "c-1",
  ];
  const asked = await run(...canary, "--wait");
  expect(asked.out).toMatch(
    /^waiting {2}approve:0 {2}Publish it\?.*\n {2}kitaru executions input c-1 --value true\n$/,
  );
  expect((await run(...canary, "--wait")).out).toBe(asked.out);
  expect((await run(...canary)).out).toBe(asked.out);
  expect((await run("executions", "input", "c-1", "--value", "true")).out).toBe("two tea\n");
  expect((await run(...canary, "--wait")).out).toBe("two tea\n");
  const listed = await lines("executions", "list");
  expect(listed[0]).toMatch(/^ID +FLOW +VERSION +STATUS/);
  expect(listed.slice(1).map((line) => line.split(/ +/).slice(0, 4))).toEqual([
    ["c-1", "review_flow", "2", "completed"],
    ["left-1", "review_flow", "1", "completed"],
  ]);
});

test("what cannot be invoked says why", async () => {
  expect(await refusal("invoke", "review_flow")).toMatch(
    /^invoke \[not_found\] No deployments found for flow "review_flow" on this stack/,
  );
  await run("build", "flows/review.ts:review_flow");
  expect(await refusal("invoke", "review_flow")).toMatch(
    /^invoke \[state\] .*none is currently routed as the default deployment/,
  );
  await run("deploy", "flows/review.ts:review_flow");
  expect(await refusal("invoke", "review_flow", "--version", "1", "--tag", "default")).toBe(
    "invoke [usage] --version and --tag exclude each other; give one of them.",
  );
  expect(await refusal("invoke", "review_flow", "--tag", "beta")).toBe(
    'invoke [not_found] Flow "review_flow" has no tag "beta". Its tags: default (version 2).',
  );
  expect(await refusal("invoke", "review_flow", "--version", "7")).toBe(
    'invoke [not_found] Flow "review_flow" has no version 7. It has the versions 1, 2.',
  );
  expect(await refusal("invoke", "review_flow", "--version", "x")).toMatch(
    /^invoke \[usage\].*whole number/,
  );
  expect(await refusal("invoke", "review_flow", "-i", '{"topic":1}')).toMatch(
    /^invoke \[usage\] The input of flow "review_flow" does not fit its schema: topic: /,
  );
  expect(await json("executions", "list")).toMatchObject({ count: 0 });
});
