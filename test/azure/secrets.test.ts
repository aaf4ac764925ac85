import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endpointsOf } from "../../adapters/azure/clients/config.ts";
import { openVault } from "../../adapters/azure/clients/vault.ts";
import { VaultSecrets } from "../../adapters/azure/secrets.ts";
import { describeSecrets } from "../../testing/conformance/secrets.ts";
import { type KeyVault, noVault, startKeyVault, vaultToken } from "../emulators/key-vault.ts";

describe.skipIf(noVault !== undefined)(`key vault (${noVault ?? "can be served"})`, () => {
  let vault: KeyVault;
  beforeAll(async () => {
    vault = await startKeyVault();
    setDefaultCACertificates([...getCACertificates(), vault.certificate]);
  });
  afterAll(() => vault.close());

  const open = (now?: () => number): VaultSecrets => {
    const credential = {
      getToken: async () => ({ token: vaultToken, expiresOnTimestamp: Date.now() + 3600_000 }),
    };
    const options = { credential, endpoints: { vault: vault.endpoint } };
    return new VaultSecrets({
      vault: "agents",
      client: () => openVault(options, endpointsOf("agents", options)),
      ...(now === undefined ? {} : { now }),
    });
  };

  describeSecrets("azure secrets", {
    open: async (values) => {
      for (const [name, text] of Object.entries(values)) vault.secrets.set(name, text);
      return open();
    },
  });

  test("a name a vault does not take is found under what stands for it", async () => {
    vault.secrets.set("--4fpen--41--49--5fkey", "sk-mapped");
    const secrets = open();
    expect(await secrets.get("OpenAI_key")).toBe("sk-mapped");
    expect(await secrets.list()).toContain("OpenAI_key");
    expect(await secrets.get("x".repeat(200))).toBeUndefined();
  });

  test("a rotated secret is used after five minutes, and not asked for before", async () => {
    let now = 0;
    vault.secrets.set("rotating", "old");
    const secrets = open(() => now);
    expect(await secrets.get("rotating")).toBe("old");
    vault.secrets.set("rotating", "new");
    now = 299_999;
    expect(await secrets.get("rotating")).toBe("old");
    now = 300_000;
    expect(await secrets.get("rotating")).toBe("new");
    expect(vault.reads.filter((name) => name === "rotating")).toHaveLength(2);
  });

  test("a secret that was missing is found as soon as it is there", async () => {
    const secrets = open();
    expect(await secrets.get("late")).toBeUndefined();
    vault.secrets.set("late", "here");
    expect(await secrets.get("late")).toBe("here");
  });

  test("a vault that is busy is asked again, one that refuses is not", async () => {
    vault.secrets.set("busy", "at last");
    vault.failures.push({ status: 429, code: "Throttled" }, { status: 503, code: "Unavailable" });
    expect(await open().get("busy")).toBe("at last");
    vault.failures.push({ status: 403, code: "Forbidden" });
    await expect(open().get("busy")).rejects.toThrow(
      /The secret "busy" cannot be read: this identity may not \(Forbidden/,
    );
    expect(vault.failures).toEqual([]);
  });
});
