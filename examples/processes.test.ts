import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { modelServer } from "kitaru/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

const source = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
let root = "";

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-examples-"));
});
afterAll(() => rm(root, { recursive: true }));

interface Run {
  readonly child: ChildProcess;
  /** What it printed, once it has ended. */
  readonly out: Promise<string>;
}

/** Start a program of this repository in a project folder of its own, without a key. */
function start(program: string, ...args: readonly string[]): Run {
  return startWith({}, program, ...args);
}

function startWith(keys: NodeJS.ProcessEnv, program: string, ...args: readonly string[]): Run {
  const preload = ["--import", source("test/from-source.ts")];
  const {
    OPENAI_API_KEY: _o,
    ANTHROPIC_API_KEY: _a,
    KITARU_DEFAULT_MODEL: _m,
    ...env
  } = process.env;
  const child = spawn(process.execPath, [...preload, source(program), ...args], {
    cwd: root,
    env: { ...env, ...keys, RATES_URL: "http://127.0.0.1:9/" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (more: string) => (text += more));
  const out = new Promise<string>((resolve) => child.once("close", () => resolve(text)));
  return { child, out };
}

const example = (name: string, ...args: readonly string[]): Promise<string> =>
  start(`examples/${name}/main.ts`, ...args).out;
const kitaru = (...args: readonly string[]): Promise<string> => start("cli/main.ts", ...args).out;

const executionOf = (out: string): string => /^Execution (\S+)$/m.exec(out)?.[1] ?? out;

/** The command an example prints to answer with, run. */
async function answer(out: string, value?: string): Promise<string> {
  const pattern = /^ {2}npx kitaru (.+) --value (.+)$/m;
  expect(out).toMatch(pattern);
  const [, which = "", shown = ""] = pattern.exec(out) ?? [];
  return kitaru(...which.split(" "), "--value", value ?? shown.replaceAll("'", ""));
}

test.concurrent.each([
  ["review", "The municipal library of Harrowgate"],
  ["fallback", '"accepted": true'],
  ["agent", "It was sent."],
])("%s is left at its question and answered by another process", async (name, result) => {
  expect(await answer(await example(name))).toContain(result);
});

test.concurrent("approvals are answered one by one, as printed; a second run shows where it is", async () => {
  const first = await example("approvals");
  expect(first).toMatch(/Legal: .*\n.* --wait legal_approval:0 --value true\n/);
  expect(await answer(first)).toContain("Finance: is there a budget");
  const second = await example("approvals");
  expect(second).toContain("legal_approval:0       completed");
  expect(await answer(second)).toContain("Director: spend 310000 euros");
  expect(await kitaru("executions", "input", "PO-1042", "--value", "true")).toContain(
    '"costCentre": "buildings"',
  );
});

test.concurrent("revise goes round, and each answer goes to the round it was given for", async () => {
  const out = await example("revise");
  expect(await answer(out)).toContain("Round 2: publish this notice?");
  const id = executionOf(out);
  expect(await kitaru("executions", "input", id, "--value", '{"approved": true}')).toContain(
    "Say first that the east wing stays open. The reading room",
  );
});

test.concurrent("fan-out and hand-over come to their end at once", async () => {
  expect(await example("fan-out")).toContain('"problem": "NonRetryableError: 0004-empty.txt');
  const out = await example("hand-over");
  const later = await example("hand-over", "--from", executionOf(out));
  for (const printed of [out, later]) expect(printed).toContain("- put up signs in the hall");
});

test.concurrent("with a key the provider is asked, and nothing twice", async () => {
  await using server = await modelServer({
    respond: ({ body, prompt }) => {
      const asked = JSON.stringify(body);
      if (!asked.includes('"tools"')) return `Answer to ${prompt.slice(0, 9)}`;
      if (asked.includes("It was sent.")) return "Done.";
      return asked.includes("20 cents")
        ? { toolCalls: [{ name: "sendReply", input: { text: "20 cents a day" } }] }
        : { toolCalls: [{ name: "searchHandbook", input: { words: "late" } }] };
    },
  });
  const keys = {
    OPENAI_API_KEY: "key",
    OPENAI_BASE_URL: `${server.url}/v1`,
    KITARU_DEFAULT_MODEL: "openai/gpt-5-mini",
  };
  const review = await startWith(keys, "examples/review/main.ts").out;
  expect(review).toContain("Answer to Write a d");
  const agent = await startWith(keys, "examples/agent/main.ts").out;
  const command = ["executions", "input", executionOf(agent), "--value", "true"] as const;
  expect(await startWith(keys, "cli/main.ts", ...command).out).toContain('"text": "Done."');
  expect(server.requests).toHaveLength(5);
});

test("payment is paid once, though its processes are killed again and again", async () => {
  const programs: [string, ...string[]][] = [
    ["examples/payment/main.ts"],
    [
      "cli/main.ts",
      "executions",
      "input",
      "HR-2025-118",
      "--wait",
      "approve_payment",
      "--value",
      "true",
    ],
  ];
  for (const [program, ...args] of programs)
    for (let ms = 120; ms <= 420; ms += 60) {
      const { child, out } = start(program, ...args);
      await delay(ms);
      child.kill("SIGKILL");
      await out;
    }
  await example("payment");
  await kitaru(...(programs[1] ?? []).slice(1));
  const last = await example("payment");
  const isUnclear = last.includes("Sending the advice was interrupted");
  expect(isUnclear ? await answer(last) : last).toContain('"status": "paid"');
  expect(await readdir(join(root, ".kitaru", "bank"))).toHaveLength(1);
  const advices = await readFile(join(root, ".kitaru", "outbox.txt"), "utf8").catch(() => "");
  expect(advices.split("\n").length - 1).toBeLessThanOrEqual(1);
});
