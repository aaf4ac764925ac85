// Builds the published folders into dist/: a file per public entry, what entries share in chunks,
// and the types beside them. dist/ is emptied first: a source file that is gone must leave nothing
// behind in the package.
import { spawnSync } from "node:child_process";
import { chmodSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { matchesGlob, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

process.chdir(`${import.meta.dirname}/..`);

/** What everything that runs needs. */
const common = "core/index.ts";
const manifest = JSON.parse(readFileSync("package.json", "utf8"));
/** Every program needs these, and as files of their own they would take longer to load than the rest. */
const bundledPackages = ["devalue"];

rmSync("dist", { recursive: true, force: true });
const { status } = spawnSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
await bundle();
writeNotices();
for (const file of Object.values(manifest.bin)) chmodSync(file, 0o755);

/** In one go: what two entries import is in a chunk that both load, so that its state is one. */
async function bundle() {
  const options = {
    entryPoints: globSync([
      "{core,testing,adapters/*,infra/*}/index.ts",
      "adapters/*/handler.ts",
      "adapters/azure/handler-functions.ts", // what the app's package is bundled from
      "infra/*/app.ts",
      "cli/main.ts",
    ]),
    outbase: ".",
    outdir: "dist",
    chunkNames: "chunks/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: manifest.engines.node.replace(">=", "node"),
    packages: "external",
    alias: Object.fromEntries(bundledPackages.map((name) => [name, entryOf(name)])),
    sourcemap: true,
    legalComments: "none",
    ignoreAnnotations: true,
  };
  const { metafile } = await build({ ...options, metafile: true, write: false });
  await build({ ...options, plugins: [sharingChunks(rootsIn(metafile))] });
}

/** What begins a chunk: an entry, or what is imported on demand. */
function rootsIn({ outputs }) {
  return new Set(Object.values(outputs).flatMap(({ entryPoint }) => entryPoint ?? []));
}

/**
 * Lets every root import what is loaded by then anyway. A bundler makes a chunk of what has the same
 * importers; so the definitions and the engine become one file, instead of twenty.
 */
function sharingChunks(roots) {
  return {
    name: "sharing-chunks",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const file = relative(".", path);
        if (!roots.has(file)) return undefined;
        if (file === common || isLight(file)) return undefined;
        const shared = `import ${JSON.stringify(resolve(common))};`;
        return { contents: `${readFileSync(path, "utf8")}\n${shared}\n`, loader: "ts" };
      });
    },
  };
}

/** A stack that is only named loads nothing else. */
function isLight(root) {
  return matchesGlob(root, "{adapters,infra}/*/{index,app}.ts");
}

function entryOf(name) {
  return fileURLToPath(import.meta.resolve(name));
}

/** The licences of what the bundle contains ask to be passed on with it. */
function writeNotices() {
  const notices = bundledPackages.map((name) => {
    const { version, homepage } = JSON.parse(
      readFileSync(`node_modules/${name}/package.json`, "utf8"),
    );
    const licence = readFileSync(`node_modules/${name}/LICENSE`, "utf8");
    return `${name} ${version}${homepage ? ` (${homepage})` : ""}\n\n${licence.trim()}\n`;
  });
  writeFileSync("dist/NOTICES.txt", notices.join("\n\n"));
}
