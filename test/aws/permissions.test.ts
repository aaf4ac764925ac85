import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { DeleteObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { ListStateMachinesCommand, SFNClient, StopExecutionCommand } from "@aws-sdk/client-sfn";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import type { ApiReply } from "../../core/client/serve.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { type ModelServer, modelServer } from "../../testing/model-server.ts";
import { emulated } from "../emulators/dynamodb-local.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { go, permitted } from "./fixtures/permitted-flows.ts";

describe.skipIf(noCloud !== undefined).each(["always", "onSuspend"] as const)(
  `permissions of a runtime that starts machines "%s" (${noCloud ?? "emulated"})`,
  (mode) => {
    let cloud: Cloud;
    let models: ModelServer;
    let client: KitaruClient;
    beforeAll(async () => {
      [cloud, models] = await Promise.all([startCloud({ orchestrator: mode }), slowModels()]);
      Object.assign(process.env, cloud.env);
      const of = (secret: string) => ({ model: "openai/m", baseUrl: `${models.url}/v1`, secret });
      configure({
        config: {
          stacks: { aws: aws({ name: cloud.name, orchestrator: mode }) },
          models: { manager: of("openai"), parameter: of(`ssm:/kitaru/${cloud.name}/openai`) },
        },
        stack: "aws",
      });
      await putSecrets(cloud);
      client = new KitaruClient();
      const entry = new URL("fixtures/permitted-flows.ts", import.meta.url);
      await client.deployments.deploy({ entry, tag: "default" });
      await removeSourceMaps(cloud);
    }, 120_000);
    afterAll(async () => {
      await closeStacks();
      await Promise.all([cloud?.close(), models?.close()]);
    });

    test("every call is permitted, and every permission is needed by a call", async () => {
      const input = { bytes: 9_000_000, ballast: "x".repeat(9_000_000) };
      refuseFirstUploads(cloud);
      const start = () => permitted.run(input, { id: "whole" });
      await expect(start().started).rejects.toThrow(/InvalidPart/);
      const handle = start();
      await handle.started;
      await rests("whole/child:0", "waiting");
      await go.answer("whole/child:0");
      await handle.result({ timeout: "150s" });
      expect(JSON.parse(await operate(cloud, mode))).toEqual({
        ids: ["operated", "whole/child:0"],
        length: 5000,
      });

      const begun = { op: "start", flow: "child", id: "api", input: { note: "n" } };
      expect(await call(cloud, "api", begun)).toMatchObject({ ok: true });
      await rests("api", "waiting");
      await cloud.sweep(2 * 86_400_000); // overdue by then: it is woken
      await stopMachine(cloud, "api"); // and now there is nobody to be woken
      for (const days of [3, 4, 5]) await cloud.sweep(days * 86_400_000);
      // the token of a machine that came too late to be kept
      const stale = { executionId: "api", seen: "absent", wakeAt: 0, token: "none" };
      await call(cloud, "park", { op: "park", ...stale });
      await call(cloud, "api", { op: "cancel", executionId: "api" });
      await rests("api", "cancelled");
      const big = { bytes: 5000, ballast: "y".repeat(10_000) };
      await call(cloud, "api", { op: "start", flow: "permitted", id: "big", input: big });
      await call(cloud, "api", { op: "get", executionId: "big" });

      expect(cloud.iam.refused).toEqual([]);
      expect(cloud.iam.unused()).toEqual([]);
    }, 400_000);

    const rests = async (id: string, status: string): Promise<void> => {
      await expect
        .poll(async () => (await client.executions.get(id).catch(() => undefined))?.status, {
          timeout: 120_000,
        })
        .toBe(status);
    };
  },
);

/** The first upload of each caller is refused, so that it is aborted. */
function refuseFirstUploads({ services }: Cloud): void {
  const refused = new Set<string>();
  services.fate = ({ path, caller }) => {
    if (!/[?&]partNumber=1(?:&|$)/.test(path) || refused.has(caller)) return { kind: "pass" };
    refused.add(caller);
    return { kind: "answer", status: 400, body: "<Error><Code>InvalidPart</Code></Error>" };
  };
}

/** As somebody who has not deployed it. */
async function operate({ env }: Cloud, mode: string): Promise<string> {
  const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", here("../from-source.ts"), here("fixtures/operator.ts"), mode],
    { env: { ...process.env, ...env }, maxBuffer: 100_000_000 },
  );
  return stdout;
}

async function call(cloud: Cloud, name: "api" | "park", event: object): Promise<ApiReply> {
  const lambda = new LambdaClient(emulated(cloud.endpoint));
  const { Payload, FunctionError } = await lambda.send(
    new InvokeCommand({
      FunctionName: `kitaru-${cloud.name}-${name}`,
      Payload: JSON.stringify(event),
    }),
  );
  lambda.destroy();
  const text = Buffer.from(Payload ?? []).toString();
  if (FunctionError !== undefined) throw new Error(text);
  return JSON.parse(text) as ApiReply;
}

async function putSecrets({ endpoint, name }: Cloud): Promise<void> {
  const manager = new SecretsManagerClient(emulated(endpoint));
  await manager.send(
    new CreateSecretCommand({ Name: `kitaru/${name}/openai`, SecretString: "sk-1" }),
  );
  manager.destroy();
  const parameters = new SSMClient(emulated(endpoint));
  await parameters.send(
    new PutParameterCommand({
      Name: `/kitaru/${name}/openai`,
      Value: "sk-2",
      Type: "SecureString",
    }),
  );
  parameters.destroy();
}

/** Slow enough for an isolated attempt to look whether it is cancelled. */
function slowModels(): Promise<ModelServer> {
  return modelServer({
    respond: ({ prompt }) => (prompt === "one" ? { text: "1", delayMs: 4000 } : "2"),
  });
}

/** As somebody does who stops a machine in the console. */
async function stopMachine({ endpoint, name }: Cloud, id: string): Promise<void> {
  const sfn = new SFNClient(emulated(endpoint));
  const { stateMachines = [] } = await sfn.send(new ListStateMachinesCommand({}));
  const machine = stateMachines.find((one) => one.name?.startsWith(`${name}-child-`));
  const executionArn = `${machine?.stateMachineArn?.replace("stateMachine", "execution")}:${id}-1`;
  await sfn.send(new StopExecutionCommand({ executionArn }));
  sfn.destroy();
}

/** What a bundle may be without: those who look for it are told that there is none. */
async function removeSourceMaps({ endpoint, variables }: Cloud): Promise<void> {
  const s3 = new S3Client({ ...emulated(endpoint), forcePathStyle: true });
  const Bucket = variables["KITARU_AWS_BUCKET"] ?? "";
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "bundles/" }));
  for (const { Key = "" } of Contents)
    if (Key.endsWith(".map")) await s3.send(new DeleteObjectCommand({ Bucket, Key }));
  s3.destroy();
}
