import { SecretClient } from "@azure/keyvault-secrets";
import { codeOf } from "../failure.ts";
import { type AzureClientOptions, type Endpoints, clientConfig, credentialOf } from "./config.ts";
import { type RetryRule, repeated } from "./retry.ts";

/** The part of Key Vault this package uses. */
export interface SecretVault {
  /** Text of a secret's newest version; undefined when there is none of that name. */
  secret(name: string): Promise<string | undefined>;
  /** Names of the secrets that can be read. */
  names(): Promise<readonly string[]>;
}

/** Five tries of 10 s: a vault answers 4,000 requests in 10 s, and throttles for as long as it says. */
const rule: RetryRule = { tries: 5, tryMs: 10_000 };

/** Open a client of the vault. */
export async function openVault(
  options: AzureClientOptions,
  { vault }: Endpoints,
): Promise<SecretVault> {
  const client = new SecretClient(vault, await credentialOf(options), {
    ...clientConfig(vault),
    // a vault that is not one of the public cloud's has a name of its own
    disableChallengeResourceVerification: options.endpoints?.vault !== undefined,
  });
  return {
    secret: async (name) => {
      try {
        const { value } = await repeated(rule, ({ signal }) =>
          client.getSecret(name, { abortSignal: signal }),
        );
        return value;
      } catch (error) {
        // a disabled or not yet valid one is refused: that is no missing secret
        if (codeOf(error) === "SecretNotFound") return undefined;
        throw error;
      }
    },
    names: () =>
      repeated(rule, async ({ signal }) => {
        const names: string[] = [];
        for await (const one of client.listPropertiesOfSecrets({ abortSignal: signal }))
          if (one.enabled !== false) names.push(one.name);
        return names;
      }),
  };
}
