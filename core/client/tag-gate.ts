import { readFlow } from "../deployments/flow-document.ts";
import { chooseVersion, defaultTag } from "../deployments/tags.ts";
import { type MovedTag, tagVersion } from "../deployments/versions.ts";
import type { Runtime } from "../engine/runtime.ts";
import { KitaruDivergenceError } from "../errors.ts";
import type { ReplayCheck } from "./replay-check.ts";
import { replayCheck } from "./replay-checking.ts";

/** Which version a tag is to name, and what has to hold before. */
export interface TagOptions {
  readonly version: number;
  /**
   * Move the tag only if the version does what executions have recorded of the one that has the tag now; of the
   * one tagged `default`, when none has it. @default false
   */
  readonly gate?: boolean | { readonly last?: number };
}

/** A move that has to pass the gate. */
export interface GatedMove {
  readonly flow: string;
  readonly tag: string;
  readonly version: number;
  /** Most executions that are checked. */
  readonly last?: number;
}

/** Check a move; undefined where there is nothing it could be checked against. */
export async function checkMove(
  runtime: Runtime,
  { flow, tag, version, last }: GatedMove,
): Promise<{ readonly previous: number | undefined; readonly check?: ReplayCheck }> {
  const document = await readFlow(runtime.context, flow);
  chooseVersion(flow, document, { version }); // what cannot be started is told before anything is checked
  const previous = document.tags[tag];
  const from = previous ?? document.tags[defaultTag];
  if (from === undefined || from === version) return { previous };
  const options = {
    flow,
    version: from,
    against: version,
    ...(last === undefined ? {} : { last }),
  };
  return { previous, check: await replayCheck(runtime, options) };
}

/** Move a tag if its gate is green. Throws a divergence error that says what diverges. */
export async function moveGated(runtime: Runtime, move: GatedMove): Promise<MovedTag> {
  const { flow, tag, version } = move;
  const { previous, check } = await checkMove(runtime, move);
  if (check?.ok === false) throw refusal(move, check);
  return tagVersion(runtime, flow, tag, version, { previous });
}

/** The error for a red gate. */
export function refusal(
  { flow, tag, version }: GatedMove,
  check: ReplayCheck,
): KitaruDivergenceError {
  const { checked, diverged } = check.summary;
  return new KitaruDivergenceError(
    `The tag "${tag}" of flow "${flow}" was not moved to version ${version}: ${diverged} of ${checked} executions of version ${check.version ?? ""} would go otherwise with it. \`kitaru replay-check --flow ${flow} --version ${check.version ?? ""} --against ${version}\` shows where.`,
    { details: { ...check.summary } },
  );
}
