import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { gcpPackages } from "../../adapters/gcp/sdk.ts";

/** The functions framework that Google's builder installs beside the bundle. */
const framework = "5.0.5";

/**
 * Write what is uploaded as the functions' source: their bundle, and the package file Google's builder reads. An entry loads
 * at once, and chunks, Google's client of executions among them, when they are first needed.
 * @throws TypeError when the bundle cannot be made, such as without Google's packages
 */
export function bundleFunctions(folder: string): void {
  try {
    writeBundle(folder);
  } catch (error) {
    throw new TypeError(
      `The functions cannot be bundled: ${String(error)}. They need these packages: npm install ${gcpPackages.join(" ")}`,
      { cause: error },
    );
  }
  const description = {
    name: "kitaru-functions",
    private: true,
    type: "module",
    main: "index.mjs",
    engines: { node: ">=22" },
    dependencies: { "@google-cloud/functions-framework": framework },
  };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(description, undefined, 2)}\n`);
}

function writeBundle(folder: string): void {
  buildSync({
    entryPoints: { index: entry() },
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node22",
    minify: true,
    legalComments: "none",
    banner: {
      // what is bundled may still ask for Node's own modules, and for where it is, the old way
      js: 'import{createRequire as __kitaruRequire}from"node:module";const require=__kitaruRequire(import.meta.url),{dirname:__dirname,filename:__filename}=import.meta;',
    },
    logLevel: "silent",
  });
}

/** From the sources and from the built package alike, where this may be in any chunk. */
function entry(): string {
  const built = import.meta.url.lastIndexOf("/dist/");
  const root =
    built === -1 ? new URL("../../", import.meta.url) : import.meta.url.slice(0, built + 6);
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return fileURLToPath(new URL(`adapters/gcp/handler.${extension}`, root));
}
