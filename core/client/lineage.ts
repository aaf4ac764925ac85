import { standingArtifacts } from "../engine/artifacts.ts";
import type { HeadFacts } from "../journal/head.ts";
import type { ValueRef, ValueStore } from "../journal/values.ts";
import type { CallView } from "./execution.ts";
import type { CallNode, ExecutionGraph, GraphEdge, GraphNode, OutsideNode } from "./graph.ts";
import { type CallLineage, type Lineage, type Place, lineageOf } from "./lineage-facts.ts";
import { type Consumed, type Handed, type Produced, matchValues } from "./lineage-match.ts";
import { TreeReader } from "./lineage-values.ts";
import type { ReadExecution } from "./reading.ts";
import type { ValueTree } from "./value-tree.ts";

/** Draw the graph of an execution; `calls` are its calls as they are shown. */
export async function graphOf(
  values: ValueStore,
  { head, entries, status }: Pick<ReadExecution, "head" | "entries" | "status">,
  calls: readonly CallView[],
): Promise<ExecutionGraph> {
  const { facts } = head;
  const lineage = inOrder(lineageOf(entries), calls);
  const reader = new TreeReader(values);
  const handed = matchValues(
    await producedBy(facts.input, lineage, reader),
    await consumedBy(lineage, reader),
  );
  const outside = outsideOf(facts, lineage);
  const connected = [...outside.edges, ...valueEdges(handed)];
  return {
    id: facts.id,
    flow: facts.flow,
    version: facts.version,
    status,
    ...(facts.replayOf === undefined ? {} : { replayOf: facts.replayOf.id }),
    nodes: [...nodesOf(calls, savedBy(entries), lineage), ...outside.nodes],
    edges: [...connected, ...orderEdges(calls, lineage, connected)],
    opaque: reader.opaque,
  };
}

function inOrder(lineage: Lineage, views: readonly CallView[]): Lineage {
  const calls = views.flatMap(({ id }) => {
    const call = lineage.calls.get(id);
    return call === undefined ? [] : [[id, call] as const];
  });
  return { ...lineage, calls: new Map(calls) };
}

const inputNode: GraphNode = { kind: "input", id: "input" };
const resultNode: GraphNode = { kind: "result", id: "result" };

// ---- nodes

function nodesOf(
  calls: readonly CallView[],
  saved: ReadonlyMap<string, readonly string[]>,
  { output }: Lineage,
): GraphNode[] {
  const nodes = calls.map((call): CallNode => {
    const { id, kind, name, type, status, disposition } = call;
    const label = type === undefined ? {} : { type };
    return { kind, id, name, ...label, status, disposition, saved: saved.get(id) ?? [] };
  });
  return [inputNode, ...nodes, ...(output === undefined ? [] : [resultNode])];
}

function savedBy(entries: ReadExecution["entries"]): Map<string, string[]> {
  const byCall = Map.groupBy(standingArtifacts(entries), ({ id }) => id);
  return new Map(
    [...byCall].map(([id, artifacts]) => [id, [...new Set(artifacts.map(({ name }) => name))]]),
  );
}

// ---- other executions

interface Outside {
  readonly nodes: readonly OutsideNode[];
  readonly edges: readonly GraphEdge[];
}

function outsideOf({ id, parent }: HeadFacts, { calls }: Lineage): Outside {
  const nodes = new Map<string, OutsideNode>();
  const edges = new Map<string, GraphEdge>();
  const connect = (edge: GraphEdge): unknown => edges.set(`${edge.from} ${edge.to}`, edge);
  if (parent !== undefined) {
    nodes.set(parent.id, { kind: "parent", id: parent.id, executionId: parent.id });
    connect({ from: parent.id, to: inputNode.id, kind: "child" });
  }
  for (const call of calls.values()) {
    if (call.child !== undefined) {
      nodes.set(call.child, { kind: "child", id: call.child, executionId: call.child });
      connect({ from: call.id, to: call.child, kind: "child" });
    }
    for (const { from, call: source, name } of call.loads) {
      const isOwn = from === id;
      const place = `${from}/${source}${name === undefined ? "" : `/${name}`}`;
      if (!isOwn) nodes.set(place, { kind: "artifact", id: place, executionId: from });
      connect({ from: isOwn ? source : place, to: call.id, kind: "load" });
    }
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] };
}

