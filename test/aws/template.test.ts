import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { emitStateMachine } from "../../adapters/aws/emit.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { cfnLint, noMoto } from "../emulators/moto.ts";
import { type Permission, callers, permissionsFor } from "./iam.ts";
import { machineNeeds, policiesOf } from "./policies.ts";
import { type Synthesized, synthesizeApp } from "./template.ts";

describe("the app a team without a CDK app deploys", () => {
  const folder = mkdtempSync(join(tmpdir(), "kitaru-app-"));
  let app: Synthesized;
  beforeAll(() => {
    app = synthesizeApp(folder, "agents");
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  test("has one runtime of the name and region it is given", () => {
    const { Description, Resources } = JSON.parse(app.text) as {
      Description: string;
      Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
    };
    expect(Description).toBe("kitaru runtime agents");
    const buckets = Object.values(Resources).filter(({ Type }) => Type === "AWS::S3::Bucket");
    expect(buckets.map(({ Properties }) => Properties["BucketName"])).toEqual([
      "kitaru-agents-123456789012-us-east-1",
    ]);
  });

  test("allows each function, and whoever operates it, what is enforced in every test, and nothing else", () => {
    const policies = policiesOf(app.text);
    expect([...policies.keys()].toSorted()).toEqual([...callers, "machine"].toSorted());
    for (const caller of callers) {
      const granted = (policies.get(caller) ?? []).filter(({ action }) => !isLogging(action));
      expect(texts(granted)).toEqual(texts(permissionsFor("agents", caller, "always")));
    }
  });

  test("allows state machines what is written in them, and nothing else", () => {
    const plan: Plan = {
      kind: "plan",
      bundle: "0123456789abcdef",
      flows: [{ flow: "review", name: "review-0123456789ab" }],
      waits: [{ wait: "approve" }],
      tasks: [{ checkpoint: "render" }],
    };
    const arn = (of: string): string =>
      `arn:aws:lambda:us-east-1:123456789012:function:kitaru-agents-${of}`;
    const size = { size: "default", memoryMb: 1024, storageMb: 512, timeoutMs: 900_000 };
    const machine = emitStateMachine(plan, plan.flows[0] ?? { flow: "", name: "" }, {
      advance: arn("advance"),
      park: arn("park"),
      tasks: [{ ...size, arn: arn("task-default") }],
      bucket: "kitaru-agents-123456789012-us-east-1",
    });
    const granted = policiesOf(app.text).get("machine") ?? [];
    expect(texts(granted)).toEqual(texts(machineNeeds(machine, "agents")));
  });

  test.skipIf(noMoto !== undefined)(
    `its template is clean under cfn-lint (${noMoto ?? "found"})`,
    () => {
      // W3005: the CDK repeats as DependsOn what a reference says already
      const args = ["--ignore-checks", "W3005", "--", app.file];
      expect(execFileSync(cfnLint, args, { encoding: "utf8", stdio: "pipe" })).toBe("");
    },
  );
});

/** Lambda itself writes the logs, in the name of the function. */
function isLogging(action: string): boolean {
  return action === "logs:CreateLogStream" || action === "logs:PutLogEvents";
}

function texts(permissions: readonly Permission[]): string[] {
  return permissions.map(({ action, resource }) => `${action} ${resource}`).toSorted();
}
