import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openVault } from "../../adapters/gcp/clients/secrets.ts";
import { GcpSecrets } from "../../adapters/gcp/secrets.ts";
import { describeSecrets } from "../../testing/conformance/secrets.ts";
import { type SecretManager, startSecretManager } from "../emulators/secret-manager.ts";

describe("Secret Manager", () => {
  let manager: SecretManager;
  beforeAll(async () => {
    manager = await startSecretManager("team");
  });
  afterAll(() => manager.close());

  const put = (name: string, text: string): void => manager.put(`kitaru-agents-${name}`, text);
  const open = (now?: () => number): GcpSecrets => {
    const vault = openVault({ project: "team", endpoint: manager.endpoint });
    const prefix = "kitaru-agents-";
    return new GcpSecrets({
      prefix,
      client: async () => vault,
      ...(now === undefined ? {} : { now }),
    });
  };

  describeSecrets("gcp secrets", {
    open: (values) => {
      for (const [name, text] of Object.entries(values)) put(name, text);
      return open();
    },
  });

  test("a rotated secret is used after five minutes, and not asked for before", async () => {
    let now = 0;
    put("rotating", "old");
    const secrets = open(() => now);
    expect(await secrets.get("rotating")).toBe("old");
    put("rotating", "new");
    const reads = manager.reads();
    now = 299_999;
    expect(await secrets.get("rotating")).toBe("old");
    expect(manager.reads()).toBe(reads);
    now = 300_000;
    expect(await secrets.get("rotating")).toBe("new");
  });

  test("a secret that was missing is found as soon as it is there", async () => {
    const secrets = open();
    expect(await secrets.get("late")).toBeUndefined();
    put("late", "here");
    expect(await secrets.get("late")).toBe("here");
  });

  test("every page is listed, and other stacks' secrets are not", async () => {
    for (let n = 0; n < 7; n++) put(`many${n}`, "x");
    manager.put("my-kitaru-agents-other", "x");
    const names = await open().list();
    expect(names).toEqual(expect.arrayContaining(["many0", "many6"]));
    expect(names.join(" ")).not.toContain("other");
  });

  test("a name no secret can have is missing, and not asked for", async () => {
    const reads = manager.reads();
    const secrets = open();
    for (const name of ["", "a/b", "../x", "a b", "é"])
      expect(await secrets.get(name)).toBeUndefined();
    expect(manager.reads()).toBe(reads);
  });
});
