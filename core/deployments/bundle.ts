import { access, realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildFailure, Message, OnLoadResult, Plugin } from "esbuild";
import { KitaruUsageError, messageOf } from "../errors.ts";
import { sha256Hex } from "../hash.ts";
import type { ModelRegistry } from "../ports/model.ts";

/** Modules of a flow as one file. */
export interface Bundle {
  /** SHA-256 of `code`, in hexadecimal. */
  readonly hash: string;
  readonly code: Uint8Array;
  readonly map: Uint8Array;
  /** Module it was built from, relative to its package. */
  readonly entry: string;
  /** Folder of that module. */
  readonly folder: string;
  /** What may surprise when the bundle runs. */
  readonly warnings: readonly string[];
}

/** Name under which a bundle finds the engine that runs it. */
export const engineName = "__kitaru";
/** Global map from the address of a loaded bundle to its {@link engineName}. */
export const enginesKey = "kitaru.bundles";

/**
 * Bundle a module and everything it imports into one file. The engine stays outside: whatever runs the bundle lends its
 * own. The same source gives the same bytes in every folder. Throws a usage error for what cannot be bundled.
 * @param entry path or file URL, such as `import.meta.url`
 * @param models what its llm calls may name; part of the bundle, so that a version keeps what it was deployed with
 */
export async function buildBundle(entry: string | URL, models?: ModelRegistry): Promise<Bundle> {
  const file = await findEntry(entry);
  const root = await packageFolder(file);
  const natives = new Set<string>();
  const { build } = await import("esbuild");
  const result = await build({
    entryPoints: [file],
    absWorkingDir: root,
    outfile: join(root, "bundle.mjs"),
    write: false,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node22.18",
    keepNames: true,
    sourcemap: "external",
    sourceRoot: "bundle:///",
    legalComments: "none",
    logLevel: "silent",
    banner: { js: prelude + modelsLine(models) },
    define: { __filename: `${engineName}.filename`, __dirname: `${engineName}.dirname` },
    plugins: [lendEngine, leaveNatives(natives)],
  }).catch((error: unknown) => {
    throw unbundled(file, error);
  });
  const output = (end: string): Uint8Array =>
    result.outputFiles.find(({ path }) => path.endsWith(end))?.contents ?? new Uint8Array();
  const code = output(".mjs");
  return {
    hash: sha256Hex(code),
    code,
    map: output(".map"),
    entry: relative(root, file).split(sep).join("/"),
    folder: dirname(file),
    warnings: [...natives].toSorted().map(nativeWarning),
  };
}

async function findEntry(entry: string | URL): Promise<string> {
  const given = String(entry);
  const path = given.startsWith("file:") ? fileURLToPath(given) : given;
  if (!isAbsolute(path))
    throw new KitaruUsageError(
      `The entry ${JSON.stringify(given)} is not an absolute path. Pass import.meta.url in the module that defines the flow.`,
    );
  try {
    return await realpath(path);
  } catch (error) {
    throw new KitaruUsageError(`There is no module ${path} to deploy.`, { cause: error });
  }
}

/** The folder paths in the bundle are relative to: where the nearest package.json is. */
async function packageFolder(file: string): Promise<string> {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const isPackage = await access(join(folder, "package.json")).then(
      () => true,
      () => false,
    );
    if (isPackage) return folder;
    if (folder === dirname(folder)) return dirname(file);
  }
}

const prelude = `const ${engineName} = globalThis[Symbol.for("${enginesKey}")].get(import.meta.url);\nconst { require } = ${engineName};`;

function modelsLine(models: ModelRegistry | undefined): string {
  if (models === undefined || Object.keys(models.aliases).length === 0) return "";
  return `\n${engineName}.useModels(${JSON.stringify(models, sortedKeys)});`;
}

/** The order in which a config names things makes no difference to what it says. */
function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Stands in for the engine. That it mentions `require` has a module's own `require` renamed: the prelude has that name. */
const engineModule = `void require;\nmodule.exports = ${engineName}.kitaru;`;

const lendEngine: Plugin = {
  name: "kitaru",
  setup: (build) => {
    build.onResolve({ filter: /^kitaru(\/|$)/ }, ({ path, importer }) => {
      if (path === "kitaru") return { path, namespace: "kitaru" };
      return {
        errors: [
          {
            text: `${importer} imports "${path}", which is no part of a flow: only "kitaru" is. Move that import to kitaru.config.ts, or to the program that starts the flow`,
          },
        ],
      };
    });
    build.onLoad({ filter: /.*/, namespace: "kitaru" }, () => ({
      contents: engineModule,
      loader: "js",
    }));
  },
};

/** Packages that find a native addon when they are run. */
const nativeFinders =
  /^(?:bindings|node-gyp-build|node-gyp-build-optional-packages|@mapbox\/node-pre-gyp)$/;

/**
 * Native addons belong to one machine. In their place stands a module that throws when it is run: a package that can do
 * without goes on, one that cannot says so.
 */
function leaveNatives(found: Set<string>): Plugin {
  const stub = (path: string): OnLoadResult => {
    const name = packageName(path);
    found.add(name);
    return { contents: `throw new Error(${JSON.stringify(nativeError(name))});`, loader: "js" };
  };
  return {
    name: "native",
    setup: (build) => {
      build.onResolve({ filter: nativeFinders }, ({ importer }) => ({
        path: importer,
        namespace: "native",
      }));
      build.onLoad({ filter: /\.node$/ }, ({ path }) => stub(path));
      build.onLoad({ filter: /.*/, namespace: "native" }, ({ path }) => stub(path));
    },
  };
}

function packageName(path: string): string {
  const parts = path.split(/[\\/]/);
  const at = parts.lastIndexOf("node_modules") + 1;
  if (at === 0) return parts.at(-1) ?? path;
  const [first = "", second = ""] = parts.slice(at);
  return first.startsWith("@") ? `${first}/${second}` : first;
}

function nativeError(name: string): string {
  return `${name} has a native addon, which cannot be part of a bundle. Use a package without one, or call it in a service of its own.`;
}

function nativeWarning(name: string): string {
  return `${name} has a native addon, which is not in the bundle: what needs it fails.`;
}

function unbundled(file: string, error: unknown): KitaruUsageError {
  const problems = isBuildFailure(error) ? error.errors.map(problemText) : [messageOf(error)];
  const [first = "", ...others] = problems;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return new KitaruUsageError(`${file} cannot be bundled: ${first}.${more}`, {
    cause: error,
    details: { problems },
  });
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors);
}

function problemText({ text, location }: Message): string {
  return location === null
    ? text
    : `${location.file}:${location.line}:${location.column + 1}: ${text}`;
}
