import type { EngineContext } from "../engine/context.ts";
import { type CallLineage, type Lineage, lineageOf } from "./lineage-facts.ts";
import { type ReadExecution, readIfThere } from "./reading.ts";

/** Most executions that are read to find the question of a reused answer: a replay may be one of a replay. */
const mostSources = 20;

/**
 * The values of an execution's calls. A replay records answers it reused without what they answered: that is looked
 * up in the execution it replays, as long as that is there.
 */
export async function readLineage(
  context: EngineContext,
  { head, entries }: Pick<ReadExecution, "head" | "entries">,
): Promise<Lineage> {
  const lineage = lineageOf(entries);
  const calls = new Map(lineage.calls);
  let missing = [...calls.values()].flatMap((call) => missingOf(call, call.id));
  let from = head.facts.replayOf?.id;
  for (let read = 0; missing.length > 0 && from !== undefined && read < mostSources; read++) {
    const source = await readIfThere(context, from);
    if (source === undefined) break;
    const known = lineageOf(source.entries).calls;
    missing = missing.flatMap(({ id, source: place }) => {
      const found = known.get(place);
      const call = calls.get(id);
      if (found === undefined || call === undefined) return [];
      calls.set(id, { ...call, inputs: found.inputs });
      return missingOf(found, id);
    });
    from = source.head.facts.replayOf?.id;
  }
  return { ...lineage, calls };
}

/** A call of the replay whose question is at another call of its source. */
interface Missing {
  readonly id: string;
  readonly source: string;
}

function missingOf({ kind, source, inputs }: CallLineage, id: string): Missing[] {
  return kind !== "wait" || source === undefined || inputs.length > 0 ? [] : [{ id, source }];
}
