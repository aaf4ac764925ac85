import { rm } from "node:fs/promises";
import validate from "asl-validator";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { azure } from "../../adapters/azure/index.ts";
import { gcp } from "../../adapters/gcp/index.ts";
import { local } from "../../adapters/local/index.ts";
import { configure } from "../../core/stacks.ts";
import { project } from "../deployments/project.ts";
import { parseDefinition } from "../emulators/workflows/definition.ts";
import { kitaru } from "./command-line.ts";

let root = "";
const source = `
import { checkpoint, flow, wait } from "kitaru";
const near = checkpoint("near", () => 1);
const far = checkpoint("far", { runtime: "isolated" }, () => 2);
const go = wait("go");
export const trip = flow("trip", async () => { await near(); await far(); await go(); });
export const short = flow("short", async () => near());
`;

const demanding = `
import { checkpoint, flow } from "kitaru";
const endless = checkpoint("endless", { timeout: "20m" }, () => 1);
const huge = checkpoint("huge", { runtime: "isolated", memoryMb: 20_000 }, () => 2);
export const greedy = flow("greedy", async () => [await endless(), await huge()]);
`;

beforeAll(async () => {
  root = await project({ "flows.ts": source, "demanding.ts": demanding });
  const cloud = aws({ name: "agents" });
  // an execution is recorded here, and priced as if it had run there
  const priced = { ...local({ folder: root }), estimate: cloud.estimate };
  const google = gcp({ name: "agents", project: "agents-project", region: "europe-west4" });
  const microsoft = azure({ name: "contosoagents" });
  const stacks = {
    local: local({ folder: root }),
    priced,
    aws: cloud,
    gcp: google,
    azure: microsoft,
  };
  configure({ root, config: { stacks } });
});
afterAll(() => rm(root, { recursive: true }));

const run = (...args: readonly string[]) => kitaru({ cwd: root }, ...args);

test("plan tells the state machine a deployment would create, and asks nobody", async () => {
  const { out, err } = await run("plan", "flows.ts:trip", "--stack", "aws", "-o", "json");
  expect(err).toBe("");
  const { item } = JSON.parse(out) as {
    item: { name: string; definition: { States: Record<string, object> } };
  };
  expect(item.name).toMatch(/^agents-trip-[0-9a-f]{12}$/);
  expect(Object.keys(item.definition.States)).toEqual(
    expect.arrayContaining(["Wait for go", "Run far", "Renew"]),
  );
  expect(validate(item.definition).isValid).toBe(true);
  const { out: chart } = await run("plan", "flows.ts:trip", "--stack", "aws", "-o", "mermaid");
  expect(chart).toMatch(/^flowchart TD\n {2}s0\["Start"\]\n/);
  expect(chart).toContain('["Wait for go"]');
});

