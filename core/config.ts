import { dirname, join, parse } from "node:path";
import { pathToFileURL } from "node:url";
import { checkConfig } from "./config-check.ts";
import { KitaruUsageError } from "./errors.ts";
import { loadFailureOf } from "./load-failure.ts";
import type { ModelsConfig } from "./models/registry.ts";
import type { EmitFlow, EstimateCost } from "./plan/offer.ts";
import type { Backend, Capabilities } from "./ports/backend.ts";

/** An import would load `fs.promises` too, which takes longer than to look into a few folders. */
const { existsSync, readFileSync } = process.getBuiltinModule("node:fs");

/** A named backend configuration, opened on first use. */
export interface StackDefinition {
  /** Kind of stack: `local`, `aws`, … */
  readonly kind: string;
  /** Facts worth showing to a person; never a secret. */
  readonly describe?: Readonly<Record<string, string>>;
  open(context: StackContext): Promise<Backend>;
  /** The most any stack of this kind can do; what a certain one can is known once it is opened. */
  readonly capabilities?: Capabilities;
  /** Writes down what it would create for a flow; absent where nothing is created. */
  readonly plan?: EmitFlow;
  /** Estimates what executions cost; absent where nobody sends a bill. */
  readonly estimate?: EstimateCost;
}

/** What a stack is opened with. */
export interface StackContext {
  readonly name: string;
  /** Directory of the config file, else the current directory. */
  readonly root: string;
}

/** Contents of `kitaru.config.ts`. */
export interface KitaruConfig {
  /** Modules that define flows, as globs relative to the config file. */
  readonly flows?: readonly string[];
  readonly stacks?: Readonly<Record<string, StackDefinition>>;
  /** Stack used when nothing else chooses one. @default "local" */
  readonly stack?: string;
  readonly models?: ModelsConfig;
  /** Alias used when a call names no model. @default the first of `models` */
  readonly defaultModel?: string;
}

/** Check and return a config; gives editors its type. */
export function defineConfig(config: KitaruConfig): KitaruConfig {
  return config;
}

const configNames = [
  "kitaru.config.ts",
  "kitaru.config.mts",
  "kitaru.config.js",
  "kitaru.config.mjs",
];
const loaded = new Map<string, Promise<KitaruConfig>>();

/** Load the nearest config from `from` upward; without one the config is empty and `from` is the root. */
export async function loadConfig(
  from: string,
): Promise<{ readonly config: KitaruConfig; readonly root: string; readonly file?: string }> {
  const file = findConfig(from);
  if (file === undefined) return { config: {}, root: from };
  const known = loaded.get(file) ?? importConfig(file);
  loaded.set(file, known);
  return { config: await known, root: dirname(file), file };
}

function findConfig(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    for (const name of configNames) {
      const file = join(folder, name);
      if (existsSync(file)) return file;
    }
    if (folder === parse(folder).root) return undefined;
  }
}

async function importConfig(file: string): Promise<KitaruConfig> {
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
  } catch (error) {
    throw new KitaruUsageError(`${file} cannot be loaded: ${loadFailureOf(error)}`, {
      cause: error,
    });
  }
  const config = module.default;
  if (typeof config !== "object" || config === null)
    throw new KitaruUsageError(
      `${file} has no default export. Write: export default defineConfig({ … });`,
    );
  checkConfig(config, file);
  return config;
}

/** Name chosen by `kitaru stack use`, if any. */
export function savedStack(root: string): string | undefined {
  try {
    const name = readFileSync(savedStackFile(root), "utf8").trim();
    return name === "" ? undefined : name;
  } catch {
    return undefined;
  }
}

function savedStackFile(root: string): string {
  return join(root, ".kitaru", "stack");
}
