import {
  CreateSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openVault } from "../../adapters/aws/clients/secrets.ts";
import { AwsSecrets } from "../../adapters/aws/secrets.ts";
import { describeSecrets } from "../../testing/conformance/secrets.ts";
import { emulated } from "../emulators/dynamodb-local.ts";
import { noMoto, startMoto } from "../emulators/moto.ts";
import type { Emulator } from "../emulators/server.ts";

describe.skipIf(noMoto !== undefined)(`moto (${noMoto ?? "found"})`, () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startMoto();
  }, 60_000);
  afterAll(() => emulator.close());

  const put = async (name: string, text: string): Promise<void> => {
    const manager = new SecretsManagerClient(emulated(emulator.endpoint));
    await manager.send(
      new CreateSecretCommand({ Name: `kitaru/agents/${name}`, SecretString: text }),
    );
    manager.destroy();
  };
  const open = (now?: () => number): AwsSecrets & { close(): Promise<void> } => {
    const vault = openVault(emulated(emulator.endpoint));
    const secrets = new AwsSecrets({
      prefix: "kitaru/agents/",
      client: async () => vault,
      ...(now === undefined ? {} : { now }),
    });
    return Object.assign(secrets, { close: async () => vault.close() });
  };

  describeSecrets("aws secrets", {
    open: async (values) => {
      for (const [name, text] of Object.entries(values)) await put(name, text);
      return open();
    },
  });

  test("ssm: reads a SecureString of the Parameter Store", async () => {
    const parameters = new SSMClient(emulated(emulator.endpoint));
    await parameters.send(
      new PutParameterCommand({
        Name: "/team/openai",
        Value: "sk-parameter",
        Type: "SecureString",
      }),
    );
    parameters.destroy();
    const secrets = open();
    expect(await secrets.get("ssm:/team/openai")).toBe("sk-parameter");
    expect(await secrets.get("ssm:/team/none")).toBeUndefined();
    await secrets.close();
  });

  test("a rotated secret is used after five minutes, and not asked for before", async () => {
    let now = 0;
    await put("rotating", "old");
    const secrets = open(() => now);
    expect(await secrets.get("rotating")).toBe("old");
    const manager = new SecretsManagerClient(emulated(emulator.endpoint));
    await manager.send(
      new PutSecretValueCommand({ SecretId: "kitaru/agents/rotating", SecretString: "new" }),
    );
    manager.destroy();
    now = 299_999;
    expect(await secrets.get("rotating")).toBe("old");
    now = 300_000;
    expect(await secrets.get("rotating")).toBe("new");
    await secrets.close();
  });

  test("a secret that was missing is found as soon as it is there", async () => {
    const secrets = open();
    expect(await secrets.get("late")).toBeUndefined();
    await put("late", "here");
    expect(await secrets.get("late")).toBe("here");
    await secrets.close();
  });
});