test("plan tells the source of the workflow a deployment would create, and cost what it costs", async () => {
  const { out, err } = await run("plan", "flows.ts:trip", "--stack", "gcp");
  expect(err).toBe("");
  expect(out).toMatch(/^# kitaru flow trip, bundle [0-9a-f]{12}\nmain:\n {2}params:\n/);
  expect(
    parseDefinition(out)
      .get("main")
      ?.steps.map(({ name }) => name),
  ).toEqual(expect.arrayContaining(["wait_for_go", "run_far", "renew"]));
  const { out: json } = await run("plan", "flows.ts:trip", "--stack", "gcp", "-o", "json");
  expect(JSON.parse(json)).toMatchObject({ item: { source: out, definition: { main: {} } } });
  const { out: chart } = await run("plan", "flows.ts:trip", "--stack", "gcp", "-o", "mermaid");
  expect(chart).toContain('["wait_for_go"]');
  const { out: costs } = await run("cost", "flows.ts:trip", "--stack", "gcp");
  expect(costs).toMatch(/Workflows, internal steps +[\d,]+ +step +\$0\.0000100/);
});

test("plan and cost tell the same of azure", async () => {
  const { out } = await run("plan", "flows.ts:trip", "--stack", "azure", "-o", "json");
  const { item } = JSON.parse(out) as {
    item: { name: string; definition: { steps: Record<string, object> } };
  };
  expect(item.name).toBe("kitaru-flow-1");
  expect(Object.keys(item.definition.steps)).toEqual(
    expect.arrayContaining(["Advance", "Wait for go", "Run far", "Completed"]),
  );
  const { out: costs } = await run("cost", "flows.ts:trip", "--stack", "azure");
  expect(costs).toContain("Table Storage");
  const { code, err } = await run("plan", "demanding.ts:greedy", "--stack", "azure");
  expect(code).not.toBe(0);
  expect(err).toMatch(/"endless" has a timeout of 1200 s .* at most 480 s at a time/);
});

test("plan tells what the stack cannot do, each limit by itself, and fails", async () => {
  const { code, out, err } = await run(
    "plan",
    "demanding.ts:greedy",
    "--stack",
    "aws",
    "-o",
    "json",
  );
  expect(code).toBe(1);
  const problems = [
    'Checkpoint "endless" has a timeout of 1200 s and runs inline, and a stack of kind "aws" runs a flow for at most 895 s at a time. Give it a shorter timeout, or split it.',
    'Checkpoint "huge" asks for 20000 MB of memory, and no size of this stack of kind "aws" has as much: largest (10240 MB of memory, 10240 MB of temporary files, 900 s). Ask for less, or add a size to the stack.',
  ];
  const { item } = JSON.parse(out) as { item: { problems: string[] } };
  expect(item.problems).toEqual(problems);
  expect(err).toContain('cannot be deployed to stack \\"aws\\"');
});

test("cost tells an estimate item by item, beside other ways", async () => {
  const { out, err } = await run("cost", "flows.ts:trip", "--stack", "aws");
  expect(err).toBe("");
  expect(out).toContain("1000 executions of 1 inline call, 1 isolated call and 1 rest each");
  expect(out).toMatch(/Step Functions +10,000 +state transition +\$0\.0000250 +\$0\.2500 +https:/);
  expect(out).toMatch(/^\$0\.\d{4} +orchestrator: "always"$/m);
  expect(out).toMatch(/^\$0\.\d{4} +a state for each checkpoint/m);
  expect(out).toContain("An estimate at list prices of 2026-11-22 in us-east-1");
  expect(out).toContain("Each checkpoint and wait of the whole module once");
});

test("cost counts what a recorded execution has done, and scales", async () => {
  const ran = await run("run", "flows.ts:short", "--stack", "priced", "-o", "json");
  const { id } = (JSON.parse(ran.out) as { item: { id: string } }).item;
  const args = ["cost", "flows.ts:short", "--stack", "priced", "--executions", "5", "-o", "json"];
  const { out, err } = await run(...args, "--from-execution", id);
  expect(err).toBe("");
  const { item } = JSON.parse(out) as { item: { work: { seconds: number } } };
  expect(item).toMatchObject({
    executions: 5,
    stack: "priced",
    work: { inline: 1, isolated: 0, rests: 0, largeValues: 0 },
  });
  expect(item.work.seconds).toBeLessThan(5);
  expect(out).not.toContain("whole module");
});

test.each([
  [["plan", "flows.ts:trip", "--stack", "local"], /creates nothing for a flow/],
  [["cost", "flows.ts:trip", "--stack", "local"], /Nobody sends a bill for stack "local"/],
  [["cost", "flows.ts", "--stack", "aws"], /Which flow of .*trip, short/],
  [["plan", "flows.ts:trip", "--stack", "moon"], /There is no stack named "moon"/],
])("refuses %j", async (args, message) => {
  const { code, err } = await run(...args);
  expect(code).toBe(1);
  expect(err).toMatch(message);
});
