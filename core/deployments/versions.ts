import type { EngineContext } from "../engine/context.ts";
import type { Runtime } from "../engine/runtime.ts";
import { flowsPartition } from "../engine/start.ts";
import { KitaruStateError } from "../errors.ts";
import { isEnd, readHead } from "../journal/head.ts";
import type { Page, StoredRecord } from "../ports/records.ts";
import {
  type Deployment,
  type DeploymentSummary,
  deploymentOf,
  readManifest,
  summariesOf,
} from "./deployment.ts";
import { changeFlow, readFlow } from "./flow-document.ts";
import {
  type VersionChoice,
  checkDeletable,
  checkTag,
  chooseVersion,
  deleteVersion,
  moveTag,
  neverDeployed,
  removeTag,
} from "./tags.ts";

/** Every version of one flow, or of all, by flow and newest first. */
export async function listVersions(
  { context, stack }: Runtime,
  flow?: string,
): Promise<DeploymentSummary[]> {
  const flows = flow === undefined ? await flowNames(context) : [flow];
  const documents = await Promise.all(flows.map((name) => readFlow(context, name)));
  const items = documents.flatMap((document, index) =>
    summariesOf(flows[index] ?? "", document, stack),
  );
  if (flow !== undefined && items.length === 0) throw neverDeployed(flow);
  return items;
}

/** The version that is meant, with its manifest. */
export async function getVersion(
  { context, stack }: Runtime,
  flow: string,
  choice: VersionChoice,
): Promise<Deployment> {
  const document = await readFlow(context, flow);
  const { version, record } = chooseVersion(flow, document, choice);
  const manifest = await readManifest(context, record.manifest);
  return deploymentOf({ flow, version, document, manifest, stack });
}

/** A tag that was moved. */
export interface MovedTag {
  readonly flow: string;
  readonly tag: string;
  readonly version: number;
  /** Version it came from; absent when it is new. */
  readonly previous?: number;
}

/** A tag that was taken away. */
export interface RemovedTag {
  readonly flow: string;
  readonly tag: string;
  /** Version that had it. */
  readonly previous: number;
}

/**
 * Move a tag to a version, in one write: from whichever has it, or from `expected` alone. Throws a state error
 * (`conflict`) when another one has it then.
 */
export async function tagVersion(
  { context }: Runtime,
  flow: string,
  tag: string,
  version: number,
  expected?: { readonly previous: number | undefined },
): Promise<MovedTag> {
  checkTag(tag);
  let previous: number | undefined;
  await changeFlow(context, flow, (document) => {
    previous = document.tags[tag];
    if (expected !== undefined && previous !== expected.previous)
      throw new KitaruStateError(
        `The tag "${tag}" of flow "${flow}" was moved to version ${String(previous)} meanwhile. Look whether that is right, and try again.`,
        { code: "conflict" },
      );
    return moveTag(flow, document, tag, version);
  });
  return { flow, tag, version, ...(previous === undefined ? {} : { previous }) };
}

/** Take a tag away. */
export async function untagVersion(
  { context }: Runtime,
  flow: string,
  tag: string,
): Promise<RemovedTag> {
  let previous = 0;
  await changeFlow(context, flow, (document) => {
    const removed = removeTag(flow, document, tag);
    previous = document.tags[tag] ?? 0;
    return removed;
  });
  return { flow, tag, previous };
}

/**
 * Let a version start no more executions. Throws a state error while it holds a tag, or has executions that have not
 * ended. One that is being started at this moment may still run: its bundle stays.
 */
export async function removeVersion(
  { context }: Runtime,
  flow: string,
  version: number,
): Promise<void> {
  checkDeletable(flow, await readFlow(context, flow), version);
  await checkUnused(context, flow, version);
  await changeFlow(context, flow, (document) =>
    deleteVersion(flow, document, version, context.clock.now()),
  );
}

/** Most ids a message names. */
const mostNamed = 5;

async function checkUnused(context: EngineContext, flow: string, version: number): Promise<void> {
  const ids: string[] = [];
  const pages = pagesOf((cursor) =>
    context.backend.records.listIndex("flow", { partition: `flow/${flow}`, ...cursor }),
  );
  for await (const record of pages) {
    const { facts, view } = readHead(record);
    if (facts.version === String(version) && !isEnd(view.status)) ids.push(facts.id);
    if (ids.length > mostNamed) break;
  }
  if (ids.length === 0) return;
  const named = ids.slice(0, mostNamed).join(", ");
  throw new KitaruStateError(
    `Cannot delete version ${version} of flow "${flow}" while it has executions that have not ended: ${named}${ids.length > mostNamed ? ", …" : ""}. Wait for them, or cancel them.`,
    { details: { executions: ids.slice(0, mostNamed) } },
  );
}

async function flowNames({ backend }: EngineContext): Promise<string[]> {
  const names: string[] = [];
  const pages = pagesOf((cursor) => backend.records.list({ partition: flowsPartition, ...cursor }));
  for await (const record of pages) names.push(record.sort);
  return names;
}

async function* pagesOf(
  read: (cursor: { readonly cursor?: string }) => Promise<Page<StoredRecord>>,
): AsyncGenerator<StoredRecord> {
  for (let cursor: { readonly cursor?: string } | undefined = {}; cursor !== undefined;) {
    const page: Page<StoredRecord> = await read(cursor);
    yield* page.items;
    cursor = page.cursor === undefined ? undefined : { cursor: page.cursor };
  }
}
