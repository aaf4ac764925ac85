import { DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aws } from "../../adapters/aws/index.ts";
import { tableShape } from "../../adapters/aws/table.ts";
import { KitaruClient, configure } from "../../core/index.ts";
import { closeStacks } from "../../core/stacks.ts";
import { emulated } from "../emulators/dynamodb-local.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { prompt } from "./fixtures/flows.ts";

const days = 30;

describe.skipIf(noCloud !== undefined)(`retention on aws (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  let dynamo: DynamoDBClient;
  beforeAll(async () => {
    cloud = await startCloud({ environment: { KITARU_AWS_RETENTION_DAYS: String(days) } });
    Object.assign(process.env, cloud.env);
    configure({ config: { stacks: { aws: aws({ name: cloud.name }) } }, stack: "aws" });
    dynamo = new DynamoDBClient(emulated(cloud.table.endpoint));
    const entry = new URL("fixtures/flows.ts", import.meta.url);
    await new KitaruClient().deployments.deploy({ entry, tag: "default" });
  }, 120_000);
  afterAll(async () => {
    dynamo?.destroy();
    await closeStacks();
    await cloud?.close();
  });

  const itemsOf = async (partition: string) => {
    const TableName = cloud.variables["KITARU_AWS_TABLE"];
    const { Items = [] } = await dynamo.send(new ScanCommand({ TableName, ConsistentRead: true }));
    return Items.filter(({ p }) => p?.S === partition);
  };

  test("each item of an ended execution has the time at which the table deletes it", async () => {
    const handle = prompt.run(1, { id: "kept" });
    expect(await handle.result({ timeout: "30s" })).toBe(2);
    const { endedAt } = await new KitaruClient().executions.get("kept");
    const expiry = Math.ceil(((endedAt?.getTime() ?? 0) + days * 86_400_000) / 1000);
    await expect
      .poll(
        async () => (await itemsOf("exec/kept")).map((item) => item[tableShape.expiryAttribute]?.N),
        { timeout: 10_000 },
      )
      .toEqual(Array.from({ length: 2 }, () => String(expiry)));
  }, 60_000);
});
