import type { Backend, Capabilities } from "../../core/ports/backend.ts";
import { S3Blobs } from "./blobs.ts";
import type { AwsClientOptions } from "./clients/config.ts";
import { awsCapabilities } from "./capabilities.ts";
import type { Machines } from "./clients/sfn.ts";
import { StepFunctionsOrchestrator } from "./orchestrator.ts";
import type { StartMode } from "./permissions.ts";
import { DynamoRecords } from "./records.ts";
import type { RuntimeDocument } from "./runtime-document.ts";
import { onDemand } from "./sdk.ts";
import { AwsSecrets } from "./secrets.ts";

/** What a backend is made of. */
export interface AwsParts {
  /** Name of the stack, which its resources begin with. */
  readonly name: string;
  readonly table: string;
  readonly bucket: string;
  readonly client: AwsClientOptions;
  readonly mode: StartMode;
  readonly advanceArn: () => Promise<string>;
  readonly document?: () => Promise<RuntimeDocument>;
  /** @default what any stack of this kind can do */
  readonly capabilities?: Capabilities;
}

/** The backend, and its client of Step Functions for what goes beyond the ports. */
export interface AwsBackend extends Backend {
  readonly machines: () => Promise<Machines>;
}

/** Put the adapters together; clients are opened when they are first needed. */
export function awsBackend(parts: AwsParts): AwsBackend {
  const { name, table, bucket, client, mode, advanceArn, document } = parts;
  const closing: (() => void)[] = [];
  const opened = <T extends { close(): void }>(open: () => Promise<T>): (() => Promise<T>) =>
    onDemand(async () => {
      const made = await open();
      closing.push(() => made.close());
      return made;
    });
  const machines = opened(async () => (await import("./clients/sfn.ts")).openMachines(client));
  return {
    machines,
    records: new DynamoRecords({
      table,
      client: opened(async () => (await import("./clients/dynamodb.ts")).openDynamo(client)),
    }),
    blobs: new S3Blobs({
      bucket,
      client: opened(async () => (await import("./clients/s3.ts")).openS3(client)),
    }),
    secrets: new AwsSecrets({
      prefix: `kitaru/${name}/`,
      client: opened(async () => (await import("./clients/secrets.ts")).openVault(client)),
    }),
    orchestrator: new StepFunctionsOrchestrator({
      stack: name,
      mode,
      machines,
      functions: opened(async () => (await import("./clients/lambda.ts")).openFunctions(client)),
      advanceArn,
      ...(document === undefined ? {} : { document }),
    }),
    capabilities: parts.capabilities ?? awsCapabilities,
    close: async () => {
      for (const close of closing) close();
    },
  };
}
