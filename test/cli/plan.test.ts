import { rm } from "node:fs/promises";
import validate from "asl-validator";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { local } from "../../adapters/local/index.ts";
import { configure } from "../../core/stacks.ts";
import { project } from "../deployments/project.ts";
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

beforeAll(async () => {
  root = await project({ "flows.ts": source });
  const cloud = aws({ name: "agents" });
  // an execution is recorded here, and priced as if it had run there
  const priced = { ...local({ folder: root }), estimate: cloud.estimate };
  const stacks = { local: local({ folder: root }), priced, aws: cloud };
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

test("cost tells an estimate item by item, beside other ways", async () => {
  const { out, err } = await run("cost", "flows.ts:trip", "--stack", "aws");
  expect(err).toBe("");
  expect(out).toContain("1000 executions of 1 inline call, 1 isolated call and 1 rest each");
  expect(out).toMatch(/Step Functions +10,000 +state transition +\$0\.0000250 +\$0\.2500 +https:/);
  expect(out).toMatch(/^\$0\.\d{4} +orchestrator: "always"$/m);
  expect(out).toMatch(/^\$0\.\d{4} +a state for each checkpoint/m);
  expect(out).toContain("An estimate at list prices of 2026-11-22 in us-east-1");
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
