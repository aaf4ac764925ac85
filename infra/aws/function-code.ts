import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Code } from "aws-cdk-lib/aws-lambda";
import { buildSync } from "esbuild";

/** Bundle the entrypoints of the runtime's functions into one folder that can be uploaded. */
export function functionCode(): Code {
  const folder = mkdtempSync(join(tmpdir(), "kitaru-functions-"));
  bundleFunctions(folder);
  return Code.fromAsset(folder);
}

/** Write the bundle into `folder`: an entry that loads at once, and chunks that are loaded when first needed. */
export function bundleFunctions(folder: string): void {
  buildSync({
    entryPoints: { index: entry() },
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    minify: true,
    legalComments: "none",
    banner: {
      // what is bundled may still ask for Node's own modules the old way
      js: 'import{createRequire as __kitaruRequire}from"node:module";const require=__kitaruRequire(import.meta.url);',
    },
    logLevel: "error",
  });
}

/** From the sources and from the built package alike, where this may be in any chunk. */
function entry(): string {
  const built = import.meta.url.lastIndexOf("/dist/");
  const root =
    built === -1 ? new URL("../../", import.meta.url) : import.meta.url.slice(0, built + 6);
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return fileURLToPath(new URL(`adapters/aws/handler.${extension}`, root));
}
