import { Buffer } from "node:buffer";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { Registry, definingIn } from "../engine/definitions.ts";
import { loadDefinitions } from "../engine/loading.ts";
import { KitaruStateError, isKitaruError, messageOf } from "../errors.ts";
import type { ModelRegistry } from "../ports/model.ts";
import { enginesKey } from "./bundle.ts";

/** A bundle whose modules have been run in this process. */
export interface LoadedBundle {
  readonly registry: Registry;
  /** Exports of its entry; absent while that still waits for something of its own. */
  readonly exports?: Readonly<Record<string, unknown>>;
}

/** The code and, where there is one, the source map of a bundle. */
export interface BundleText {
  readonly hash: string;
  readonly code: Uint8Array;
  readonly map?: Uint8Array | undefined;
}

/** A module that awaits something of its own at its top level is not waited for beyond this. */
const longestLoadMs = 5000;

/**
 * Run the modules of a bundle, with a registry of their own. They are run from a file that is there only meanwhile and
 * that nobody else has read or written: what was verified is what runs.
 */
export async function runBundle(text: BundleText): Promise<LoadedBundle> {
  const registry = new Registry(text.hash);
  const folder = await mkdtemp(join(await realpath(tmpdir()), "kitaru-bundle-"));
  const file = join(folder, `${text.hash.slice(0, 12)}.mjs`);
  const url = pathToFileURL(file).href;
  let exports: Record<string, unknown> | undefined;
  const start = Date.now();
  try {
    await writeFile(file, withSourceMap(text), { mode: 0o600 });
    engines().set(url, await engineFor(registry, file));
    process.setSourceMapsEnabled(true); // before it is loaded: the stacks of its errors name the flow's own files
    await loadDefinitions(
      async () => {
        exports = (await import(url)) as Record<string, unknown>;
      },
      () => Date.now() - start > longestLoadMs && registry.flowNames().length > 0,
    );
  } catch (error) {
    throw unloadable(text.hash, error);
  } finally {
    engines().delete(url);
    await rm(folder, { recursive: true, force: true });
  }
  return { registry, ...(exports === undefined ? {} : { exports }) };
}

function unloadable(hash: string, error: unknown): Error {
  if (isKitaruError(error)) return error;
  return new KitaruStateError(
    `The bundle ${hash.slice(0, 12)} cannot be loaded: ${messageOf(error)}`,
    { cause: error },
  );
}

function withSourceMap({ code, map }: BundleText): Uint8Array {
  if (map === undefined) return code;
  const address = `data:application/json;base64,${Buffer.from(map).toString("base64")}`;
  return Buffer.concat([code, Buffer.from(`\n//# sourceMappingURL=${address}\n`)]);
}

/** What a bundle finds under the name it was built with. */
interface LentEngine {
  /** Exports of this package. */
  readonly kitaru: Readonly<Record<string, unknown>>;
  /** Called with the models the version was deployed with. */
  readonly useModels: (models: ModelRegistry) => void;
  readonly require: NodeJS.Require;
  readonly filename: string;
  readonly dirname: string;
}

type Engines = Map<string, LentEngine>;

function engines(): Engines {
  const key = Symbol.for(enginesKey);
  const known: unknown = Reflect.get(globalThis, key);
  if (known instanceof Map) return known as Engines;
  const made: Engines = new Map();
  Reflect.set(globalThis, key, made);
  return made;
}

/** What defines things defines them in the bundle's registry, and no bundle reconfigures the program that runs it. */
async function engineFor(registry: Registry, file: string): Promise<LentEngine> {
  const api: Readonly<Record<string, unknown>> = await import("../index.ts");
  const own = (name: string): ((...args: unknown[]) => unknown) => {
    const define = api[name] as (...args: unknown[]) => unknown;
    return (...args) => definingIn(registry, () => define(...args));
  };
  return {
    kitaru: {
      ...api,
      flow: own("flow"),
      checkpoint: own("checkpoint"),
      wait: own("wait"),
      configure: () => undefined,
    },
    useModels: (models) => {
      registry.models = models;
    },
    require: createRequire(file),
    filename: file,
    dirname: dirname(file),
  };
}
