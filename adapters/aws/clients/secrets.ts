import {
  GetSecretValueCommand,
  ListSecretsCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { type AwsClientOptions, clientConfig } from "./config.ts";

/** The part of Secrets Manager and of the Parameter Store this package uses. */
export interface SecretVault {
  /** Text of a secret; undefined when there is none of that name. */
  secret(name: string): Promise<string | undefined>;
  /** Text of a `SecureString` parameter; undefined when there is none of that name. */
  parameter(name: string): Promise<string | undefined>;
  /** Names of the secrets that begin with `prefix`. */
  names(prefix: string): Promise<readonly string[]>;
  close(): void;
}

/** Open the clients. */
export function openVault(options: AwsClientOptions): SecretVault {
  const config = clientConfig(options, { maxAttempts: 5 });
  const manager = new SecretsManagerClient(config);
  const parameters = new SSMClient(config);
  return {
    secret: async (name) => {
      const found = await orUndefined(
        manager.send(new GetSecretValueCommand({ SecretId: name })),
        "ResourceNotFoundException",
      );
      return found?.SecretString;
    },
    parameter: async (name) => {
      const found = await orUndefined(
        parameters.send(new GetParameterCommand({ Name: name, WithDecryption: true })),
        "ParameterNotFound",
      );
      return found?.Parameter?.Value;
    },
    names: async (prefix) => {
      const names: string[] = [];
      for (let NextToken: string | undefined, more = true; more; more = NextToken !== undefined) {
        const page = await manager.send(
          new ListSecretsCommand({
            Filters: [{ Key: "name", Values: [prefix] }],
            ...(NextToken === undefined ? {} : { NextToken }),
          }),
        );
        names.push(
          ...(page.SecretList ?? []).flatMap(({ Name }) => (Name === undefined ? [] : [Name])),
        );
        NextToken = page.NextToken;
      }
      return names;
    },
    close: () => {
      manager.destroy();
      parameters.destroy();
    },
  };
}

async function orUndefined<T>(call: Promise<T>, missing: string): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && error.name === missing) return undefined;
    throw error;
  }
}
