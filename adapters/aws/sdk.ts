import { onDemand as openOnce, explainMissing } from "../../core/ports/on-demand.ts";

/** Packages of the AWS SDK this adapter needs; each is loaded when it is first used. */
export const awsPackages = [
  "@aws-sdk/client-dynamodb",
  "@aws-sdk/client-lambda",
  "@aws-sdk/client-s3",
  "@aws-sdk/client-secrets-manager",
  "@aws-sdk/client-sfn",
  "@aws-sdk/client-ssm",
] as const;

/** Open a client once, when it is first needed; a package that is not installed is named with the command that installs it. */
export function onDemand<T>(open: () => Promise<T>): () => Promise<T> {
  return openOnce(() =>
    open().catch((error: unknown) => {
      throw explainMissing(error, missing);
    }),
  );
}

const missing = `A stack of kind "aws" needs the AWS SDK, which is not installed: npm install ${awsPackages.join(" ")}`;
