import { App, Stack } from "aws-cdk-lib";
import { KitaruRuntime } from "./kitaru-runtime.ts";

// A CDK app of its own for teams that have none: `cdk deploy --app "node node_modules/kitaru/dist/infra/aws/app.js"`.
// The runtime's name and region come from `-c name=… -c region=…`, or from KITARU_AWS_NAME and AWS_REGION.

const app = new App();
const name = setting("name", "KITARU_AWS_NAME") ?? "agents";
const region = setting("region", "AWS_REGION") ?? process.env["CDK_DEFAULT_REGION"];
const account = process.env["CDK_DEFAULT_ACCOUNT"];
const stack = new Stack(app, `kitaru-${name}`, {
  description: `kitaru runtime ${name}`,
  env: {
    ...(account === undefined ? {} : { account }),
    ...(region === undefined ? {} : { region }),
  },
});
new KitaruRuntime(stack, "Kitaru", { name });
app.synth();

function setting(key: string, variable: string): string | undefined {
  const given: unknown = app.node.tryGetContext(key);
  return typeof given === "string" ? given : process.env[variable];
}
