import { KeptSecrets } from "../../core/ports/kept-secrets.ts";
import type { SecretStore } from "../../core/ports/secrets.ts";
import type { SecretVault } from "./clients/vault.ts";
import { serviceError } from "./failure.ts";
import { fromVaultName, toVaultName } from "./secret-names.ts";

interface VaultSecretsParams {
  /** Name of the vault. */
  readonly vault: string;
  readonly client: () => Promise<SecretVault>;
  readonly now?: () => number;
}

/** Secrets of the runtime's Key Vault. */
export class VaultSecrets implements SecretStore {
  readonly location: string;
  readonly #client: () => Promise<SecretVault>;
  readonly #kept: KeptSecrets;

  constructor({ vault, client, now }: VaultSecretsParams) {
    this.#client = client;
    this.#kept = new KeptSecrets((name) => this.#read(name), now);
    this.location = `the Key Vault "${vault}", under the same name (a vault takes a-z, 0-9 and "-": a character it does not take is "--" and its two hex digits, as in "my--5fkey" for "my_key")`;
  }

  get(name: string): Promise<string | undefined> {
    return this.#kept.get(name);
  }

  async list(): Promise<readonly string[]> {
    const client = await this.#client();
    try {
      return (await client.names()).map(fromVaultName);
    } catch (error) {
      throw serviceError(error, { what: "Key Vault could not list its secrets" });
    }
  }

  async #read(name: string): Promise<string | undefined> {
    const inVault = toVaultName(name);
    if (inVault === undefined) return undefined;
    const client = await this.#client();
    try {
      return await client.secret(inVault);
    } catch (error) {
      throw serviceError(error, { what: `The secret "${name}" cannot be read` });
    }
  }
}
