import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { local } from "../../adapters/local/index.ts";
import { configure } from "../../core/stacks.ts";
import { type Ran, flowsFile, kitaru } from "./command-line.ts";

let root = "";

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kitaru-graph-"));
  configure({ root, config: { stacks: { local: local() } } });
});

afterEach(() => rm(root, { recursive: true }));

const run = (...args: readonly string[]): Promise<Ran> => kitaru({ cwd: root }, ...args);

async function start(flow: string, input: unknown): Promise<string> {
  const ran = await run(
    "run",
    `${flowsFile}:${flow}`,
    "--input",
    JSON.stringify(input),
    "-o",
    "json",
  );
  return (JSON.parse(ran.out) as { item: { id: string } }).item.id;
}

test("the graph of an execution as text, as JSON and as a Mermaid flowchart", async () => {
  const id = await start("review_flow", { topic: "Cloud roofs." });
  expect((await run("executions", "get", id, "--graph")).out).toBe(
    [
      `${id}  review_flow (version local)  waiting`,
      "",
      "           KIND        STATUS     GIVEN",
      "input",
      "draft:0    checkpoint  completed  argument 1 = input.topic",
      "approve:0  wait        waiting    metadata.text = draft:0",
      "",
    ].join("\n"),
  );
  await run("executions", "input", id, "--value", "true");
  expect((await run("executions", "get", id, "-o", "mermaid")).out).toBe(
    [
      "flowchart TD",
      '  n0(["input"])',
      '  n1["draft:0"]',
      '  n2{{"approve:0"}}',
      '  n3(["result"])',
      '  n0 -- "topic" --> n1',
      "  n1 --> n2",
      "  n1 --> n3",
      "  n2 -.-> n3",
      "  classDef failed stroke:#c00",
      "  classDef open stroke:#b80,stroke-dasharray:4",
      "  classDef reused opacity:0.6",
      "",
    ].join("\n"),
  );
  const { command, item } = JSON.parse(
    (await run("executions", "get", id, "--graph", "-o", "json")).out,
  ) as { command: string; item: Record<string, unknown> };
  expect(command).toBe("executions.get");
  expect(Object.keys(item)).toEqual([
    "id",
    "flow",
    "version",
    "status",
    "nodes",
    "edges",
    "opaque",
  ]);
  expect((await run("executions", "get", id, "-o", "json")).out).toContain('"calls"');
});

test("mermaid is a format of the graph alone", async () => {
  const ran = await run("executions", "list", "-o", "mermaid");
  expect(ran).toMatchObject({ code: 1, out: "" });
  expect(ran.err).toContain("Allowed choices are text, json.");
});
