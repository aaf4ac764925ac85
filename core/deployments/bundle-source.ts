import type { BundleSource } from "../engine/context.ts";
import type { Registry } from "../engine/definitions.ts";
import type { BlobStore } from "../ports/blobs.ts";
import type { BundleText, LoadedBundle } from "./bundle-loader.ts";
import { bundleContent, readContent, sourceMapKey } from "./content.ts";

/** Bundles of this process by hash: content of one hash is the same on every stack. */
const warm = new Map<string, Promise<LoadedBundle>>();
const registries = new Map<string, Registry>();

/** Loads the bundles of a stack, each once per process, and keeps them. */
export function bundleSource(blobs: BlobStore): BundleSource {
  return {
    loaded: (hash) => registries.get(hash),
    load: async (hash) => {
      const { registry } = await keep(hash, async () => {
        const [code, map] = await Promise.all([
          readContent(blobs, bundleContent(hash)),
          blobs.get(sourceMapKey(hash)),
        ]);
        return run({ hash, code, map });
      });
      return registry;
    },
  };
}

/** Load a bundle that was just built. */
export function loadBundle(text: BundleText): Promise<LoadedBundle> {
  return keep(text.hash, () => run(text));
}

function keep(hash: string, load: () => Promise<LoadedBundle>): Promise<LoadedBundle> {
  const known = warm.get(hash);
  if (known !== undefined) return known;
  const loading = load();
  warm.set(hash, loading);
  loading.then(
    ({ registry }) => registries.set(hash, registry),
    () => warm.delete(hash), // what kept it from being loaded may pass
  );
  return loading;
}

async function run(text: BundleText): Promise<LoadedBundle> {
  // loaded here: most programs never run a deployed version
  const { runBundle } = await import("./bundle-loader.ts");
  return runBundle(text);
}
