import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { type Zippable, zipSync } from "fflate";
import { emulated } from "../emulators/dynamodb-local.ts";
import type { Synthesized } from "./template.ts";

/** An asset, as the CDK notes what it would upload. */
interface Asset {
  readonly source: { readonly path: string; readonly packaging: "file" | "zip" };
  readonly destinations: Readonly<
    Record<string, { readonly bucketName: string; readonly objectKey: string }>
  >;
}

/** Do with a synthesized app what `cdk deploy` does: upload its assets, create its stack, wait for it. */
export async function deployApp(endpoint: string, app: Synthesized): Promise<void> {
  await bootstrap(endpoint);
  await uploadAssets(endpoint, app);
  const formation = new CloudFormationClient(emulated(endpoint));
  const StackName = "kitaru";
  await formation.send(
    new CreateStackCommand({
      StackName,
      TemplateBody: app.text,
      Capabilities: ["CAPABILITY_NAMED_IAM"],
    }),
  );
  const { Stacks = [] } = await formation.send(new DescribeStacksCommand({ StackName }));
  formation.destroy();
  if (Stacks[0]?.StackStatus !== "CREATE_COMPLETE")
    throw new Error(`The stack is ${Stacks[0]?.StackStatus}: ${Stacks[0]?.StackStatusReason}`);
}

/** What `cdk bootstrap` leaves, as far as a template asks for it. */
async function bootstrap(endpoint: string): Promise<void> {
  const parameters = new SSMClient(emulated(endpoint));
  const version = {
    Name: "/cdk-bootstrap/hnb659fds/version",
    Type: "String",
    Value: "30",
  } as const;
  await parameters.send(new PutParameterCommand(version));
  parameters.destroy();
}

async function uploadAssets(endpoint: string, { file, folder }: Synthesized): Promise<void> {
  const manifest = file.replace(/\.template\.json$/, ".assets.json");
  const { files } = JSON.parse(readFileSync(manifest, "utf8")) as {
    readonly files: Readonly<Record<string, Asset>>;
  };
  const s3 = new S3Client({ ...emulated(endpoint), forcePathStyle: true });
  for (const { source, destinations } of Object.values(files))
    for (const { bucketName, objectKey } of Object.values(destinations)) {
      // a stack without an account of its own leaves it to the deployment
      const Bucket = bucketName
        .replace("${AWS::AccountId}", "123456789012")
        .replace("${AWS::Region}", "us-east-1");
      await s3.send(new CreateBucketCommand({ Bucket }));
      const path = join(folder, source.path);
      const Body = source.packaging === "zip" ? zipFolder(path) : readFileSync(path);
      await s3.send(new PutObjectCommand({ Bucket, Key: objectKey, Body }));
    }
  s3.destroy();
}

function zipFolder(folder: string): Uint8Array {
  const files: Zippable = {};
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const path = join(folder, name);
    if (statSync(path).isFile()) files[relative(folder, path)] = readFileSync(path);
  }
  return zipSync(files, { level: 1 });
}
