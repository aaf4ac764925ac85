import type { Runtime } from "../engine/runtime.ts";
import { KitaruStateError, KitaruUsageError, hasCode } from "../errors.ts";
import type { ValueRef } from "../journal/values.ts";
import { artifactsOf } from "./artifact-view.ts";
import type { ArtifactView } from "./execution.ts";
import { type ReadExecution, readExecution } from "./reading.ts";

/** Which artifacts of an execution to list. */
export interface ArtifactListOptions {
  /** Only those of this call. */
  readonly call?: string;
  readonly name?: string;
  readonly type?: string;
}

/** Finds and reads the named values executions have kept. */
export class Artifacts {
  readonly #open: () => Promise<Runtime>;

  constructor(open: () => Promise<Runtime>) {
    this.#open = open;
  }

  /** Artifacts of an execution, oldest first; no value is read. */
  async list(executionId: string, options: ArtifactListOptions = {}): Promise<ArtifactView[]> {
    const { call, name, type } = options;
    const { entries } = await readExecution((await this.#open()).context, executionId);
    return artifactsOf(executionId, entries)
      .map(({ info }) => info)
      .filter(
        (info) =>
          (call === undefined || info.callId === call) &&
          (name === undefined || info.name === name) &&
          (type === undefined || info.type === type),
      );
  }

  /**
   * Value of an artifact by its id, or the result of a call by `EXECUTION/CALL`.
   * Throws a state error (`not_found`) when there is none.
   */
  async get(id: string): Promise<unknown> {
    const { context } = await this.#open();
    const executions = executionsIn(id);
    for (const executionId of executions) {
      const execution = await readIfThere(() => readExecution(context, executionId));
      const ref = execution === undefined ? undefined : findRef(execution, executionId, id);
      if (ref !== undefined) return context.values.get(ref);
    }
    throw new KitaruStateError(
      `There is no artifact "${id}". \`kitaru artifacts list ${executions.at(-1) ?? ""}\` shows what there is.`,
      { code: "not_found" },
    );
  }
}

/** The id of a child execution holds calls too, so the last call is tried first. */
function executionsIn(id: string): string[] {
  const calls = [...id.matchAll(/\/(?=[A-Za-z][A-Za-z0-9_-]*:\d+(?:\/|$))/g)];
  const executions = calls.map((call) => id.slice(0, call.index)).filter((text) => text !== "");
  if (executions.length > 0) return executions.toReversed();
  throw new KitaruUsageError(
    `"${id}" is not the id of an artifact. An id looks like EXECUTION/CALL/NAME, as \`kitaru artifacts list EXECUTION\` shows it, or EXECUTION/CALL for the result of a call.`,
  );
}

async function readIfThere(read: () => Promise<ReadExecution>): Promise<ReadExecution | undefined> {
  try {
    return await read();
  } catch (error) {
    if (hasCode(error, "not_found")) return undefined;
    throw error;
  }
}

function findRef(
  { entries, loaded }: ReadExecution,
  executionId: string,
  id: string,
): ValueRef | undefined {
  const artifact = artifactsOf(executionId, entries).find(({ info }) => info.id === id);
  if (artifact !== undefined) return artifact.ref;
  const result = loaded.journal.state.outcomes.get(id.slice(executionId.length + 1))?.entry;
  return result?.t === "completed" ? result.out : undefined;
}
