import type { SecretStore } from "../../core/ports/secrets.ts";
import type { SecretVault } from "./clients/secrets.ts";
import { serviceError } from "./failure.ts";

interface AwsSecretsParams {
  /** Put before every name, ends with a slash. */
  readonly prefix: string;
  readonly client: () => Promise<SecretVault>;
  readonly now?: () => number;
}

/** How long a value is kept in memory, in milliseconds: a rotated secret is used within this time. */
const keptMs = 5 * 60_000;
const parameterPrefix = "ssm:";

/** Secrets of Secrets Manager; `ssm:NAME` reads a `SecureString` of the Parameter Store. */
export class AwsSecrets implements SecretStore {
  readonly location: string;
  readonly #prefix: string;
  readonly #client: () => Promise<SecretVault>;
  readonly #now: () => number;
  readonly #kept = new Map<
    string,
    { readonly value: Promise<string | undefined>; readonly until: number }
  >();

  constructor({ prefix, client, now = Date.now }: AwsSecretsParams) {
    this.#prefix = prefix;
    this.#client = client;
    this.#now = now;
    this.location = `Secrets Manager, as ${prefix}NAME (or the Parameter Store, for a secret named ssm:NAME)`;
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
      const names = await client.names(this.#prefix);
      return names.map((name) => name.slice(this.#prefix.length));
    } catch (error) {
      throw serviceError(error, { what: "Secrets Manager could not list its secrets" });
    }
  }

  async #read(name: string): Promise<string | undefined> {
    const client = await this.#client();
    try {
      return name.startsWith(parameterPrefix)
        ? await client.parameter(name.slice(parameterPrefix.length))
        : await client.secret(this.#prefix + name);
    } catch (error) {
      throw serviceError(error, { what: `The secret "${name}" cannot be read` });
    }
  }
}
