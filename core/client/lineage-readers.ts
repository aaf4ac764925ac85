import type { EngineContext } from "../engine/context.ts";
import { type Head, isEnd, mayHave } from "../journal/head.ts";
import type { GraphEdge, OutsideNode } from "./graph.ts";
import { lineageOf } from "./lineage-facts.ts";
import { flowNames, headsOf } from "./listing.ts";
import { readIfThere } from "./reading.ts";

/** Heads are small, and nearly all have read nothing of interest. */
const headsAtOnce = 1000;

/** Find the calls of other executions that have loaded something from this one. */
export async function readersOf(
  context: EngineContext,
  id: string,
): Promise<{ readonly nodes: OutsideNode[]; readonly edges: GraphEdge[] }> {
  const nodes: OutsideNode[] = [];
  const edges = new Map<string, GraphEdge>();
  for (const flow of await flowNames(context))
    for await (const head of headsOf(context, flow, { atOnce: headsAtOnce })) {
      const executionId = head.facts.id;
      if (executionId === id || !mayHaveLoaded(head, id)) continue;
      for (const { call, sources } of await loadsOf(context, executionId, id)) {
        const reader = `${executionId}/${call}`;
        nodes.push({ kind: "reader", id: reader, executionId });
        for (const from of sources)
          edges.set(`${from} ${reader}`, { from, to: reader, kind: "load" });
      }
    }
  return { nodes, edges: [...edges.values()] };
}

/** A head that is not final may not yet show what its execution has loaded. */
function mayHaveLoaded({ view, dueAt }: Head, id: string): boolean {
  return !isEnd(view.status) || dueAt !== undefined || mayHave(view.loaded, id);
}

async function loadsOf(
  context: EngineContext,
  executionId: string,
  from: string,
): Promise<{ readonly call: string; readonly sources: readonly string[] }[]> {
  const read = await readIfThere(context, executionId); // an index may lag behind
  if (read === undefined) return [];
  return [...lineageOf(read.entries).calls.values()].flatMap(({ id: call, loads }) => {
    const sources = loads.filter((load) => load.from === from).map((load) => load.call);
    return sources.length === 0 ? [] : [{ call, sources }];
  });
}
