import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { type FlowDefinition, registry } from "../core/engine/definitions.ts";
import { KitaruUsageError } from "../core/errors.ts";
import { loadConfigFlows } from "./config-flows.ts";
import { loadModule } from "./load-module.ts";

/** Find the flow that `FILE:FLOW` names: by the flow's name, or by the name of its export. */
export async function loadFlowTarget(target: string, cwd: string): Promise<FlowDefinition> {
  const { file, name } = await splitTarget(target, cwd);
  const exports = await loadModule(file, () => name !== undefined && named(name) !== undefined);
  const found = name === undefined ? onlyFlow(file) : (named(name) ?? exported(exports, name));
  if (found !== undefined) return found;
  throw notFound(file, name, exports);
}

/**
 * File and flow of `FILE:FLOW`, of `FILE` alone, or of the name of a flow in the modules of the config.
 * Throws a usage error when there is none.
 */
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
  if (found === undefined && !hasName && /^[A-Za-z][A-Za-z0-9_-]*$/.test(path))
    return configFlow(path, file);
  if (found === undefined) throw new KitaruUsageError(`There is no file ${file}.`);
  if (!found.isFile()) throw new KitaruUsageError(`${file} is not a file. Write FILE:FLOW.`);
  return { file, name };
}

async function configFlow(
  name: string,
  file: string,
): Promise<{ readonly file: string; readonly name: string }> {
  const { files, flows } = await loadConfigFlows();
  const found = named(name);
  if (found?.source !== undefined) return { file: found.source, name: found.name };
  throw new KitaruUsageError(
    `There is no file ${file}, and ${
      files.length === 0
        ? 'no flow that the config names by its module (flows: ["./flows/*.ts"])'
        : `no flow "${name}" in the modules of the config, which define: ${flows.join(", ")}`
    }. Write FILE:FLOW.`,
  );
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
