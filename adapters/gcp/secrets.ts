import type { SecretStore } from "../../core/ports/secrets.ts";
import type { SecretVault } from "./clients/secrets.ts";
import { serviceError } from "./failure.ts";

interface GcpSecretsParams {
  /** Put before every name. */
  readonly prefix: string;
  readonly client: () => Promise<SecretVault>;
  readonly now?: () => number;
}

/** How long a value is kept in memory, in milliseconds: a rotated secret is used within this time. */
const keptMs = 5 * 60_000;

/** Secrets of Secret Manager, each in its newest version. */
export class GcpSecrets implements SecretStore {
  readonly location: string;
  readonly #params: GcpSecretsParams;
  readonly #kept = new Map<
    string,
    { readonly value: Promise<string | undefined>; readonly until: number }
  >();

  constructor(params: GcpSecretsParams) {
    this.#params = params;
    this.location = `Secret Manager, as ${params.prefix}NAME`;
  }

  get(name: string): Promise<string | undefined> {
    const { now = Date.now } = this.#params;
    const kept = this.#kept.get(name);
    if (kept !== undefined && now() < kept.until) return kept.value;
    const value = this.#read(name);
    this.#kept.set(name, { value, until: now() + keptMs });
    const forget = (): void => void this.#kept.delete(name);
    value.then((found) => (found === undefined ? forget() : undefined), forget); // it may be put there any moment
    return value;
  }

  async list(): Promise<readonly string[]> {
    const { client, prefix } = this.#params;
    try {
      const names = await (await client()).names(prefix);
      return names.map((name) => name.slice(prefix.length));
    } catch (error) {
      throw serviceError(error, { what: "Secret Manager could not list its secrets" });
    }
  }

  async #read(name: string): Promise<string | undefined> {
    const { client, prefix } = this.#params;
    // no secret can have another name (https://cloud.google.com/secret-manager/docs/creating-and-accessing-secrets)
    if (!/^[\w-]{1,200}$/.test(name)) return undefined;
    try {
      return await (await client()).secret(prefix + name);
    } catch (error) {
      throw serviceError(error, { what: `The secret "${name}" cannot be read` });
    }
  }
}
