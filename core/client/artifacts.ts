import { readEntries } from "../engine/artifacts.ts";
import type { Runtime } from "../engine/runtime.ts";
import { load } from "../engine/session.ts";
import { KitaruStateError } from "../errors.ts";
import { readHead } from "../journal/head.ts";
import { type ArtifactView, viewJournal } from "./view.ts";

/** Artifacts of one stack. */
export class Artifacts {
  readonly #open: () => Promise<Runtime>;

  constructor(open: () => Promise<Runtime>) {
    this.#open = open;
  }

  /** Artifacts of an execution, oldest first, without their values. */
  async list(
    executionId: string,
    options: { readonly name?: string; readonly type?: string } = {},
  ): Promise<ArtifactView[]> {
    const { context } = await this.#open();
    const { head } = await load(context, executionId);
    if (head === undefined)
      throw new KitaruStateError(
        `There is no execution "${executionId}" on this stack. \`kitaru executions list\` shows what there is.`,
        { code: "not_found" },
      );
    const { artifacts } = viewJournal(readHead(head), await readEntries(context, executionId));
    return artifacts.filter(
      ({ name, type }) => (options.name ?? name) === name && (options.type ?? type) === type,
    );
  }

  /** Value of an artifact by its id (`executionId/callId/name`). Throws a state error (`not_found`) when there is none. */
  async get(id: string): Promise<unknown> {
    const [executionId, callId, name] = splitId(id);
    const found = (await this.list(executionId)).filter(
      (artifact) => artifact.id === `${executionId}/${callId}/${name}`,
    );
    const last = found.at(-1);
    if (last === undefined)
      throw new KitaruStateError(
        `There is no artifact "${id}". \`kitaru artifacts list ${executionId}\` shows what there is.`,
        { code: "not_found" },
      );
    return (await this.#open()).context.values.get(last.ref);
  }
}

/** The execution id of a child flow has slashes of its own. */
function splitId(id: string): [string, string, string] {
  const parts = id.split("/");
  const name = parts.at(-1) ?? "";
  const callId = parts.at(-2) ?? "";
  const executionId = parts.slice(0, -2).join("/");
  if (executionId === "")
    throw new KitaruStateError(
      `"${id}" is not the id of an artifact. An id looks like EXECUTION/CALL/NAME.`,
    );
  return [executionId, callId, name];
}
