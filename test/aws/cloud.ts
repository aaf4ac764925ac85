import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { CreateFunctionCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { type Zippable, zipSync } from "fflate";
import type { FunctionRole } from "../../adapters/aws/permissions.ts";
import { type RuntimeDocument, documentName } from "../../adapters/aws/runtime-document.ts";
import { bundleFunctions } from "../../infra/aws/function-code.ts";
import {
  createTable,
  emulated,
  noDynamoLocal,
  startDynamoLocal,
} from "../emulators/dynamodb-local.ts";
import { type FaultProxy, startFaultProxy } from "../emulators/fault-proxy.ts";
import { Iam, operatorKey } from "./iam.ts";
import { type FunctionFaults, noMoto, startMoto } from "../emulators/moto.ts";

/** Why there is no emulated cloud here; undefined when there is. */
export const noCloud: string | undefined = noDynamoLocal ?? noMoto;

/** A runtime in an emulated account: records on DynamoDB Local, everything else on moto, functions as processes. */
export interface Cloud {
  /** Options of `aws()`. */
  readonly name: string;
  readonly endpoint: string;
  /** ARN of one of its functions, and the environment they have. */
  functionArn(entry: FunctionRole): string;
  readonly variables: Readonly<Record<string, string>>;
  /** Refuses what the template does not allow. */
  readonly iam: Iam;
  /** What stands before the table, and before everything else. */
  readonly table: FaultProxy;
  readonly services: FaultProxy;
  setFaults(faults: FunctionFaults): void;
  killed(): readonly string[];
  /** Invoke the sweep as its schedule would, so much later than now. */
  sweep(aheadMs?: number): Promise<void>;
  /** Environment under which the SDK finds the emulators. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

interface CloudOptions {
  /** When machines are started. @default "always" */
  readonly orchestrator?: "always" | "onSuspend";
  /** Time an advance has. @default 60 */
  readonly advanceSeconds?: number;
  /** More variables of the functions' environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Start the emulators and create what `cdk deploy` would. */
export async function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  const name = "agents";
  const [dynamo, moto] = await Promise.all([startDynamoLocal(), startMoto()]);
  const [table, services] = await Promise.all([
    startFaultProxy(dynamo.endpoint),
    startFaultProxy(moto.endpoint),
  ]);
  const iam = new Iam(name, options.orchestrator ?? "always");
  for (const proxy of [table, services]) iam.guard(proxy);
  const endpoints = {
    AWS_ENDPOINT_URL: services.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: table.endpoint,
  };
  const env = {
    ...endpoints,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: operatorKey,
    AWS_SECRET_ACCESS_KEY: "emulated",
  };
  const document = await createRuntime(name, {
    moto: moto.endpoint,
    dynamo: dynamo.endpoint,
    advanceSeconds: options.advanceSeconds ?? 60,
    environment: {
      ...endpoints,
      KITARU_AWS_ORCHESTRATOR: options.orchestrator ?? "always",
      ...options.environment,
    },
  });
  const parameters = new SSMClient(emulated(moto.endpoint));
  await parameters.send(
    new PutParameterCommand({
      Name: documentName(name),
      Type: "String",
      Value: JSON.stringify(document),
    }),
  );
  parameters.destroy();
  return {
    name,
    endpoint: moto.endpoint,
    functionArn: (entry) => document.advance.replace(/advance$/, entry),
    variables: variablesOf(name, endpoints),
    iam,
    table,
    services,
    setFaults: (faults) => moto.setFaults(faults),
    killed: () => moto.killed(),
    sweep: (aheadMs = 0) => invoke(moto.endpoint, `kitaru-${name}-sweep`, { aheadMs }),
    env,
    close: async () => {
      await Promise.all([dynamo, moto, table, services].map((part) => part.close()));
    },
  };
}

async function invoke(endpoint: string, name: string, event: object): Promise<void> {
  const lambda = new LambdaClient({ ...emulated(endpoint), maxAttempts: 1 });
  await lambda.send(new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) }));
  lambda.destroy();
}

interface Places {
  readonly moto: string;
  readonly dynamo: string;
  readonly advanceSeconds: number;
  readonly environment: Readonly<Record<string, string>>;
}

function variablesOf(name: string, environment: Readonly<Record<string, string>>) {
  return {
    KITARU_AWS_NAME: name,
    KITARU_AWS_TABLE: `kitaru-${name}`,
    KITARU_AWS_BUCKET: `kitaru-${name}-123456789012-us-east-1`,
    ...environment,
  };
}

async function createRuntime(
  name: string,
  { moto, dynamo, advanceSeconds, environment }: Places,
): Promise<RuntimeDocument> {
  const { KITARU_AWS_TABLE: table, KITARU_AWS_BUCKET: bucket } = variablesOf(name, environment);
  const options = emulated(moto);
  await createTable(dynamo, table);
  const s3 = new S3Client({ ...options, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  s3.destroy();
  const iam = new IAMClient(options);
  const { Role } = await iam.send(
    new CreateRoleCommand({
      RoleName: `kitaru-${name}-machine-us-east-1`,
      AssumeRolePolicyDocument: "{}",
    }),
  );
  iam.destroy();
  const role = Role?.Arn ?? "";
  const lambda = new LambdaClient(options);
  const code = functionsZip();
  const create = async (
    entry: FunctionRole,
    timeoutSeconds: number,
    size = "default",
  ): Promise<string> => {
    const { FunctionArn } = await lambda.send(
      new CreateFunctionCommand({
        FunctionName: `kitaru-${name}-${entry === "task" ? `task-${size}` : entry}`,
        Runtime: "nodejs24.x",
        Role: role,
        Handler: `index.${entry}`,
        Timeout: timeoutSeconds,
        MemorySize: 512,
        Code: { ZipFile: code },
        Environment: {
          Variables: variablesOf(name, environment),
        },
      }),
    );
    return FunctionArn ?? "";
  };
  const [advance, park, task, large, api] = await Promise.all([
    create("advance", advanceSeconds),
    create("park", 30),
    create("task", 60),
    create("task", 60, "large"),
    create("api", 30),
    create("sweep", 60),
  ]);
  lambda.destroy();
  return {
    format: 1,
    table,
    bucket,
    role,
    advance,
    park,
    api,
    tasks: [
      { size: "default", arn: task, memoryMb: 1024, storageMb: 512, timeoutMs: 60_000 },
      { size: "large", arn: large, memoryMb: 4096, storageMb: 2048, timeoutMs: 60_000 },
    ],
  };
}

/** What `cdk deploy` would upload. */
function functionsZip(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "kitaru-functions-"));
  try {
    bundleFunctions(folder);
    const files: Zippable = {};
    for (const file of readdirSync(folder)) files[file] = readFileSync(join(folder, file));
    return zipSync(files, { level: 1 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
