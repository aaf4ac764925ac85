import { Buffer } from "node:buffer";
import type { Registry } from "../engine/definitions.ts";
import type { Runtime } from "../engine/runtime.ts";
import { noteFlow } from "../engine/start.ts";
import { KitaruUsageError } from "../errors.ts";
import { sha256Hex } from "../hash.ts";
import { packageVersion } from "../package-version.ts";
import type { ModelRegistry } from "../ports/model.ts";
import { checkPlan } from "../plan/check.ts";
import type { Manifest } from "../plan/manifest.ts";
import { type Plan, buildPlan } from "../plan/plan.ts";
import { type Bundle, buildBundle } from "./bundle.ts";
import type { LoadedBundle } from "./bundle-loader.ts";
import { loadBundle } from "./bundle-source.ts";
import { bundleContent, manifestContent, sourceMapKey } from "./content.ts";
import { describeDefinitions } from "./describe.ts";
import { type Deployment, deploymentOf } from "./deployment.ts";
import { changeFlow } from "./flow-document.ts";
import { gitCommit } from "./git-commit.ts";
import { checkTag, publishVersion, reserveVersion, tagsFor } from "./tags.ts";

/** What to deploy. */
export interface DeployParams {
  /** Module that defines the flows: a path, or `import.meta.url` in it. */
  readonly entry: string | URL;
  /** Names of the flows, or of their exports. @default every flow the module exports */
  readonly flows?: readonly string[];
  /** Tag the new version gets; `false`: none, not even `default`. */
  readonly tag?: string | false;
}

/** A module that was bundled and loaded, and can be deployed. */
export interface BuiltModule {
  readonly bundle: Bundle;
  readonly registry: Registry;
  /** The flows that were asked for. */
  readonly flows: readonly string[];
}

/**
 * Make a new version of each flow of a module. Throws a usage error for a module that cannot be bundled, a flow it does
 * not define, or what the stack cannot do. Interrupted at any point it leaves nothing that could be started.
 */
export async function deploy(runtime: Runtime, params: DeployParams): Promise<Deployment[]> {
  checkWanted(params.tag);
  const module = await buildModule({ ...params, models: runtime.context.programModels });
  if (module.flows.length === 0)
    throw new KitaruUsageError(
      `${module.bundle.entry} defines no flow. Define one: export const hello = flow("hello", async () => …);`,
    );
  return deployModule(runtime, module, params.tag);
}

/** What is built, with the models of the config it is built under. */
export type BuildParams = Pick<DeployParams, "entry" | "flows"> & {
  readonly models: ModelRegistry;
};

/** Bundle and load a module, and find the flows that are meant. */
export async function buildModule({ entry, flows, models }: BuildParams): Promise<BuiltModule> {
  const bundle = await buildBundle(entry, models);
  const loaded = await loadBundle(bundle);
  return { bundle, registry: loaded.registry, flows: chooseFlows(bundle, loaded, flows) };
}

/** What a module's flows need of a stack, without one. Throws a usage error for a module that cannot be bundled. */
export async function planModule(params: BuildParams): Promise<{
  readonly plan: Plan;
  readonly flows: readonly string[];
  readonly checkpoints: number;
}> {
  const { bundle, registry, flows } = await buildModule(params);
  const described = describeDefinitions(registry);
  const plan = buildPlan({ bundle, ...described });
  return { plan, flows, checkpoints: described.checkpoints.length };
}

/** Make a new version of each chosen flow of a module that was built. */
export async function deployModule(
  runtime: Runtime,
  { bundle, registry, flows }: BuiltModule,
  tag: DeployParams["tag"],
): Promise<Deployment[]> {
  checkWanted(tag);
  const manifest = await describeBundle(runtime, bundle, registry);
  const plan = buildPlan(manifest);
  const problems = checkPlan(plan, runtime.backend.capabilities);
  if (problems.length > 0)
    throw new KitaruUsageError(
      `${bundle.entry} cannot be deployed to stack "${runtime.stack}". ${problems.join(" ")}`,
      { details: { problems } },
    );
  const reserved: Reserved[] = [];
  for (const flow of flows) reserved.push(await reserve(runtime, flow));
  const manifestHash = await store(runtime, bundle, manifest);
  await runtime.backend.orchestrator.publish?.(plan);
  const deployments: Deployment[] = [];
  for (const one of reserved)
    deployments.push(await publish(runtime, one, { bundle, manifest, manifestHash, tag }));
  return deployments;
}

