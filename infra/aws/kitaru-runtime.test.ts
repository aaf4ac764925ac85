import { rmSync } from "node:fs";
import { App, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KitaruRuntime } from "./index.ts";

const outdir = `${import.meta.dirname}/../../node_modules/.cache/kitaru-synth`;

describe("KitaruRuntime", () => {
  let template: Template;
  beforeAll(() => {
    template = Template.fromStack(made());
  }, 60_000);
  afterAll(() => rmSync(outdir, { recursive: true, force: true }));

  test("keeps its data when the stack is deleted, encrypted and restorable", () => {
    template.hasResource("AWS::DynamoDB::Table", {
      DeletionPolicy: "Retain",
      Properties: {
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        SSESpecification: { SSEEnabled: true },
        BillingMode: "PAY_PER_REQUEST",
      },
    });
    template.hasResource("AWS::S3::Bucket", { DeletionPolicy: "Retain" });
    template.hasResourceProperties("AWS::S3::BucketPolicy", {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: "Deny",
            Condition: { Bool: { "aws:SecureTransport": "false" } },
          }),
        ]),
      },
    });
  });

  test("has a function for each role and each size", () => {
    const functions = Object.values(template.findResources("AWS::Lambda::Function"));
    const handlers = functions.map(({ Properties }) => Properties.Handler as string);
    expect(handlers.toSorted()).toEqual([
      "index.advance",
      "index.api",
      "index.park",
      "index.sweep",
      "index.task",
      "index.task",
    ]);
  });

  test.each(["AG", "a", "-agents", "a".repeat(31), "agents_1"])("refuses the name %s", (name) => {
    expect(() => new KitaruRuntime(new Stack(), "Kitaru", { name })).toThrow(
      /3 to 30 lower-case letters/,
    );
  });
});

function made(): Stack {
  const app = new App({ outdir, analyticsReporting: false });
  const stack = new Stack(app, "agents", {
    env: { account: "123456789012", region: "eu-west-1" },
  });
  new KitaruRuntime(stack, "Kitaru", {
    name: "agents",
    taskSizes: { default: {}, large: { memoryMb: 4096, storageMb: 2048 } },
  });
  return stack;
}
