import { KitaruUsageError } from "../errors.ts";
import { findProvider, providers } from "./providers.ts";
import type { Provider } from "./providers.ts";
import type { ModelAlias, ModelPrice, ModelRegistry } from "../ports/model.ts";

/** The `models` of a config: a model's name, or a name with settings, by alias. */
export type ModelsConfig = Readonly<Record<string, string | ModelAlias>>;

/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** A model a call is going to ask. */
export interface ResolvedModel {
  /** `provider/model`. */
  readonly id: string;
  readonly provider: Provider;
  /** Model name without the provider's prefix. */
  readonly name: string;
  /** The alias that was used, when one was. */
  readonly alias?: string;
  /** The alias' settings; only `model` when no alias was used. */
  readonly settings: ModelAlias;
}

const aliasPattern = /^[a-z0-9][a-z0-9_-]*$/;
const aliasFields = new Set([
  "model",
  "secret",
  "baseUrl",
  "temperature",
  "maxOutputTokens",
  "price",
  "record",
]);

/**
 * Check a config's `models` and turn it into a registry. The first alias is the default one unless
 * `defaultModel` names another (JavaScript orders aliases that are whole numbers first).
 *
 * @throws {@link KitaruUsageError} naming the alias and the field that does not fit.
 */
export function defineModels(models: ModelsConfig = {}, defaultModel?: string): ModelRegistry {
  const aliases = Object.fromEntries(
    Object.entries(models).map(([alias, config]) => [alias, defineAlias(alias, config)]),
  );
  const defaultAlias = defaultModel ?? Object.keys(aliases)[0];
  if (defaultAlias === undefined) return { aliases };
  if (!Object.hasOwn(aliases, defaultAlias)) {
    throw new KitaruUsageError(
      `defaultModel is "${defaultAlias}", which is no alias under models. ${knownAliases(aliases)}`,
    );
  }
  return { aliases, defaultAlias };
}

/**
 * Decide which model answers: `requested` (an alias, else `provider/model`), else
 * `KITARU_DEFAULT_MODEL` (likewise), else the default alias.
 *
 * @throws {@link KitaruUsageError} when nothing names a model, or what does cannot be used.
 */
export function resolveModel(
  requested: string | undefined,
  registry: ModelRegistry,
  env: Env = {},
): ResolvedModel {
  if (requested !== undefined) return resolveName(requested, "model", registry);
  const fromEnv = env["KITARU_DEFAULT_MODEL"];
  if (fromEnv !== undefined) {
    if (fromEnv.trim() === "") {
      throw new KitaruUsageError(
        "KITARU_DEFAULT_MODEL is set but empty. Give it an alias or a provider/model, or unset it.",
      );
    }
    return resolveName(fromEnv.trim(), "KITARU_DEFAULT_MODEL", registry);
  }
  if (registry.defaultAlias !== undefined) {
    return resolveName(registry.defaultAlias, "the default alias", registry);
  }
  throw new KitaruUsageError(
    'No model to ask. Name one in the call, llm(prompt, { model: "openai/gpt-5" }), ' +
      "or set KITARU_DEFAULT_MODEL, or add an alias under models in kitaru.config.ts.",
  );
}

/** Split `provider/model`, checking both halves; `where` says who wrote it. */
export function parseModel(
  model: string,
  where: string,
  hint = "",
): { readonly provider: Provider; readonly name: string } {
  const slash = model.indexOf("/");
  if (slash < 0) {
    throw new KitaruUsageError(
      `${where} is "${model}", which has no provider. Write provider/model, such as ` +
        `openai/gpt-5.${hint} Providers: ${prefixes()}.`,
    );
  }
  const prefix = model.slice(0, slash);
  const provider = findProvider(prefix);
  if (provider === undefined) {
    throw new KitaruUsageError(
      `${where} is "${model}", but "${prefix}" is not a supported provider. Supported: ${prefixes()}. ` +
        "A server that speaks OpenAI's protocol works as openai-compatible/MODEL with a baseUrl.",
    );
  }
  const name = model.slice(slash + 1).trim();
  if (name === "") {
    throw new KitaruUsageError(
      `${where} is "${model}", which names no model after the slash. Model names: ${provider.docs}`,
    );
  }
  if (prefix === "offline" && name !== "extract") {
    throw new KitaruUsageError(
      `${where} is "${model}"; the only offline model is offline/extract.`,
    );
  }
  return { provider, name };
}

