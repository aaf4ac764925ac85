import { expect, test } from "vitest";
import type { CallNode, ExecutionGraph, GraphNode } from "../core/client/graph.ts";
import { silentConsole } from "./fixtures/silent.ts";
import { graphMermaid } from "./graph-mermaid.ts";
import { graphLines } from "./graph-text.ts";

const say = silentConsole();

const call = (id: string, fields: Partial<CallNode> = {}): GraphNode => ({
  kind: "checkpoint",
  id,
  name: "n",
  status: "completed",
  disposition: "executed",
  saved: [],
  ...fields,
});

const graph = (fields: Partial<ExecutionGraph>): ExecutionGraph => ({
  id: "e1",
  flow: "f",
  version: "local",
  status: "running",
  nodes: [],
  edges: [],
  opaque: 0,
  ...fields,
});

test("many origins of one call are cut short, and what could not be looked into is said", () => {
  const values = Array.from({ length: 50 }, (_, index) => ({
    from: `[${index}]`,
    to: `argument ${index + 1}`,
  }));
  const lines = graphLines(
    say,
    graph({
      nodes: [
        { kind: "input", id: "input" },
        call("a:0", { type: "tool_call", disposition: "reused" }),
      ],
      edges: [{ from: "input", to: "a:0", kind: "value", values }],
      opaque: 2,
    }),
  );
  expect(lines.slice(3)).toEqual([
    "input",
    "a:0    tool_call  completed (reused)  argument 1 = input[0]",
    "                                      argument 2 = input[1]",
    "                                      argument 3 = input[2]",
    "                                      argument 4 = input[3]",
    "                                      argument 5 = input[4]",
    "                                      and 45 more",
    "",
    "2 large values compared as a whole only; what is inside was not looked for.",
  ]);
});

test("executions and artifacts beside this one are shown where something comes of them", () => {
  const lines = graphLines(
    say,
    graph({
      nodes: [
        { kind: "input", id: "input" },
        call("a:0"),
        { kind: "parent", id: "e0", executionId: "e0" },
        { kind: "artifact", id: "e2/b:0/notes", executionId: "e2" },
        { kind: "child", id: "e1/a:0", executionId: "e1/a:0" },
        { kind: "reader", id: "e3/c:0", executionId: "e3" },
      ],
      edges: [
        { from: "e0", to: "input", kind: "child" },
        { from: "e2/b:0/notes", to: "a:0", kind: "load" },
        { from: "input", to: "a:0", kind: "order" },
        { from: "a:0", to: "e1/a:0", kind: "child" },
        { from: "a:0", to: "e3/c:0", kind: "load" },
      ],
    }),
  );
  expect(lines.slice(3)).toEqual(
    [
      "input                           started by e0",
      "a:0     checkpoint  completed   load() of e2/b:0/notes",
      "                                after input",
      "e1/a:0  child execution         started by a:0",
      "e3/c:0  other execution         load() of a:0",
    ].map((line) => expect.stringMatching(line.replaceAll(/ +/g, " +").replace(/[()]/g, "\\$&"))),
  );
});

test("every kind of node has its shape, states their colours, and labels are quoted", () => {
  const lines = graphMermaid(
    graph({
      nodes: [
        call('a"#:0', { status: "failed" }),
        call("b:0", { kind: "llm", disposition: "reused" }),
        call("c:0", { kind: "sleep", status: "waiting" }),
        call("d:0", { kind: "flow" }),
        { kind: "artifact", id: "e2/x:0/notes", executionId: "e2" },
        { kind: "parent", id: "e0", executionId: "e0" },
      ],
      edges: [
        { from: "e2/x:0/notes", to: "b:0", kind: "load" },
        { from: "gone", to: "b:0", kind: "order" },
        {
          from: "b:0",
          to: "d:0",
          kind: "value",
          values: ["a", "b", "c", "d"].map((from) => ({ from, to: "" })),
        },
        {
          from: "b:0",
          to: "c:0",
          kind: "value",
          values: [
            { from: ".a", to: "" },
            { from: "[0]", to: "" },
          ],
        },
        { from: "b:0", to: "c:0", kind: "value" },
      ],
    }),
  );
  expect(lines.slice(0, -3)).toEqual([
    "flowchart TD",
    '  n0["a#quot;#35;:0"]:::failed',
    '  n1("b:0"):::reused',
    '  n2(["c:0"]):::open',
    '  n3[["d:0"]]',
    '  n4[("e2/x:0/notes")]',
    '  n5[["e0"]]',
    "  n4 -- load --> n1",
    "  n1 --> n3",
    '  n1 -- "a, [0]" --> n2',
    "  n1 --> n2",
  ]);
});
