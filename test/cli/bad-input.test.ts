import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command, Option } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { local } from "../../adapters/local/index.ts";
import { silentConsole } from "../../cli/fixtures/silent.ts";
import { several } from "../../cli/options.ts";
import { makeProgram } from "../../cli/program.ts";
import { configure } from "../../core/stacks.ts";
import { type Ran, flowsFile, kitaru } from "./command-line.ts";

let root = "";

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-bad-"));
  configure({ root, config: { stacks: { local: local() }, flows: ["none/*.ts"] } });
  await kitaru({ cwd: root }, "run", `${flowsFile}:gated`, "--id", "resting");
  await kitaru({ cwd: root }, "run", `${flowsFile}:two_waits`, "--id", "two");
  await kitaru({ cwd: root }, "run", `${flowsFile}:checked`, "--id", "done", "--input", '{"n":1}');
  const files: Record<string, string | Uint8Array> = {
    "broken.json": '{"a": [1, 2,,]}',
    "latin.json": new Uint8Array([0x22, 0xff, 0x22]),
    "empty.json": "",
    "huge.json": "",
    "nothing.ts": "export const x = 1;",
    "syntax.ts": "export const = 1;",
    "throws.ts": 'throw new Error("at import");',
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(root, name), content);
  await truncate(join(root, "huge.json"), 65 * 1024 * 1024);
  await mkdir(join(root, "folder"));
});
afterAll(() => rm(root, { recursive: true }));

/** A command line must be refused: exit 1, one error in words, nothing else, and the same as JSON. */
async function refused(path: readonly string[], ...rest: readonly string[]): Promise<string> {
  const [text, json] = [
    await kitaru({ cwd: root }, ...path, ...rest),
    await kitaru({ cwd: root }, ...path, "-o", "json", ...rest),
  ];
  checkText(text);
  const { command, error } = checkJson(json);
  expect(command).toBe(path.join(".") || "kitaru");
  expect(text.err).toBe(`error: ${error.message}\n`);
  return `[${error.code}] ${error.message}`;
}

