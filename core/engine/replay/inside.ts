import { KitaruStateError } from "../../errors.ts";
import type { EngineContext } from "../context.ts";
import { load } from "../session.ts";
import { type Selector, parseSelector } from "./selectors.ts";
import { type ReplaySource, childOf } from "./source.ts";

/** A call of a child flow, however deep. */
interface Inside {
  /** Call of the replayed execution in which it is. */
  readonly within: string;
  /** Execution that called it. */
  readonly executionId: string;
}

type Children = Pick<ReplaySource, "state" | "child">;

/**
 * Refuse selectors that name what only child flows of the source call: nothing of the replay itself would ever ask for it.
 * Throws a state error that says where it is, and what to do instead.
 */
export async function checkNotInside(
  context: EngineContext,
  source: ReplaySource,
  texts: readonly string[],
): Promise<void> {
  for (const text of texts) {
    const selector = parseSelector(text);
    if (selector === undefined || has(source, selector)) continue;
    const found = await findInside(context, source, selector);
    if (found === undefined) continue;
    const { within, executionId } = found;
    throw new KitaruStateError(
      `"${text}" names a call of the child flow ${within} (execution ${executionId}), and what a replay is given reaches the calls of the replayed execution alone. Give the child's result with an override of ${within}, or replay the child by itself: \`kitaru executions replay ${executionId}\`.`,
      { details: { call: within, execution: executionId } },
    );
  }
}

function has({ state }: Children, { name, id, kind }: Selector): boolean {
  if (id !== undefined && state.known.has(id)) return true;
  for (const call of state.known.values())
    if (call.name === name && (kind === undefined || kind === call.kind)) return true;
  for (const entries of state.llms.values())
    if (entries.some((entry) => entry.name === name)) return kind === undefined || kind === "llm";
  return false;
}

/** Looks into one child of each name: those of a name run the same flow. */
async function findInside(
  context: EngineContext,
  source: Children,
  selector: Selector,
): Promise<Inside | undefined> {
  const seen = new Set<string>();
  for (const { id: within, kind, name } of source.state.known.values()) {
    const executionId = kind === "flow" ? source.child(within) : undefined;
    if (executionId === undefined || seen.has(name)) continue;
    seen.add(name);
    const { state } = (await load(context, executionId)).journal;
    const child: Children = { state, child: (id) => childOf(state, id) };
    if (has(child, selector)) return { within, executionId };
    const deeper = await findInside(context, child, selector);
    if (deeper !== undefined) return { ...deeper, within };
  }
  return undefined;
}
