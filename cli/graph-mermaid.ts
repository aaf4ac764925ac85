import type { CallNode, ExecutionGraph, GraphEdge, GraphNode } from "../core/client/graph.ts";

/** The graph of an execution as a Mermaid flowchart. */
export function graphMermaid(graph: ExecutionGraph): string[] {
  const numbers = new Map(graph.nodes.map(({ id }, index) => [id, `n${index}`]));
  const connected = graph.edges.flatMap((edge) => {
    const [from, to] = [numbers.get(edge.from), numbers.get(edge.to)];
    return from === undefined || to === undefined ? [] : [`  ${from} ${arrow(edge)} ${to}`];
  });
  return [
    "flowchart TD",
    ...graph.nodes.map((node) => `  ${numbers.get(node.id) ?? ""}${shape(node)}${classOf(node)}`),
    ...connected,
    "  classDef failed stroke:#c00",
    "  classDef open stroke:#b80,stroke-dasharray:4",
    "  classDef reused opacity:0.6",
  ];
}

function shape(node: GraphNode): string {
  const label = quoted(node.id);
  switch (node.kind) {
    case "input":
    case "result":
    case "sleep":
      return `([${label}])`;
    case "wait":
      return `{{${label}}}`;
    case "llm":
      return `(${label})`;
    case "artifact":
      return `[(${label})]`;
    case "flow":
    case "child":
    case "parent":
      return `[[${label}]]`;
    case "checkpoint":
    case "reader":
      return `[${label}]`;
  }
}

function classOf(node: GraphNode): string {
  const name = "status" in node ? className(node) : undefined;
  return name === undefined ? "" : `:::${name}`;
}

function className({ status, disposition }: CallNode): string | undefined {
  if (status === "failed") return "failed";
  if (status !== "completed") return "open";
  return disposition === "executed" ? undefined : "reused";
}

function arrow({ kind, values = [] }: GraphEdge): string {
  if (kind === "order") return "-.->";
  if (kind !== "value") return `-- ${kind} -->`;
  const parts = [...new Set(values.map(({ from }) => from.replace(/^\./, "")))];
  if (parts.length === 0 || parts.length > 3 || parts.includes("")) return "-->";
  return `-- ${quoted(parts.join(", "))} -->`;
}

/** Mermaid has its own entities: a number or name between `#` and `;`. */
function quoted(text: string): string {
  return `"${text.replaceAll("#", "#35;").replaceAll('"', "#quot;")}"`;
}
