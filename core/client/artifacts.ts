import type { EngineContext } from "../engine/context.ts";
import type { Runtime } from "../engine/runtime.ts";
import { KitaruStateError, KitaruUsageError } from "../errors.ts";
import type { ValueRef } from "../journal/values.ts";
import {
  type ArtifactHistoryOptions,
  type KeptArtifact,
  historyOf,
  listHistory,
} from "./artifact-history.ts";
import { artifactsOf } from "./artifact-view.ts";
import type { ArtifactView } from "./execution.ts";
import { type ReadExecution, readExecution, readIfThere } from "./reading.ts";

/** Which artifacts of an execution to list. */
export interface ArtifactListOptions {
  /** Only those of this call. */
  readonly call?: string;
  readonly name?: string;
  readonly type?: string;
}

/** Names an artifact: what an execution kept last under a name, or what any execution of a flow did. */
export type ArtifactChoice =
  | { readonly execution: string; readonly name: string; readonly version?: undefined }
  | {
      readonly flow: string;
      readonly name: string;
      /** First characters of {@link ArtifactView.version}, at least 8. @default the newest */
      readonly version?: string;
    };

/** An artifact with its value. */
export interface ReadArtifact {
  readonly info: ArtifactView;
  readonly value: unknown;
}

/** Finds and reads the named values executions have kept. */
export class Artifacts {
  readonly #open: () => Promise<Runtime>;

  constructor(open: () => Promise<Runtime>) {
    this.#open = open;
  }

  /** Artifacts of an execution, oldest first; no value is read. */
  async list(executionId: string, options?: ArtifactListOptions): Promise<ArtifactView[]>;
  /** Artifacts of all executions of a flow, newest execution first; no value is read. */
  async list(options: ArtifactHistoryOptions): Promise<KeptArtifact[]>;
  async list(
    from: string | ArtifactHistoryOptions,
    { call, name, type }: ArtifactListOptions = {},
  ): Promise<ArtifactView[]> {
    const { context } = await this.#open();
    if (typeof from !== "string") return listHistory(context, from);
    const { entries } = await readExecution(context, from);
    return artifactsOf(from, entries)
      .map(({ info }) => info)
      .filter(
        (info) =>
          (call ?? info.callId) === info.callId &&
          (name ?? info.name) === info.name &&
          (type ?? info.type) === info.type,
      );
  }

  /**
   * Value of an artifact by its id, by execution and name, or by flow and name; the result of a call by
   * `EXECUTION/CALL`. Throws a state error (`not_found`) when there is none.
   */
  async get(artifact: string | ArtifactChoice): Promise<unknown> {
    const { context } = await this.#open();
    const ref =
      typeof artifact === "string"
        ? await refById(context, artifact)
        : (await choose(context, artifact)).ref;
    return context.values.get(ref);
  }

  /** Like {@link Artifacts.get}, with what is known of the artifact. */
  async find(choice: ArtifactChoice): Promise<ReadArtifact> {
    const { context } = await this.#open();
    const { info, ref } = await choose(context, choice);
    return { info, value: await context.values.get(ref) };
  }
}

interface ChosenArtifact {
  readonly info: ArtifactView;
  readonly ref: ValueRef;
}

function choose(context: EngineContext, choice: ArtifactChoice): Promise<ChosenArtifact> {
  return "flow" in choice ? chooseOfFlow(context, choice) : chooseOfExecution(context, choice);
}

async function chooseOfExecution(
  context: EngineContext,
  { execution, name }: Extract<ArtifactChoice, { execution: string }>,
): Promise<ChosenArtifact> {
  const { entries } = await readExecution(context, execution);
  const all = artifactsOf(execution, entries);
  const last = all.findLast(({ info }) => info.name === name);
  if (last !== undefined) return last;
  const names = new Set(all.map(({ info }) => info.name));
  throw new KitaruStateError(
    `Execution ${execution} has no artifact named "${name}". It has: ${[...names].join(", ") || "none"}.`,
    { code: "not_found" },
  );
}

const shortestVersion = /^[0-9a-f]{8,64}$/;

async function chooseOfFlow(
  context: EngineContext,
  { flow, name, version }: Extract<ArtifactChoice, { flow: string }>,
): Promise<ChosenArtifact> {
  if (version !== undefined && !shortestVersion.test(version))
    throw new KitaruUsageError(
      `${JSON.stringify(version)} is not a version of an artifact. A version is at least the first 8 characters of the hash that \`kitaru artifacts list --flow ${flow} --name ${name}\` shows.`,
    );
  for await (const found of historyOf(context, { flow, name }))
    if (version === undefined || found.info.version.startsWith(version)) return found;
  throw new KitaruStateError(
    `No execution of flow "${flow}" has kept ${version === undefined ? "an" : `version ${version} of an`} artifact named "${name}". \`kitaru artifacts list --flow ${flow}\` shows what there is.`,
    { code: "not_found" },
  );
}

async function refById(context: EngineContext, id: string): Promise<ValueRef> {
  const executions = executionsIn(id);
  for (const executionId of executions) {
    const execution = await readIfThere(context, executionId);
    const ref = execution === undefined ? undefined : findRef(execution, executionId, id);
    if (ref !== undefined) return ref;
  }
  throw new KitaruStateError(
    `There is no artifact "${id}". \`kitaru artifacts list ${executions.at(-1) ?? ""}\` shows what there is.`,
    { code: "not_found" },
  );
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
