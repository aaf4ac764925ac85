import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { tableShape } from "../../adapters/aws/table.ts";
import { type Emulator, startServer } from "./server.ts";

/** Why Amazon's DynamoDB Local cannot run here; undefined when it can. */
export const noDynamoLocal: string | undefined = missing();

/** Start Amazon's own DynamoDB Local, in memory. */
export function startDynamoLocal(): Promise<Emulator> {
  const folder = emulatorFolder();
  return startServer({
    program: "java",
    args: (port) => [
      `-Djava.library.path=${join(folder, "DynamoDBLocal_lib")}`,
      "-jar",
      join(folder, "DynamoDBLocal.jar"),
      "-inMemory",
      "-sharedDb",
      "-disableTelemetry",
      "-port",
      String(port),
    ],
    options: { cwd: folder },
  });
}

/** Create the table of a stack. */
export async function createTable(endpoint: string, name: string): Promise<void> {
  const client = new DynamoDBClient(emulated(endpoint));
  const { partitionKey, sortKey, indexes } = tableShape;
  const keys = [
    partitionKey,
    sortKey,
    ...Object.values(indexes).flatMap((i) => [i.partition, i.sort]),
  ];
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: schemaOf(partitionKey, sortKey),
      AttributeDefinitions: keys.map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      GlobalSecondaryIndexes: Object.values(indexes).map((index) => ({
        IndexName: index.name,
        KeySchema: schemaOf(index.partition, index.sort),
        Projection: { ProjectionType: "ALL" },
      })),
    }),
  );
  client.destroy();
}

/** Options of a client of an emulator. */
export function emulated(endpoint: string): {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
} {
  return {
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "emulated", secretAccessKey: "emulated" },
  };
}

function schemaOf(
  partition: string,
  sort: string,
): { AttributeName: string; KeyType: "HASH" | "RANGE" }[] {
  return [
    { AttributeName: partition, KeyType: "HASH" },
    { AttributeName: sort, KeyType: "RANGE" },
  ];
}

function emulatorFolder(): string {
  const { resolve } = createRequire(import.meta.url);
  return join(dirname(resolve("amplify-dynamodb-simulator/package.json")), "emulator");
}

function missing(): string | undefined {
  try {
    emulatorFolder();
  } catch {
    return "amplify-dynamodb-simulator is not installed";
  }
  try {
    execFileSync("java", ["-version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "there is no Java";
  }
}
