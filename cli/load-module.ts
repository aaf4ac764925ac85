import { pathToFileURL } from "node:url";
import { registry } from "../core/engine/definitions.ts";
import { loadDefinitions } from "../core/engine/loading.ts";
import { KitaruUsageError } from "../core/errors.ts";
import { loadFailureOf } from "../core/load-failure.ts";

/** A module that awaits something of its own at its top level is not waited for beyond this. */
const longestLoadMs = 5000;

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