// ---- values

async function producedBy(
  input: ValueRef,
  { calls }: Lineage,
  reader: TreeReader,
): Promise<Produced[]> {
  const produced: Produced[] = [
    { node: inputNode.id, position: -1, tree: await reader.read(input) },
  ];
  for (const { id, ended, output } of byEnd(calls.values()))
    if (output !== undefined)
      produced.push({ node: id, position: ended.position, tree: await reader.read(output) });
  return produced;
}

async function consumedBy({ calls, output }: Lineage, reader: TreeReader): Promise<Consumed[]> {
  const consumed: Consumed[] = [];
  const give = (node: string, position: number, name: string, tree: ValueTree): unknown =>
    consumed.push({ node, position, name, tree });
  for (const { id, begun, inputs } of calls.values())
    for (const { name, ref } of inputs) give(id, begun.position, name, await reader.read(ref));
  if (output !== undefined) give(resultNode.id, Infinity, "", await reader.read(output));
  return consumed;
}

/** One edge for each pair of nodes, whatever it carried. */
function valueEdges(handed: readonly Handed[]): GraphEdge[] {
  return [...Map.groupBy(handed, ({ from, to }) => `${from} ${to}`).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const values = group.map(({ part, as }) => ({ from: part, to: as }));
    return [{ from: first.from, to: first.to, kind: "value" as const, values }];
  });
}

// ---- order

/** What had ended last when a call began, where no value connects the two. */
function orderEdges(
  calls: readonly CallView[],
  lineage: Lineage,
  connected: readonly GraphEdge[],
): GraphEdge[] {
  const known = new Set(connected.map(({ from, to }) => `${from} ${to}`));
  const ended = byEnd(lineage.calls.values());
  const edge = (from: string, to: string): GraphEdge[] =>
    known.has(`${from} ${to}`) ? [] : [{ from, to, kind: "order" }];
  const asks = new Map(calls.map(({ id }, ask) => [id, ask]));
  const edges = calls.flatMap(({ id }, ask) => {
    const call = lineage.calls.get(id);
    if (call === undefined) return [];
    const before = ended.findLast(
      (other) =>
        isBefore(other, call) && (other.taken === undefined || (asks.get(other.id) ?? 0) < ask),
    );
    return edge(before?.id ?? inputNode.id, id);
  });
  if (lineage.output === undefined) return edges;
  return [...edges, ...edge(ended.at(-1)?.id ?? inputNode.id, resultNode.id)];
}

type EndedCall = CallLineage & { readonly ended: Place };

function byEnd(calls: Iterable<CallLineage>): EndedCall[] {
  return [...calls]
    .filter((call): call is EndedCall => call.ended !== undefined)
    .toSorted((a, b) => a.ended.position - b.ended.position);
}

/** Whether a call had ended when another began. */
function isBefore(earlier: EndedCall, later: CallLineage): boolean {
  const [end, begin] = [earlier.ended, later.begun];
  if (isOutcomeTaken(later))
    return isOutcomeTaken(earlier) ? tookBefore(earlier, later) : end.append < begin.append;
  if (isOutcomeTaken(earlier)) return end.position < begin.position; // it was there as soon as it was asked for
  // what is recorded in one write ran side by side; another advance may have run where the clock is another
  return end.append < begin.append && (end.epoch < begin.epoch || end.at <= begin.at);
}

function isOutcomeTaken({ taken }: CallLineage): boolean {
  return taken === "reused" || taken === "overridden";
}

/** Times of outcomes that a replay took over are those of its source, and many are written at once. */
function tookBefore({ ended, begun }: EndedCall, later: CallLineage): boolean {
  if (ended.position >= later.begun.position) return false;
  return ended.at <= later.begun.at && (begun.at < later.begun.at || ended.at < later.begun.at);
}
