import { createHash } from "node:crypto";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { KitaruUsageError, messageOf } from "../../core/errors.ts";
import { hostSettings } from "./host.ts";
import { functionPackages } from "./sdk.ts";

/** What the function app runs: the engine and the functions, no flow. Flows come with their bundles. */
export interface AppPackage {
  /** By name, in order. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** SHA-256 of names and contents. */
  readonly hash: string;
}

/** Bundle the functions, with everything they need: nothing is installed where they run. */
export async function buildApp(): Promise<AppPackage> {
  const manifest = { name: "kitaru-app", private: true, type: "module", main: "index.mjs" };
  const files = new Map([
    ["host.json", json(hostSettings)],
    ["package.json", json(manifest)],
    ...(await bundleFunctions()),
  ]);
  const hash = createHash("sha256");
  for (const [name, bytes] of files) hash.update(`${name}\0${bytes.byteLength}\0`).update(bytes);
  return { files, hash: hash.digest("hex") };
}

/** An entry that loads at once, and chunks that are loaded when first needed. */
async function bundleFunctions(): Promise<[name: string, bytes: Uint8Array][]> {
  const { build } = await import("esbuild");
  const folder = fileURLToPath(new URL("./app", import.meta.url));
  try {
    const { outputFiles } = await build({
      stdin: {
        contents: `import { registerFunctions } from ${JSON.stringify(functionsFile())}; registerFunctions();`,
        resolveDir: process.cwd(),
      },
      outdir: folder,
      entryNames: "index",
      outExtension: { ".js": ".mjs" },
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      target: "node22",
      minify: true,
      legalComments: "none",
      write: false,
      // lent by the process that runs the functions
      external: ["@azure/functions-core"],
      banner: {
        // what is bundled may still ask for Node's own modules the old way
        js: 'import{createRequire as __kitaruRequire}from"node:module";const require=__kitaruRequire(import.meta.url);',
      },
      logLevel: "silent",
    });
    return outputFiles
      .map(({ path, contents }): [string, Uint8Array] => [relative(folder, path), contents])
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
  } catch (error) {
    throw new KitaruUsageError(
      `The functions of the app cannot be bundled: ${messageOf(error)}. They need these packages: npm install ${functionPackages.join(" ")}`,
      { cause: error },
    );
  }
}

/** From the sources and from the built package alike, where this may be in any chunk. */
function functionsFile(): string {
  const built = import.meta.url.lastIndexOf("/dist/");
  const root =
    built === -1 ? new URL("../../", import.meta.url) : import.meta.url.slice(0, built + 6);
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return fileURLToPath(new URL(`adapters/azure/handler-functions.${extension}`, root));
}

function json(value: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);
}
