import type { Runtime } from "../engine/runtime.ts";
import { noteFlow } from "../engine/start.ts";
import { KitaruUsageError } from "../errors.ts";
import { checkPlan } from "../plan/check.ts";
import type { Manifest } from "../plan/manifest.ts";
import { buildPlan } from "../plan/plan.ts";
import { type FlowDocument, changeFlow, readFlow } from "./flow-document.ts";
import { publishVersion, reserveVersion } from "./tags.ts";

/** A version that was deployed to another stack. */
export interface ForeignVersion {
  readonly flow: string;
  /** Hash of its bundle, which this stack has. */
  readonly bundle: string;
  readonly manifest: Manifest;
  /** Hash of the manifest, which this stack has. */
  readonly hash: string;
}

/**
 * Number of the version of a flow that has this bundle; where there is none, a new one without any tag.
 * Throws a usage error for what the stack cannot do.
 */
export async function adoptVersion(runtime: Runtime, foreign: ForeignVersion): Promise<number> {
  const { context } = runtime;
  const { flow, bundle, manifest, hash } = foreign;
  const known = versionWith(await readFlow(context, flow), bundle);
  if (known !== undefined) return known;
  await noteFlow(context, flow);
  let version = 0;
  await changeFlow(context, flow, (document) => {
    version = document.next;
    return reserveVersion(document, context.clock.now());
  });
  await runtime.backend.orchestrator.publish?.(buildPlan(manifest));
  await changeFlow(context, flow, (document) =>
    publishVersion(flow, document, version, {
      at: Date.parse(manifest.createdAt),
      bundle,
      manifest: hash,
      tags: [],
    }),
  );
  return version;
}

/** Throw a usage error for what a stack cannot do of a version. */
export function checkForeign(
  { stack, backend }: Runtime,
  { flow, manifest }: Pick<ForeignVersion, "flow" | "manifest">,
): void {
  const problems = checkPlan(buildPlan(manifest), backend.capabilities);
  if (problems.length === 0) return;
  throw new KitaruUsageError(
    `Flow "${flow}" cannot run on stack "${stack}". ${problems.join(" ")}`,
    { details: { problems } },
  );
}

function versionWith({ versions }: FlowDocument, bundle: string): number | undefined {
  const found = Object.entries(versions).find(
    ([, record]) => record.state === "ready" && record.bundle === bundle,
  );
  return found === undefined ? undefined : Number(found[0]);
}
