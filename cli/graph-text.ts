import type { CallNode, ExecutionGraph, GraphEdge, GraphNode } from "../core/client/graph.ts";
import type { Console } from "./console.ts";
import { statusText } from "./execution-text.ts";
import { plural, table } from "./text.ts";

/** Most origins of one node that are shown by themselves. */
const mostShown = 6;

/** The graph of an execution for people: what each call was given, and by whom. */
export function graphLines(say: Console, graph: ExecutionGraph): string[] {
  const { style } = say;
  const incoming = Map.groupBy(graph.edges, ({ to }) => to);
  const { id, flow, version, status, replayOf } = graph;
  const source = replayOf === undefined ? "" : `, replay of ${replayOf}`;
  const rows = graph.nodes
    .filter((node) => incoming.has(node.id) || isOwn(node))
    .flatMap((node) => nodeRows(say, node, incoming.get(node.id) ?? []));
  return [
    `${style.bold(id)}  ${flow} (version ${version})${source}  ${statusText(say, status)}`,
    "",
    ...table(["", "KIND", "STATUS", "GIVEN"].map(style.dim), rows),
    ...(graph.opaque === 0 ? [] : ["", style.dim(opaqueLine(graph.opaque))]),
  ];
}

function isOwn(node: GraphNode): boolean {
  return isCall(node) || node.kind === "input" || node.kind === "result";
}

function nodeRows(say: Console, node: GraphNode, edges: readonly GraphEdge[]): string[][] {
  const [first = "", ...others] = originTexts(say, edges);
  return [
    [node.id, ...kindAndStatus(say, node), first],
    ...others.map((origin) => ["", "", "", origin]),
  ];
}

function kindAndStatus(say: Console, node: GraphNode): [kind: string, status: string] {
  if (isCall(node)) return [node.type ?? node.kind, stateOf(say, node)];
  return [outsideText(node.kind), ""];
}

function outsideText(kind: Exclude<GraphNode["kind"], CallNode["kind"]>): string {
  if (kind === "child") return "child execution";
  return kind === "reader" ? "other execution" : "";
}

function isCall(node: GraphNode): node is CallNode {
  return "status" in node;
}

function stateOf(say: Console, { status, disposition }: CallNode): string {
  const how = disposition === "executed" ? "" : ` (${disposition})`;
  return statusText(say, status) + how;
}

function originTexts({ style }: Console, edges: readonly GraphEdge[]): string[] {
  const texts = edges.flatMap((edge): string[] => {
    switch (edge.kind) {
      case "value":
        return (edge.values ?? []).map(
          ({ from, to }) => `${to === "" ? "" : `${to} = `}${edge.from}${from}`,
        );
      case "load":
        return [`load() of ${edge.from}`];
      case "child":
        return [`started by ${edge.from}`];
      case "order":
        return [style.dim(`after ${edge.from}`)];
    }
  });
  if (texts.length <= mostShown) return texts;
  return [...texts.slice(0, mostShown - 1), style.dim(`and ${texts.length - mostShown + 1} more`)];
}

function opaqueLine(count: number): string {
  return `${plural(count, "large value")} compared as a whole only; what is inside was not looked for.`;
}
