import type { GcpClientOptions } from "./config.ts";
import { jsonOf, openRest } from "./rest.ts";

/** The part of Secret Manager this package uses. Rejections are those of {@link openRest}. */
export interface SecretVault {
  /** Text of the newest version of a secret; undefined when there is none of that name. */
  secret(name: string): Promise<string | undefined>;
  /** Names of the secrets that begin with `prefix`. */
  names(prefix: string): Promise<readonly string[]>;
}

interface VaultRef extends GcpClientOptions {
  readonly project: string;
}

/** Open a client. */
export function openVault({ project, ...options }: VaultRef): SecretVault {
  const rest = openRest(options);
  const secrets = `/v1/projects/${project}/secrets`;
  return {
    secret: async (name) => {
      const path = `${secrets}/${encodeURIComponent(name)}/versions/latest:access`;
      const reply = await rest.send({ service: "secrets", path, accept: [404] });
      if (reply.status === 404) return undefined;
      const { payload } = jsonOf<{ readonly payload?: { readonly data?: string } }>(reply);
      return Buffer.from(payload?.data ?? "", "base64").toString("utf8");
    },
    names: async (prefix) => {
      const names: string[] = [];
      for (let token = "", more = true; more; more = token !== "") {
        const query = new URLSearchParams({ filter: `name:${prefix}`, pageToken: token });
        const page = jsonOf<{
          readonly secrets?: readonly { readonly name: string }[];
          readonly nextPageToken?: string;
        }>(await rest.send({ service: "secrets", path: `${secrets}?${query.toString()}` }));
        const found = (page.secrets ?? []).map(({ name }) => name.slice(name.lastIndexOf("/") + 1));
        names.push(...found.filter((name) => name.startsWith(prefix))); // the filter is of substrings
        token = page.nextPageToken ?? "";
      }
      return names;
    },
  };
}