function checkWanted(tag: DeployParams["tag"]): void {
  if (tag !== undefined && tag !== false) checkTag(tag);
}

function chooseFlows(
  { entry }: Bundle,
  { registry, exports }: LoadedBundle,
  wanted: readonly string[] | undefined,
): readonly string[] {
  const names = registry.flowNames();
  if (wanted === undefined) {
    const exported = names.filter((name) => exportsOf(exports, name).length > 0);
    return exported.length === 0 ? names : exported;
  }
  return [...new Set(wanted.map((name) => flowNamed(entry, names, exports, name)))];
}

function flowNamed(
  entry: string,
  names: readonly string[],
  exports: LoadedBundle["exports"],
  wanted: string,
): string {
  const found =
    names.find((name) => name === wanted) ??
    names.find((name) => exportsOf(exports, name).includes(wanted));
  if (found !== undefined) return found;
  throw new KitaruUsageError(
    `${entry} defines no flow "${wanted}". ${names.length === 0 ? "It defines none." : `It defines: ${names.join(", ")}.`}`,
  );
}

/** Names under which a module exports a flow. */
function exportsOf(exports: LoadedBundle["exports"] = {}, flow: string): readonly string[] {
  return Object.keys(exports).filter((name) => {
    const value = exports[name];
    return typeof value === "function" && "definition" in value && value.name === flow;
  });
}

async function describeBundle(
  { context }: Runtime,
  { hash, code, entry, folder, warnings }: Bundle,
  registry: Registry,
): Promise<Manifest> {
  const commit = await gitCommit(folder);
  return {
    format: 1,
    bundle: { hash, bytes: code.byteLength },
    engine: await packageVersion(),
    createdAt: new Date(context.clock.now()).toISOString(),
    entry,
    ...(commit === undefined ? {} : { commit }),
    warnings,
    ...describeDefinitions(registry),
  };
}

interface Reserved {
  readonly flow: string;
  readonly version: number;
}

/** The flow is noted first: what lists flows must find every version that was ever begun. */
async function reserve({ context }: Runtime, flow: string): Promise<Reserved> {
  await noteFlow(context, flow);
  let version = 0;
  await changeFlow(context, flow, (document) => {
    version = document.next;
    return reserveVersion(document, context.clock.now());
  });
  return { flow, version };
}

/** Put what a version is made of into the bucket; resolves to the hash of the manifest. */
async function store({ backend }: Runtime, bundle: Bundle, manifest: Manifest): Promise<string> {
  const text = Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
  const hash = sha256Hex(text);
  const { key, contentType } = bundleContent(bundle.hash);
  const described = manifestContent(hash);
  await backend.blobs.put(sourceMapKey(bundle.hash), bundle.map, {
    contentType: "application/json",
  });
  await backend.blobs.put(key, bundle.code, { contentType });
  await backend.blobs.put(described.key, text, { contentType: described.contentType });
  return hash;
}

interface Published {
  readonly bundle: Bundle;
  readonly manifest: Manifest;
  readonly manifestHash: string;
  readonly tag: string | false | undefined;
}

async function publish(
  { context, stack }: Runtime,
  { flow, version }: Reserved,
  { bundle, manifest, manifestHash, tag }: Published,
): Promise<Deployment> {
  const document = await changeFlow(context, flow, (found) =>
    publishVersion(flow, found, version, {
      at: Date.parse(manifest.createdAt),
      bundle: bundle.hash,
      manifest: manifestHash,
      tags: tagsFor(found, tag),
    }),
  );
  return deploymentOf({ flow, version, document, manifest, stack });
}
