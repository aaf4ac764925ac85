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

/** How long a value is kept in memory, in milliseconds: a rotated secret is used within this time. */
const keptMs = 5 * 60_000;

/** Secrets of the runtime's Key Vault. */
export class VaultSecrets implements SecretStore {
  readonly location: string;
  readonly #client: () => Promise<SecretVault>;
  readonly #now: () => number;
  readonly #kept = new Map<
    string,
    { readonly value: Promise<string | undefined>; readonly until: number }
  >();

  constructor({ vault, client, now = Date.now }: VaultSecretsParams) {
    this.#client = client;
    this.#now = now;
    this.location = `the Key Vault "${vault}", under the same name (a vault takes a-z, 0-9 and "-": a character it does not take is "--" and its two hex digits, as in "my--5fkey" for "my_key")`;
  }

  get(name: string): Promise<string | undefined> {
    const kept = this.#kept.get(name);
    if (kept !== undefined && this.#now() < kept.until) return kept.value;
    const value = this.#read(name);
    this.#kept.set(name, { value, until: this.#now() + keptMs });
    const forget = (): void => void this.#kept.delete(name);
    value.then((found) => (found === undefined ? forget() : undefined), forget); // it may be put there any moment
    return value;
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
