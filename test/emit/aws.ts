import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { stringify } from "yaml";
import { machineDirective } from "../../adapters/aws/directive.ts";
import { type MachineParts, emitStateMachine } from "../../adapters/aws/emit.ts";
import { memoryBlobs } from "../../testing/memory.ts";
import { createScripted } from "../aws/scripted.ts";
import { emulated } from "../emulators/dynamodb-local.ts";
import { noMoto, startMoto } from "../emulators/moto.ts";
import type { EmitCase } from "./cases.ts";
import type { EmitCloud, EmitRunner } from "./cloud.ts";

const arn = (name: string): string => `arn:aws:lambda:us-east-1:123456789012:function:${name}`;
const size = { size: "default", memoryMb: 1024, storageMb: 512, timeoutMs: 900_000 };
const partsOf = (name: (role: string) => string): MachineParts => ({
  advance: arn(name("advance")),
  park: arn(name("park")),
  tasks: [{ ...size, arn: arn(name("task-default")) }],
  bucket: "bucket",
});

/** AWS: states of Step Functions, in the Amazon States Language. */
export const aws: EmitCloud = {
  missing: noMoto,
  emit: (given) =>
    machineOf(
      given,
      partsOf((role) => role),
    ).States,
  // JSON when it is created; this is read more easily
  write: (states) => stringify(states, { lineWidth: 0 }),
  start: startAws,
};

function machineOf({ plan }: EmitCase, parts: MachineParts): ReturnType<typeof emitStateMachine> {
  const [flow = { flow: "", name: "" }] = plan.flows;
  return emitStateMachine(plan, flow, parts);
}

async function startAws(): Promise<EmitRunner> {
  const emulator = await startMoto();
  const options = emulated(emulator.endpoint);
  const s3 = new S3Client({ ...options, forcePathStyle: true });
  const sfn = new SFNClient(options);
  const put = (Bucket: string, Key: string, Body: string | Uint8Array) =>
    s3.send(new PutObjectCommand({ Bucket, Key, Body, ACL: "public-read" }));
  for (const Bucket of ["scripts", "bucket"]) await s3.send(new CreateBucketCommand({ Bucket }));
  const role = await createScripted(options);
  let next = 0;
  return {
    path: async (given) => {
      const name = `emit-${next++}`;
      const blobs = {
        ...memoryBlobs(),
        put: (key: string, bytes: Uint8Array) => put("bucket", key, bytes),
      };
      const directives = await Promise.all(
        given.turns.map(async ({ asks, ends }) => ({
          ...(await machineDirective(asks, {
            executionId: name,
            now: -1000,
            blobs: blobs as never,
          })),
          wakes: ends === "wake",
        })),
      );
      await put("scripts", name, JSON.stringify(directives));
      const { stateMachineArn } = await sfn.send(
        new CreateStateMachineCommand({
          name,
          roleArn: role,
          definition: JSON.stringify(
            machineOf(
              given,
              partsOf(() => "scripted"),
            ),
          ),
        }),
      );
      const input = JSON.stringify({ executionId: name, owner: name });
      const { executionArn } = await sfn.send(
        new StartExecutionCommand({ stateMachineArn, name, input }),
      );
      return statesOf(sfn, executionArn);
    },
    close: async () => {
      s3.destroy();
      sfn.destroy();
      await emulator.close();
    },
  };
}

async function statesOf(sfn: SFNClient, executionArn: string | undefined): Promise<string[]> {
  for (;;) {
    const { status } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    if (status !== "RUNNING") break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { events = [] } = await sfn.send(
    new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }),
  );
  return events
    .flatMap(({ stateEnteredEventDetails: entered }) => entered?.name ?? [])
    .filter((state) => !/^(?:Attempt|Crashed|Left) /.test(state));
}
