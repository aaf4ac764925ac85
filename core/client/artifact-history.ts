import type { EngineContext } from "../engine/context.ts";
import { KitaruUsageError } from "../errors.ts";
import { type Head, isEnd, mayHave } from "../journal/head.ts";
import { type ArtifactRef, artifactsOf } from "./artifact-view.ts";
import type { ArtifactView } from "./execution.ts";
import { checkLimit, headsOf, sortOf } from "./listing.ts";
import { readIfThere } from "./reading.ts";

/** Which artifacts of all executions of a flow to list. */
export interface ArtifactHistoryOptions {
  readonly flow: string;
  readonly name?: string;
  readonly type?: string;
  /** Most artifacts of a page, from 1 to 1000. @default 20 */
  readonly limit?: number;
  /** Continue after the artifact that has this cursor; from {@link KeptArtifact.cursor}. */
  readonly cursor?: string;
}

/** An artifact among those of all executions of a flow. */
export interface KeptArtifact extends ArtifactView {
  /** For continuing a list after this artifact. */
  readonly cursor: string;
}

/** An artifact of a flow and where its value is. */
interface FoundArtifact {
  readonly info: KeptArtifact;
  readonly ref: ArtifactRef["ref"];
}

const defaultLimit = 20;
/** Heads are small, and most may have nothing of interest. */
const headsAtOnce = 100;

/** Artifacts of all executions of a flow: the newest execution first, of each what was kept last first. */
export async function listHistory(
  context: EngineContext,
  options: ArtifactHistoryOptions,
): Promise<KeptArtifact[]> {
  const { limit = defaultLimit } = options;
  checkLimit(limit);
  const items: KeptArtifact[] = [];
  for await (const { info } of historyOf(context, options)) {
    items.push(info);
    if (items.length === limit) break;
  }
  return items;
}

/** Like {@link listHistory} without a limit, one after the other. No journal is read before it is needed. */
export async function* historyOf(
  context: EngineContext,
  options: Omit<ArtifactHistoryOptions, "limit">,
): AsyncGenerator<FoundArtifact> {
  const { flow, name, type } = options;
  const { before, skip, execution } = readCursor(options.cursor);
  for await (const head of headsOf(context, flow, { before, atOnce: headsAtOnce })) {
    if (name !== undefined && !mayKeep(head, name)) continue;
    const sort = sortOf(head.facts);
    const found = await artifactsIn(context, head.facts.id);
    const wanted = found
      .filter(({ info }) => (name ?? info.name) === info.name && (type ?? info.type) === info.type)
      .toReversed();
    for (const [index, { info, ref }] of wanted.entries())
      if (sort !== execution || index >= skip)
        yield { info: { ...info, cursor: `${sort}~${index + 1}` }, ref };
  }
}

async function artifactsIn(context: EngineContext, id: string): Promise<ArtifactRef[]> {
  const read = await readIfThere(context, id); // an index may lag behind
  return read === undefined ? [] : artifactsOf(id, read.entries);
}

/** Prompts and responses are not among the names of a head, nor is what came after it was written. */
function mayKeep({ view, dueAt }: Head, name: string): boolean {
  const isFinal = isEnd(view.status) && dueAt === undefined;
  return !isFinal || /_(?:prompt|response)$/.test(name) || mayHave(view.saved, name);
}

interface Position {
  /** Sort key among the executions of the flow, exclusive. */
  readonly before?: string;
  /** Execution that was listed in part, and how many of its artifacts were. */
  readonly execution?: string;
  readonly skip: number;
}

function readCursor(cursor: string | undefined): Position {
  if (cursor === undefined) return { skip: 0 };
  const [, execution, skip] = /^(\d{15}\/.+)~(\d+)$/.exec(cursor) ?? [];
  if (execution === undefined)
    throw new KitaruUsageError(
      `${JSON.stringify(cursor)} is not a cursor of this list. Pass the \`cursor\` of the last artifact listed, unchanged.`,
    );
  return { before: `${execution}!`, execution, skip: Number(skip) }; // "!" comes before all an id may go on with
}
