import { KitaruBackendError } from "../errors.ts";
import type { SecretStore } from "../ports/secrets.ts";
import type { Provider } from "./providers.ts";
import { isHttpUrl } from "./registry.ts";
import type { Env, ResolvedModel } from "./registry.ts";

/** What a provider is called with, and where it came from. */
export interface Credentials {
  readonly source: "environment" | "secret" | "none";
  /** Keys and settings by their environment-style names. Never log or store them. */
  readonly values: Readonly<Record<string, string>>;
  readonly baseUrl?: string;
}

type Values = Readonly<Record<string, string>>;

/**
 * Find what a model's provider needs: in the environment, else in the alias' secret.
 * The environment is read, never written.
 *
 * @throws {@link KitaruBackendError} with code `credentials`, naming what can be done.
 */
export async function resolveCredentials(
  model: ResolvedModel,
  env: Env,
  secrets: SecretStore,
): Promise<Credentials> {
  const { provider, settings } = model;
  const found = await findKeys(model, env, secrets);
  const baseUrl = settings.baseUrl ?? pickBaseUrl(provider, found.values, env);
  checkBaseUrl(model, baseUrl);
  return { ...found, ...(baseUrl === undefined ? {} : { baseUrl }) };
}

async function findKeys(
  model: ResolvedModel,
  env: Env,
  secrets: SecretStore,
): Promise<{ readonly source: Credentials["source"]; readonly values: Values }> {
  const { provider, settings } = model;
  const inEnv = pick(provider, env);
  if (inEnv !== undefined) return { source: "environment", values: inEnv };
  if (provider.ambient?.some((name) => valueOf(env, name) !== undefined) === true) {
    return { source: "environment", values: pickSettings(provider, env) };
  }
  if (settings.secret !== undefined && provider.keys.length > 0) {
    const values = await readSecret(model, settings.secret, secrets);
    // Regions and the like may stay in the environment; keys never mix.
    return { source: "secret", values: { ...pickSettings(provider, env), ...values } };
  }
  if (provider.ambient !== undefined) {
    return { source: "environment", values: pickSettings(provider, env) };
  }
  if (provider.keys.length === 0 || provider.keyOptional === true) {
    return { source: "none", values: {} };
  }
  throw new KitaruBackendError(
    `No credentials for ${model.id}. Set ${namesOf(provider)} in the environment, or give its alias a ` +
      `secret: models: { NAME: { model: "${model.id}", secret: "SECRET" } }, kept in ${secrets.location}.`,
    { code: "credentials" },
  );
}

async function readSecret(
  model: ResolvedModel,
  name: string,
  secrets: SecretStore,
): Promise<Values> {
  const { provider } = model;
  const text = (await secrets.get(name))?.trim();
  if (text === undefined || text === "") {
    throw new KitaruBackendError(
      `The secret "${name}" of alias "${model.alias}" is ${text === "" ? "empty" : "missing"}. Put ` +
        `${firstKey(provider)} into ${secrets.location} under that name, or set ${namesOf(provider)} in the environment.`,
      { code: "credentials" },
    );
  }
  if (!text.startsWith("{")) return { [firstKey(provider)]: text };
  const fields = parseSecret(name, text);
  const values = pick(provider, fields);
  if (values !== undefined) return values;
  const held = Object.keys(fields).join(", ") || "nothing";
  throw new KitaruBackendError(
    `The secret "${name}" of alias "${model.alias}" holds ${held}, but ${model.id} needs ${namesOf(provider)}. ` +
      `Add that to the secret in ${secrets.location}, or set it in the environment.`,
    { code: "credentials" },
  );
}

function parseSecret(name: string, text: string): Env {
  try {
    return JSON.parse(text) as Env;
  } catch {
    // The parser's own message quotes the text, which is the secret.
    throw new KitaruBackendError(
      `The secret "${name}" starts with { but is not valid JSON. Store a bare key, or an object such as ` +
        '{"OPENAI_API_KEY": "…"}.',
      { code: "credentials" },
    );
  }
}

/** The first alternative of which everything is there, with the provider's settings. */
function pick(provider: Provider, source: Env): Values | undefined {
  const names = provider.keys.find((alternative) =>
    alternative.every((name) => valueOf(source, name) !== undefined),
  );
  if (names === undefined) return undefined;
  const extra = [provider.baseUrlName ?? "", ...(provider.settings ?? [])];
  return collect([...names, ...extra], source);
}

function pickSettings(provider: Provider, source: Env): Values {
  const names = (provider.settings ?? []).filter((name) => !isSecretName(name));
  return collect(names, source);
}

/** Tell whether an environment-style name holds something that must not be shown. */
export function isSecretName(name: string): boolean {
  return /KEY|TOKEN|SECRET/.test(name);
}

function collect(names: readonly string[], source: Env): Values {
  const entries = names.map((name) => [name, valueOf(source, name)] as const);
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function valueOf(source: Env, name: string): string | undefined {
  const value: unknown = Object.hasOwn(source, name) ? source[name] : undefined;
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

function pickBaseUrl(provider: Provider, values: Values, env: Env): string | undefined {
  const name = provider.baseUrlName;
  return name === undefined ? undefined : (values[name] ?? valueOf(env, name));
}

function checkBaseUrl(model: ResolvedModel, baseUrl: string | undefined): void {
  const { provider } = model;
  if (baseUrl === undefined) {
    if (provider.baseUrlRequired !== true) return;
    throw new KitaruBackendError(
      `${model.id} needs the base URL of its server. Set baseUrl on its alias, ` +
        `{ model: "${model.id}", baseUrl: "http://localhost:8000/v1" }, or ${provider.baseUrlName} in the environment.`,
      { code: "credentials" },
    );
  }
  if (provider.prefix === "ollama" || isHttpUrl(baseUrl)) return;
  throw new KitaruBackendError(
    `The base URL of ${model.id} is "${baseUrl}", which is not an http or https URL. Mend ${provider.baseUrlName}.`,
    { code: "credentials" },
  );
}

function firstKey(provider: Provider): string {
  return provider.keys[0]?.[0] ?? "";
}

function namesOf(provider: Provider): string {
  return provider.keys.map((alternative) => alternative.join(" and ")).join(", or ");
}
