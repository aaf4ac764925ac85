import { KeptSecrets } from "../../core/ports/kept-secrets.ts";
import type { SecretStore } from "../../core/ports/secrets.ts";
import type { SecretVault } from "./clients/secrets.ts";
import { serviceError } from "./failure.ts";

interface AwsSecretsParams {
  /** Put before every name, ends with a slash. */
  readonly prefix: string;
  readonly client: () => Promise<SecretVault>;
  readonly now?: () => number;
}

const parameterPrefix = "ssm:";

/** Secrets of Secrets Manager; `ssm:NAME` reads a `SecureString` of the Parameter Store. */
export class AwsSecrets implements SecretStore {
  readonly location: string;
  readonly #prefix: string;
  readonly #client: () => Promise<SecretVault>;
  readonly #kept: KeptSecrets;

  constructor({ prefix, client, now }: AwsSecretsParams) {
    this.#prefix = prefix;
    this.#client = client;
    this.#kept = new KeptSecrets((name) => this.#read(name), now);
    this.location = `Secrets Manager, as ${prefix}NAME (or the Parameter Store, for a secret named ssm:NAME)`;
  }

  get(name: string): Promise<string | undefined> {
    return this.#kept.get(name);
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
