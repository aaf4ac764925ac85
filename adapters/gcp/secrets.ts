import { KeptSecrets } from "../../core/ports/kept-secrets.ts";
import type { SecretStore } from "../../core/ports/secrets.ts";
import type { SecretVault } from "./clients/secrets.ts";
import { serviceError } from "./failure.ts";

interface GcpSecretsParams {
  /** Put before every name. */
  readonly prefix: string;
  readonly client: () => Promise<SecretVault>;
  readonly now?: () => number;
}

/** Secrets of Secret Manager, each in its newest version. */
export class GcpSecrets implements SecretStore {
  readonly location: string;
  readonly #params: GcpSecretsParams;
  readonly #kept: KeptSecrets;

  constructor(params: GcpSecretsParams) {
    this.#params = params;
    this.#kept = new KeptSecrets((name) => this.#read(name), params.now);
    this.location = `Secret Manager, as ${params.prefix}NAME`;
  }

  get(name: string): Promise<string | undefined> {
    return this.#kept.get(name);
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