function resolveName(name: string, where: string, registry: ModelRegistry): ResolvedModel {
  const settings = Object.hasOwn(registry.aliases, name) ? registry.aliases[name] : undefined;
  if (settings !== undefined) {
    const parsed = parseModel(settings.model, `The model of alias "${name}"`);
    return { ...parsed, id: settings.model, alias: name, settings };
  }
  const parsed = parseModel(name, where, ` ${knownAliases(registry.aliases)}`);
  return { ...parsed, id: name, settings: { model: name } };
}

function defineAlias(alias: string, config: string | ModelAlias): ModelAlias {
  if (!aliasPattern.test(alias)) {
    throw new KitaruUsageError(
      `models: the alias "${alias}" does not fit ${aliasPattern.source}. Use lower-case letters, digits, - and _.`,
    );
  }
  const settings = typeof config === "string" ? { model: config } : config;
  if (typeof settings !== "object" || settings === null || typeof settings.model !== "string") {
    throw new KitaruUsageError(
      `models.${alias} must be "provider/model" or an object with a model, not ${describe(config)}.`,
    );
  }
  const { provider } = parseModel(settings.model, `models.${alias}.model`);
  checkFields(alias, settings, provider);
  return settings;
}

function checkFields(alias: string, settings: ModelAlias, provider: Provider): void {
  const unknown = Object.keys(settings).find((field) => !aliasFields.has(field));
  if (unknown !== undefined) {
    throw new KitaruUsageError(
      `models.${alias}.${unknown} is not a setting. Settings: ${[...aliasFields].join(", ")}.`,
    );
  }
  const { secret, baseUrl, temperature, maxOutputTokens, price, record } = settings;
  if (secret !== undefined) {
    check(
      isText(secret) && provider.keys.length > 0,
      alias,
      "secret",
      provider.keys.length > 0
        ? "the name of a secret"
        : "left out: the offline provider needs none",
      secret,
    );
  }
  if (baseUrl !== undefined) {
    check(isHttpUrl(baseUrl), alias, "baseUrl", "an http or https URL", baseUrl);
  }
  check(isOptional(temperature, isAmount), alias, "temperature", "a number from 0", temperature);
  check(
    isOptional(maxOutputTokens, isCount),
    alias,
    "maxOutputTokens",
    "a whole number from 1",
    maxOutputTokens,
  );
  check(
    isOptional(price, isPrice),
    alias,
    "price",
    "{ input, output } in US dollars per million tokens",
    price,
  );
  check(
    record === undefined || record === "full" || record === "metadata",
    alias,
    "record",
    '"full" or "metadata"',
    record,
  );
}

function check(ok: boolean, alias: string, field: string, wanted: string, got: unknown): void {
  if (ok) return;
  throw new KitaruUsageError(`models.${alias}.${field} must be ${wanted}, not ${describe(got)}.`);
}

function isOptional<T>(value: T | undefined, test: (value: T) => boolean): boolean {
  return value === undefined || test(value);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.trim() !== "";
}

function isAmount(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1;
}

function isPrice(value: ModelPrice): boolean {
  return (
    typeof value === "object" && value !== null && isAmount(value.input) && isAmount(value.output)
  );
}

/** Tell whether `value` is an absolute http(s) URL. */
export function isHttpUrl(value: unknown): boolean {
  return (
    typeof value === "string" && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
  );
}

function prefixes(): string {
  return providers.map((provider) => provider.prefix).join(", ");
}

function knownAliases(aliases: Readonly<Record<string, ModelAlias>>): string {
  const names = Object.keys(aliases);
  return names.length === 0 ? "No aliases are configured." : `Aliases: ${names.join(", ")}.`;
}

function describe(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
