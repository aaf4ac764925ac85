import { type KitaruConfig, type StackDefinition, loadConfig, savedStack } from "./config.ts";
import { checkConfig, isStack } from "./config-check.ts";
import { bundleSource } from "./deployments/bundle-source.ts";
import { Runtime } from "./engine/runtime.ts";
import { KitaruUsageError } from "./errors.ts";
import { defineModels } from "./models/registry.ts";
import type { Backend } from "./ports/backend.ts";
import type { ModelRegistry } from "./ports/model.ts";

/** What may choose a stack, strongest first. */
export interface StackChoice {
  /** Of the call. */
  readonly call?: string | undefined;
  /** Of the flow. */
  readonly flow?: string | undefined;
  /** As {@link call}, where there is no flow. */
  readonly stack?: string;
}

/** Options of {@link configure}. */
export interface ConfigureOptions {
  /** Name of a configured stack, a stack such as `local({ folder: "/var/lib/app" })`, or a backend to use as it is. */
  readonly stack?: string | StackDefinition | Backend;
  /** Config to use instead of the nearest `kitaru.config.ts`. */
  readonly config?: KitaruConfig;
  /** Directory from which the config is looked for. @default the current directory */
  readonly root?: string;
}

/** The config of a program, read once. */
interface Project {
  readonly config: KitaruConfig;
  readonly root: string;
  readonly file?: string;
  /** Name chosen by `kitaru stack use`. */
  readonly saved?: string;
}

let configured: ConfigureOptions = {};
let project: Promise<Project> | undefined;
const opened = new Map<string, Promise<Runtime>>();

/** Choose the stack or the config for this process. Call it before the first run. */
export function configure(options: ConfigureOptions): void {
  checkOptions(options);
  configured = { ...configured, ...options };
  project = undefined;
  if (
    options.config !== undefined ||
    options.root !== undefined ||
    typeof options.stack === "object"
  )
    opened.clear();
}

/**
 * The runtime of the stack that applies: call option > flow option > configure() > `KITARU_STACK` >
 * `kitaru stack use` > the config's `stack` > `local`.
 */
export async function activeRuntime(choice: StackChoice = {}): Promise<Runtime> {
  const named = choice.call ?? choice.stack;
  if (named === undefined && choice.flow === undefined && typeof configured.stack === "object")
    return openGiven(configured.stack);
  return openStack(named ?? choice.flow ?? (await defaultStack()));
}

/** Name of the stack that applies when neither a call nor a flow names one. */
export async function defaultStack(): Promise<string> {
  if (typeof configured.stack === "string") return configured.stack;
  const { config, saved } = await currentConfig();
  return nonBlank(process.env["KITARU_STACK"]) ?? saved ?? config.stack ?? "local";
}

/** The config in force and the directory it belongs to. */
export function currentConfig(): Promise<Project> {
  project ??= readProject();
  return project;
}

async function readProject(): Promise<Project> {
  const from = configured.root ?? process.cwd();
  const found =
    configured.config === undefined
      ? await loadConfig(from)
      : { config: configured.config, root: from };
  const saved = savedStack(found.root);
  return { ...found, ...(saved === undefined ? {} : { saved }) };
}

/** Every configured stack by name; `local` is always there. */
export async function configuredStacks(): Promise<Readonly<Record<string, StackDefinition>>> {
  const { config } = await currentConfig();
  const stacks = config.stacks ?? {};
  return "local" in stacks ? stacks : { local: await defaultLocal(), ...stacks };
}

/** The models of the config in force. */
export async function configuredModels(): Promise<ModelRegistry> {
  const { config } = await currentConfig();
  return defineModels(config.models, config.defaultModel);
}

/** Open a stack by name; once per process. */
export function openStack(name: string): Promise<Runtime> {
  const known = opened.get(name);
  if (known !== undefined) return known;
  const opening = open(name);
  opened.set(name, opening);
  opening.catch(() => opened.delete(name)); // what failed may work next time
  return opening;
}

/** Close every stack this process has opened. */
export async function closeStacks(): Promise<void> {
  const runtimes = await Promise.allSettled(opened.values());
  opened.clear();
  for (const runtime of runtimes) if (runtime.status === "fulfilled") await runtime.value.close();
}

async function open(name: string): Promise<Runtime> {
  const { root } = await currentConfig();
  const stacks = await configuredStacks();
  const definition = stacks[name];
  if (definition === undefined)
    throw new KitaruUsageError(
      `There is no stack named "${name}". Configured are: ${Object.keys(stacks).join(", ")}. Add it to \`stacks\` in kitaru.config.ts, or choose another with \`kitaru stack use\`.`,
    );
  return bind(name, () => definition.open({ name, root }));
}

/** Open what {@link configure} was given, which has no name; once per process. */
function openGiven(given: StackDefinition | Backend): Promise<Runtime> {
  const { kind } = "open" in given ? given : given.capabilities;
  const key = `given:${kind}`;
  const known = opened.get(key);
  if (known !== undefined) return known;
  const opening = bind(kind, async () => {
    if (!("open" in given)) return given;
    const { root } = await currentConfig();
    return given.open({ name: kind, root });
  });
  opened.set(key, opening);
  opening.catch(() => opened.delete(key));
  return opening;
}

function isBackend(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && "records" in value && "capabilities" in value
  );
}

function checkOptions({ stack, config }: ConfigureOptions): void {
  if (config !== undefined) checkConfig(config, "configure(): `config`");
  const isRight =
    stack === undefined || typeof stack === "string" || isStack(stack) || isBackend(stack);
  if (isRight) return;
  throw new KitaruUsageError(
    'configure(): `stack` must be the name of a configured stack, a stack such as local() of "kitaru/local", or a backend.',
  );
}

async function bind(stack: string, ready: () => Backend | Promise<Backend>): Promise<Runtime> {
  const models = await configuredModels();
  const backend = await ready();
  return new Runtime({ stack, backend, models, bundles: bundleSource(backend.blobs) });
}

async function defaultLocal(): Promise<StackDefinition> {
  const { local } = await import("kitaru/local");
  return local();
}

function nonBlank(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === "" ? undefined : text;
}
