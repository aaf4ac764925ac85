import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type FlowDefinition, registry } from "../core/engine/definitions.ts";
import { loadDefinitions } from "../core/engine/loading.ts";
import { KitaruUsageError } from "../core/errors.ts";
import { loadFailureOf } from "../core/load-failure.ts";

/** A module that awaits something of its own at its top level is not waited for beyond this. */
const longestLoadMs = 5000;

/** Find the flow that `FILE:FLOW` names: by the flow's name, or by the name of its export. */
export async function loadFlowTarget(target: string, cwd: string): Promise<FlowDefinition> {
  const { file, name } = await splitTarget(target, cwd);
  const exports = await loadModule(file, () => name !== undefined && named(name) !== undefined);
  const found = name === undefined ? onlyFlow(file) : (named(name) ?? exported(exports, name));
  if (found !== undefined) return found;
  throw notFound(file, name, exports);
}

/**
 * Load a module for what it defines; undefined when it goes on with something of its own after that.
 * Throws a usage error when there is no such file, or when it cannot be loaded.
 */
export async function loadModule(
  file: string,
  isEnough: () => boolean = () => false,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const start = Date.now();
  let exports: Record<string, unknown> | undefined;
  const load = async (): Promise<void> => {
    exports = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  };
  const isStuck = (): boolean =>
    Date.now() - start > longestLoadMs && registry.flowNames().length > 0;
  try {
    await loadDefinitions(load, () => isEnough() || isStuck());
  } catch (error) {
    throw new KitaruUsageError(`${file} cannot be loaded: ${loadFailureOf(error)}`, {
      cause: error,
    });
  }
  return exports;
}

/** File and flow of `FILE:FLOW`, or of `FILE` alone. Throws a usage error when there is no such file. */
export async function splitTarget(
  target: string,
  cwd: string,
): Promise<{ readonly file: string; readonly name: string | undefined }> {
  const colon = target.lastIndexOf(":");
  const hasName = colon > 1; // a single letter before it is a drive
  const path = hasName ? target.slice(0, colon) : target;
  const name = hasName ? target.slice(colon + 1) : undefined;
  if (path === "" || name === "")
    throw new KitaruUsageError(
      `"${target}" does not name a flow. Write FILE:FLOW, such as flows/review.ts:review_flow.`,
    );
  const file = resolve(cwd, path);
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) throw new KitaruUsageError(`There is no file ${file}.`);
  if (!found.isFile()) throw new KitaruUsageError(`${file} is not a file. Write FILE:FLOW.`);
  return { file, name };
}

function named(name: string): FlowDefinition | undefined {
  const exact = registry.flow(name);
  if (exact !== undefined) return exact;
  const similar = registry.flowNames().filter((one) => plain(one) === plain(name));
  return similar.length === 1 ? registry.flow(similar[0] ?? "") : undefined;
}

/** `reviewFlow`, `review-flow` and `review_flow` are one name to a person. */
function plain(name: string): string {
  return name.replaceAll(/[_-]/g, "").toLowerCase();
}

function exported(
  exports: Readonly<Record<string, unknown>> | undefined,
  name: string,
): FlowDefinition | undefined {
  const definition = definitionOf(exports?.[name]);
  return definition === undefined ? undefined : registry.flow(definition.name);
}

function definitionOf(value: unknown): { readonly name: string } | undefined {
  if (typeof value !== "function" || !("definition" in value)) return undefined;
  const { definition } = value;
  const isFlow =
    typeof definition === "object" &&
    definition !== null &&
    "kind" in definition &&
    definition.kind === "flow" &&
    "name" in definition &&
    typeof definition.name === "string";
  return isFlow ? { name: String(definition.name) } : undefined;
}

function onlyFlow(file: string): FlowDefinition | undefined {
  const names = registry.flowNames().filter((name) => registry.flow(name)?.source === file);
  return names.length === 1 ? registry.flow(names[0] ?? "") : undefined;
}

function notFound(
  file: string,
  name: string | undefined,
  exports: Readonly<Record<string, unknown>> | undefined,
): KitaruUsageError {
  const names = registry.flowNames();
  const foreign = Object.values(exports ?? {}).flatMap((value) => definitionOf(value)?.name ?? []);
  if (names.length === 0 && foreign.length > 0)
    return new KitaruUsageError(
      `${file} defines flows (${foreign.join(", ")}) with another copy of the kitaru package than this program's. Run the kitaru command of that project: npx kitaru.`,
    );
  if (names.length === 0)
    return new KitaruUsageError(
      `${file} defines no flow. Define one: export const hello = flow("hello", async () => …);`,
    );
  const first =
    name === undefined ? `Which flow of ${file}?` : `${file} defines no flow "${name}".`;
  return new KitaruUsageError(`${first} It defines: ${names.join(", ")}.`);
}
