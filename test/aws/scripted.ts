import { readFileSync } from "node:fs";
import { CreateRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { CreateFunctionCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { strToU8, zipSync } from "fflate";
import type { emulated } from "../emulators/dynamodb-local.ts";

/** Answers with directives, one an advance; what a park and a task were told is kept in the bucket. */
const script = readFileSync(new URL("fixtures/scripted-function.mjs", import.meta.url));

/** Create the function `scripted`, which plays all of a runtime's; resolves to the role it has. */
export async function createScripted(options: ReturnType<typeof emulated>): Promise<string> {
  const iam = new IAMClient(options);
  const policy = JSON.stringify({ Version: "2012-10-17", Statement: [] });
  const { Role } = await iam.send(
    new CreateRoleCommand({ RoleName: "scripted", AssumeRolePolicyDocument: policy }),
  );
  iam.destroy();
  const role = Role?.Arn ?? "";
  const lambda = new LambdaClient(options);
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName: "scripted",
      Runtime: "nodejs24.x",
      Role: role,
      Handler: "index.handler",
      Timeout: 10,
      Code: { ZipFile: zipSync({ "index.mjs": strToU8(script.toString()) }) },
    }),
  );
  lambda.destroy();
  return role;
}
