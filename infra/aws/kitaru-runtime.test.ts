import { rmSync } from "node:fs";
import { App, Duration, Stack, Validations } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { AwsSolutionsChecks } from "cdk-nag";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Plan } from "../../core/plan/plan.ts";
import { FlowStateMachine, KitaruRuntime } from "./index.ts";

const outdir = `${import.meta.dirname}/../../node_modules/.cache/kitaru-synth`;

describe("KitaruRuntime", () => {
  let template: Template;
  beforeAll(() => {
    const { app, stack } = made();
    // throws on a finding nobody has given a reason for
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    template = Template.fromStack(stack);
    app.synth();
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

  test("keeps ended executions for the retention it is given, and for ever without one", () => {
    const variablesOf = (props: { readonly retention?: Duration }) => {
      const stack = new Stack(new App({ outdir }), "kept");
      new KitaruRuntime(stack, "Kitaru", { name: "kept", ...props });
      const functions = Template.fromStack(stack).findResources("AWS::Lambda::Function");
      return Object.values(functions).map(
        ({ Properties }) =>
          (Properties.Environment.Variables as Record<string, string>)["KITARU_AWS_RETENTION_DAYS"],
      );
    };
    expect(new Set(variablesOf({ retention: Duration.days(30) }))).toEqual(new Set(["30"]));
    expect(new Set(variablesOf({}))).toEqual(new Set([undefined]));
    template.hasResourceProperties("AWS::DynamoDB::Table", {
      TimeToLiveSpecification: { AttributeName: "ttl", Enabled: true },
    });
  });

  test("grants no action by pattern, and no resource but its own", () => {
    const policies = Object.values(template.findResources("AWS::IAM::Policy"));
    const statements = policies.flatMap(
      ({ Properties }) => Properties.PolicyDocument.Statement as Record<string, unknown>[],
    );
    expect(statements.length).toBeGreaterThan(20);
    for (const { Action, Resource } of statements) {
      expect([Action].flat().filter((action) => String(action).includes("*"))).toEqual([]);
      expect([Resource].flat()).not.toContain("*");
    }
  });

  test("has the state machine of a flow, of the same definition as a deployment's", () => {
    const machines = Object.values(template.findResources("AWS::StepFunctions::StateMachine"));
    expect(machines).toHaveLength(1);
    const properties = machines[0]?.["Properties"] as {
      readonly StateMachineName: string;
      readonly DefinitionString: { readonly "Fn::Join": [string, (string | object)[]] };
    };
    expect(properties.StateMachineName).toBe("agents-review-0123456789ab");
    const join = properties.DefinitionString["Fn::Join"];
    const text = join[1].map((part) => (typeof part === "string" ? part : "arn")).join("");
    expect(JSON.parse(text)).toMatchObject({
      StartAt: "Start",
      States: { "Wait for approve": { Type: "Task" }, "Run render": { Type: "Map" } },
    });
  });

  test("refuses a flow that the plan does not have", () => {
    const stack = new Stack(new App({ outdir }), "other");
    const runtime = new KitaruRuntime(stack, "Kitaru", { name: "other" });
    expect(() => new FlowStateMachine(stack, "Flow", { runtime, plan, flow: "revue" })).toThrow(
      'FlowStateMachine: the plan has no flow "revue". It has: review.',
    );
  });

  test.each(["AG", "a", "-agents", "a".repeat(31), "agents_1"])("refuses the name %s", (name) => {
    expect(() => new KitaruRuntime(new Stack(), "Kitaru", { name })).toThrow(
      /3 to 30 lower-case letters/,
    );
  });
});

const plan: Plan = {
  kind: "plan",
  bundle: "0123456789abcdef",
  flows: [{ flow: "review", name: "review-0123456789ab" }],
  waits: [{ wait: "approve" }],
  tasks: [{ checkpoint: "render" }],
};

function made(): { readonly app: App; readonly stack: Stack } {
  const app = new App({ outdir, analyticsReporting: false });
  const stack = new Stack(app, "agents", {
    env: { account: "123456789012", region: "eu-west-1" },
  });
  const runtime = new KitaruRuntime(stack, "Kitaru", {
    name: "agents",
    taskSizes: { default: {}, large: { memoryMb: 4096, storageMb: 2048 } },
  });
  new FlowStateMachine(stack, "Review", { runtime, plan, flow: "review" });
  return { app, stack };
}