function checkText({ code, out, err }: Ran): void {
  expect([code, out]).toEqual([1, ""]);
  expect(err).toMatch(/^error: \S[^\n]*\n$/);
  expect(err).not.toMatch(/\n\s+at |KITARU_DEBUG|\[object/);
  expect(err).not.toContain("\u001b"); // nothing that was given colors a terminal
}

interface Failure {
  readonly command: string;
  readonly error: { readonly code: string; readonly message: string };
}

function checkJson({ code, out, err }: Ran): Failure {
  expect([code, out]).toEqual([1, ""]);
  expect(err).toMatch(/^\{.*\}\n$/);
  const failure = JSON.parse(err) as Failure;
  expect(failure).toEqual({
    command: expect.any(String),
    error: { code: expect.stringMatching(/^[a-z_]+$/), message: expect.any(String) },
  });
  expect(failure.error.code).not.toBe("internal");
  return failure;
}

// ---- what holds for every command, also for those that are yet to come

interface Leaf {
  readonly path: readonly string[];
  readonly command: Command;
}

const leaves = leavesOf(await makeProgram(silentConsole()), []);

function leavesOf(command: Command, path: readonly string[]): Leaf[] {
  if (command.commands.length === 0) return [{ path, command }];
  return command.commands.flatMap((child) => leavesOf(child, [...path, child.name()]));
}

const optionsOf = ({ command }: Leaf): Option[] =>
  command.options.filter((option) => option.required && option.long !== "--output");
const placesOf = ({ command }: Leaf): string[] =>
  command.registeredArguments.filter(({ required }) => required).map((place) => place.name());
/** A value that an option takes: a number where one is wanted, else a name. */
function sample({ argChoices, defaultValue, flags }: Option): string {
  if (defaultValue !== undefined) return String(defaultValue);
  return argChoices?.[0] ?? (/count|number|version/.test(flags) ? "1" : "x");
}
/** Options without which the command does nothing. */
const mandatory = ({ command }: Leaf): string[] =>
  command.options
    .filter((option) => option.mandatory)
    .flatMap((option) => [option.long ?? "", sample(option)]);
/** Arguments that fill every place that must be filled. */
const filled = (leaf: Leaf): string[] => [...placesOf(leaf).map(() => "x"), ...mandatory(leaf)];

/** Table of commands, each by its name. */
const named = (some: readonly Leaf[]): [string, Leaf][] =>
  some.map((leaf) => [leaf.path.join(" "), leaf]);
/** Table of the options of commands that take a value. */
const withOptions = (isWanted: (option: Option) => boolean): [string, string, Option, Leaf][] =>
  leaves.flatMap((leaf) =>
    optionsOf(leaf)
      .filter(isWanted)
      .map((option): [string, string, Option, Leaf] => [
        leaf.path.join(" "),
        option.long ?? "",
        option,
        leaf,
      ]),
  );

describe("every command refuses", () => {
  test.each(named(leaves))("%s: an option nobody knows", async (_, leaf) => {
    expect(await refused(leaf.path, ...filled(leaf), "--nonsense")).toBe(
      "[usage] unknown option '--nonsense'.",
    );
  });

  test.each(named(leaves))("%s: an output format nobody knows", async (_, leaf) => {
    for (const format of [["-o", "yaml"], ["-o", ""], ["--output=JSON"], ["-o"]]) {
      const ran = await kitaru({ cwd: root }, ...leaf.path, ...filled(leaf), ...format);
      checkText(ran);
      expect(ran.err).toMatch(/^error: option '-o, --output <format>' argument .*(?:text|missing)/);
    }
  });

  const needing = leaves.filter((leaf) => placesOf(leaf).length > 0);
  test.each(named(needing))("%s: too few arguments", async (_, leaf) => {
    for (const [at, place] of placesOf(leaf).entries()) {
      const given = Array.from({ length: at }, () => "x");
      expect(await refused(leaf.path, ...given, ...mandatory(leaf))).toContain(
        `[usage] missing required argument '${place}'`,
      );
    }
  });

  const limited = leaves.filter((leaf) => !leaf.command.registeredArguments.at(-1)?.variadic);
  test.each(named(limited))("%s: too many arguments", async (_, leaf) => {
    const all = leaf.command.registeredArguments.map(() => "x");
    expect(await refused(leaf.path, ...all, "more", ...mandatory(leaf))).toMatch(
      /^\[usage\] too many arguments for .*Expected \d arguments? but got \d/,
    );
  });

  test.each(withOptions(() => true))("%s: %s without a value", async (_, long, __, leaf) => {
    const told = await refused(leaf.path, ...filled(leaf), long);
    expect(told).toMatch(/^\[usage\] option '.*' argument missing\.$/);
    expect(told).toContain(`${long} <`);
  });

  test.each(withOptions((option) => option.parseArg !== several))(
    "%s: %s given twice",
    async (_, long, option, leaf) => {
      const twice = [long, sample(option), long, sample(option)];
      expect(await refused(leaf.path, ...filled(leaf), ...twice)).toBe(
        `[usage] ${long} is given twice; give it once.`,
      );
    },
  );

  test.each(withOptions((option) => option.argChoices !== undefined))(
    "%s: %s with none of its choices",
    async (_, long, option, leaf) => {
      const told = await refused(leaf.path, ...filled(leaf), long, "nonsense");
      expect(told).toContain(`is invalid. Allowed choices are ${option.argChoices?.join(", ")}.`);
    },
  );

  const onStack = leaves.filter((leaf) => optionsOf(leaf).some(({ long }) => long === "--stack"));
  test.each(named(onStack))("%s: a stack nobody has configured", async (_, leaf) => {
    expect(await refused(leaf.path, ...filled(leaf), "--stack", "nowhere")).toMatch(
      /^\[usage\] (?:There is no stack named "nowhere". Configured are: local\.|\S)/,
    );
  });
});

// ---- what is special to each

const long = "x".repeat(10_000);
const noStack = /\[usage\] There is no stack named "nowhere"\. Configured are: local\./;
const noExecution = /\[not_found\] There is no execution ".*" on this stack\. `kitaru executions/;
const flowTarget = (name: string): string => `${flowsFile}:${name}`;

type Line = readonly [command: string, args: readonly string[], told: RegExp];

const lines: readonly Line[] = [
  ["", [], /\[usage\] kitaru needs a command: init, run, .*`kitaru --help` tells more\./],
  ["", ["nonsense"], /\[usage\] unknown command 'nonsense'/],
  ["", ["runn"], /unknown command 'runn' \(Did you mean run\?\)/],
  ["", [""], /unknown command ''/],
  ["", ["--nonsense"], /unknown option '--nonsense'/],
  ["executions", [], /kitaru executions needs a command: list, get, .*--help` tells more/],
  ["executions", ["nonsense"], /unknown command 'nonsense'/],

  ["run", ["none.ts:flow"], /\[usage\] There is no file \/.*\/none\.ts\./],
  ["run", [""], /"" does not name a flow\. Write FILE:FLOW, such as/],
  ["run", ["folder:flow"], /folder is not a file\. Write FILE:FLOW/],
  ["run", ["syntax.ts:flow"], /syntax\.ts cannot be loaded: /],
  ["run", ["throws.ts:flow"], /throws\.ts cannot be loaded: at import/],
  ["run", [flowTarget("none")], /flows\.ts defines no flow "none"\. It defines: review_flow, /],
  ["run", [flowsFile], /Which flow of .*flows\.ts\? It defines: review_flow, /],
  ["run", [`${long}.ts:flow`], /\[usage\] There is no file/],
  ["run", ["a\u0000b.ts:flow"], /\[usage\] There is no file/],
  ["run", [flowTarget("checked")], /\[usage\] The input of flow "checked" does not fit its schema/],
  ...inputLines("run", [flowTarget("checked")], "--input"),
  [
    "run",
    [flowTarget("checked"), "--input", '{"n":"x"}'],
    /does not fit its schema: n: .*expected number/,
  ],
  ...["", "a b", "-a", long, "a\u001b[31m"].map((id): Line => [
    "run",
    [flowTarget("own"), `--id=${id}`],
    /\[usage\] The execution id ".*" is not allowed\. An id has at most 200/,
  ]),
  [
    "run",
    [flowTarget("checked"), "--input", '{"n":2}', "--id", "done"],
    /\[conflict\] Execution done exists already with another input\. Use another id/,
  ],
  ["run", [flowTarget("own"), "--id", "done"], /\[conflict\] .*of flow "checked"\. Use another id/],
  ["run", [flowTarget("own"), "--stack", "nowhere"], noStack],

  ...["", "none", long, "a\u0000b", "a\nb", "../../etc/passwd", "__proto__"].flatMap((id) =>
    ["get", "logs", "cancel", "retry", "resume", "input", "diff", "replay"].map((verb): Line => [
      `executions ${verb}`,
      [id],
      noExecution,
    ]),
  ),
  ["executions list", ["--flow", "a b"], /argument 'a b' is invalid\. The name of a flow starts/],
  ["executions list", ["--flow", ""], /argument '' is invalid\. The name of a flow starts/],
  ["executions list", ["--replay-of", "none"], noExecution],
  ["executions list", ["--cursor", "none"], /"none" is not a cursor of this list\. Pass the/],
  ...["0", "-1", "1.5", "x", "1001", "", "1e2", "99999999999999999999"].map((limit): Line => [
    "executions list",
    ["--limit", limit],
    /\[usage\] option '--limit <count>' argument '.*' is invalid\. It must be a whole number/,
  ]),
  [
    "executions logs",
    ["two", "--call", "none:0"],
    /\[not_found\] Execution two has no call "none:0"\. It has: approve:0, count:0\./,
  ],
  ["executions logs", ["done", "--call", ""], /Execution done has no call ""\. It has: none\./],

  ["executions input", [], /\[usage\] Name the execution: kitaru executions input ID\./],
  ["executions input", ["--value", "1"], /Name the execution/],
  ["executions input", ["done"], /\[state\] Execution done has ended \(completed\)/],
  [
    "executions input",
    ["resting", "--value", "5"],
    /\[wait_validation\] .*answer it without a val/,
  ],
  ["executions input", ["two", "--value", "1"], /\[state\] .* 2 pending waits.*approve:0, count:0/],
  ["executions input", ["two", "--abort"], /\[state\] .* 2 pending waits.*approve:0, count:0/],
  [
    "executions input",
    ["two", "--wait", "approve"],
    /\[usage\] approve:0 waits for a value: --value true/,
  ],
  ...["", ":", ":0", "a b", "approve:", "approve:-1", "approve:01", "approve:x", long].flatMap(
    (wait) =>
      [["--value", "true"], ["--abort"]].map((how): Line => [
        "executions input",
        ["two", "--wait", wait, ...how],
        /\[usage\] ".*" is neither the name of a wait nor the id of its call\. Write NAME, such/,
      ]),
  ),
  [
    "executions input",
    ["two", "--wait", "aprove", "--value", "true"],
    /\[not_found\] .*two_waits" has no wait "aprove"\. Its program defines: approve, count, gate\./,
  ],
  ["executions input", ["two", "--wait", "aprove", "--abort"], /has no wait "aprove"/],
  [
    "executions input",
    ["two", "--wait", "approve", "--value", '"x"'],
    /\[wait_validation\] .*expected boolean.*One that fits: --value true/,
  ],
  ...inputLines("executions input", ["two", "--wait", "approve"], "--value"),
  [
    "executions input",
    ["two", "--abort", "--value", "1"],
    /--abort and --value exclude each other/,
  ],
  [
    "executions input",
    ["two", "--interactive", "--value", "1"],
    /--interactive and --value exclude each other/,
  ],

  ["executions cancel", ["done"], /\[state\] Execution done cannot be cancelled: it has ended/],
  ["executions retry", ["done"], /\[state\] Only failed executions can be retried\. .*completed/],
  ["executions retry", ["resting"], /\[state\] Only failed executions can be retried\. .*waiting/],
  ["executions resume", ["done"], /\[state\] Execution done has ended \(completed\)/],
  ["executions resume", ["resting"], /\[state\] .*waits for an answer to gate:0\. Answer with/],
  ["executions diff", ["done"], /has no replay on this stack to compare it with\. Name an exec/],
  ["executions diff", ["done", "done"], /Execution done is named twice; name each one once/],
  ["executions diff", ["done", "two"], /Only executions of one flow can be compared/],
  ["executions replay", ["done", "--from", "none"], /\[\w+\] .*nothing to replay from/],
  ["executions replay", ["done", "--override", "x"], /--override x: write TARGET=VALUE, such as/],
  ["executions replay", ["done", "--override", "=1"], /--override =1: write TARGET=VALUE, such as/],
  ["executions replay", ["done", "--override", "wait.x={"], /--override wait\.x is not valid JSON/],
  ["executions replay", ["done", "--override", "wait.x=1"], /Unknown override target "wait\.x"/],
  ["executions replay", ["done", "--args", "x=1"], /--args x must be a JSON array/],
  ["executions replay", ["done", "--model", "x"], /--model x: write TARGET=VALUE, such as/],
  ["executions replay", ["done", "--skip", "none"], /Unknown skip target "none"/],
  ["executions replay", ["done", "--version", "x"], /argument 'x' is invalid\. It must be/],
  ["executions replay", ["done", "--version", "7"], /\[not_found\] No deployments found/],
  ...inputLines("executions replay", ["done"], "--input"),

  ["artifacts list", [], /\[usage\] Name the execution, `kitaru artifacts list EXECUTION`, or/],
  ["artifacts list", ["none"], noExecution],
  ["artifacts list", ["--flow", "a b"], /The name of a flow starts with a letter/],
  ["artifacts list", ["done", "--flow", "x"], /--flow does not go with the id of an execution/],
  ["artifacts list", ["done", "--limit", "3"], /--limit does not go with the id of an execution/],
  ["artifacts list", ["--flow", "x", "--call", "y"], /--call does not go with --flow/],
  ["artifacts list", ["--flow", "checked", "--cursor", "z"], /"z" is not a cursor of this list/],
  ["artifacts get", [], /\[usage\] Name the artifact: by its id, /],
  ...["", "x", "/", "a/b/c/d"].map((id): Line => [
    "artifacts get",
    [id],
    /is not the id of an artifact\. An id looks like/,
  ]),
  ["artifacts get", ["done/none:0"], /\[not_found\] There is no artifact "done\/none:0"\./],
  ["artifacts get", ["done", "--name", "none"], /\[not_found\] .*has no artifact named "none"/],
  ["artifacts get", ["done", "--version", "1"], /--version needs --flow/],
  ["artifacts get", ["done", "--flow", "x"], /--flow does not go with an id/],

  ...["deploy", "build"].flatMap((verb): Line[] => [
    [verb, [], /`flows` of the config names "none\/\*\.ts", which matches no file below/],
    [verb, ["none.ts"], /There is no file .*none\.ts\./],
    [verb, ["folder"], /folder is not a file\. Write FILE:FLOW/],
    [verb, ["nothing.ts"], /nothing\.ts defines no flow\. Define one:/],
    [verb, ["syntax.ts"], /syntax\.ts cannot be bundled: .*1:14/],
  ]),
  ...["", "none", "a b", long].flatMap((flow) => [
    ["invoke", [flow], /\[not_found\] No deployments found for flow/] as const,
    ["flow show", [flow], /\[not_found\] No deployments found for flow/] as const,
    ["flow delete", [flow, "--version", "1"], /\[not_found\] No deployments found/] as const,
  ]),
  ["invoke", ["none", "--version", "1", "--tag", "x"], /--version and --tag exclude each other/],
  ...["0", "-1", "x", "1.5", ""].map((version): Line => [
    "invoke",
    ["none", "--version", version],
    /It must be a whole number from 1/,
  ]),
  ["flow tag", ["none", "stable", "--version", "1"], /\[not_found\] No deployments found/],
  ["flow tag", ["none", "a b", "--version", "1"], /The tag "a b" is not allowed\. A tag starts/],
  ["flow untag", ["none", "default"], /`default` .*cannot be removed\. Move it/],
  ["flow untag", ["none", "stable"], /Flow "none" has no tag "stable"\. It has none/],
  ["stack use", ["nowhere"], noStack],
  ["stack use", [""], /There is no stack named ""/],
  ["stack show", ["nowhere"], noStack],
  ["models list", ["--stack", "nowhere"], noStack],
  ["dev", [], /which matches no file below/],
  ["init", ["nothing.ts"], /nothing\.ts\/\S+ cannot be written/],
  ["init", ["nothing.ts/below"], /nothing\.ts\/below\/\S+ cannot be written/],
  ["check", ["none.ts"], /"none\.ts" matches no TypeScript or JavaScript file below/],
  ["replay-check", [], /required option '--flow <flow>' not specified/],
  ["replay-check", ["--flow", "x", "--last", "0"], /It must be a whole number from 1 to 1000/],
  ["replay-check", ["--flow", "x", "--version", "y"], /It must be the number of a version, or/],
];

