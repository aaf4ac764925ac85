import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cfnLint, noMoto } from "../emulators/moto.ts";
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

  test.skipIf(noMoto !== undefined)(
    `its template is clean under cfn-lint (${noMoto ?? "found"})`,
    () => {
      // W3005: the CDK repeats as DependsOn what a reference says already
      const args = ["--ignore-checks", "W3005", "--", app.file];
      expect(execFileSync(cfnLint, args, { encoding: "utf8", stdio: "pipe" })).toBe("");
    },
  );
});
