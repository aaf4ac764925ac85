import { glob } from "node:fs/promises";
import { join } from "node:path";
import { registry } from "../core/engine/definitions.ts";
import { KitaruUsageError } from "../core/errors.ts";
import { currentConfig } from "../core/stacks.ts";
import { loadModule } from "./load-module.ts";

/** Flows of a project, and the files that define them. */
export interface ConfigFlows {
  readonly files: readonly string[];
  readonly flows: readonly string[];
}

/** Load the modules the config names under `flows`. Throws a usage error for a pattern without files. */
export async function loadConfigFlows(): Promise<ConfigFlows> {
  const files = await configFlowFiles();
  for (const one of files) await loadModule(one);
  return { files, flows: registry.flowNames() };
}

/** The files the config names under `flows`, by name. Throws a usage error for a pattern without files. */
export async function configFlowFiles(): Promise<string[]> {
  const { config, root, file } = await currentConfig();
  const files = new Set<string>();
  for (const pattern of config.flows ?? []) {
    const before = files.size;
    for await (const found of glob(pattern, { cwd: root })) files.add(join(root, found));
    if (files.size === before)
      throw new KitaruUsageError(
        `\`flows\` of ${file ?? "the config"} names ${JSON.stringify(pattern)}, which matches no file below ${root}.`,
      );
  }
  return [...files].toSorted();
}