/** What no option that takes JSON takes. */
function inputLines(command: string, args: readonly string[], option: string): Line[] {
  const quoted = /is not valid JSON: .*In a shell, put it in single quotes/;
  const bad: readonly (readonly [string, RegExp])[] = [
    ["", /is empty, which is not JSON/],
    ["  ", /is empty, which is not JSON/],
    ["{", /is not valid JSON: it ends too early, after "\{"/],
    ["'x'", quoted],
    ["{n: 1}", quoted],
    ['{"n":1} {"n":2}', /unexpected "\{" at line 1, column 9/],
    ["undefined", quoted],
    ["NaN", quoted],
    ["[".repeat(100_000), /is not valid JSON: it ends too early/],
    [
      `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
      /\[(?:usage|serialization|wait_validation)\] /,
    ],
    ["@", /is a folder, not a file/],
    ["@none.json", /there is no file .*none\.json/],
    ["@folder", /folder is a folder, not a file/],
    ["@empty.json", /empty\.json is empty, which is not JSON/],
    ["@broken.json", /broken\.json is not valid JSON: unexpected "," at line 1, column 9, near/],
    ["@latin.json", /latin\.json is not text in UTF-8\. Save it as UTF-8/],
    ["@huge.json", /huge\.json has 65\.0 MB; at most 64 MB are taken\. Put large data/],
  ];
  return bad.map(([text, told]) => [command, [...args, option, text], told]);
}

describe("refused in words that say what to do", () => {
  test.each(
    lines.map(([command, args, told]) => [shown(command, args), command, args, told] as const),
  )("kitaru %s", async (_, command, args, told) => {
    const path = command === "" ? [] : command.split(" ");
    expect(await refused(path, ...args)).toMatch(told);
  });
});

function shown(command: string, args: readonly string[]): string {
  const texts = args.map((arg) =>
    arg.length > 40 ? `${arg.slice(0, 20)}… (${arg.length})` : JSON.stringify(arg),
  );
  return `${command} ${texts.join(" ")}`.replaceAll(flowsFile, "flows.ts").replaceAll("%", "%%");
}

test("nothing of all that was taken: every execution is as it was", async () => {
  const { out } = await kitaru({ cwd: root }, "executions", "list", "-o", "json");
  const { items } = JSON.parse(out) as { items: { id: string; status: string }[] };
  expect(items.map(({ id, status }) => `${id} ${status}`).toSorted()).toEqual([
    "done completed",
    "resting waiting",
    "two waiting",
  ]);
});
