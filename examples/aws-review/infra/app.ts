// `npx cdk deploy`: what the flows run on. The flows themselves are published with `npx kitaru deploy --stack aws`.
import { App, CfnOutput, Stack } from "aws-cdk-lib";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { Topic } from "aws-cdk-lib/aws-sns";
import { KitaruRuntime } from "kitaru/infra/aws";

const app = new App();
const stack = new Stack(app, "review");

const runtime = new KitaruRuntime(stack, "Kitaru", {
  name: "review",
  // `scan` in flows/review.ts states 2,048 MB: it runs in `large`, everything else in `small`
  taskSizes: { small: { memoryMb: 512 }, large: { memoryMb: 2048 } },
});

const alerts = new Topic(stack, "Alerts", { enforceSSL: true });
for (const alarm of runtime.alarms) alarm.addAlarmAction(new SnsAction(alerts));

// the function other services call, such as desk.ts: they need lambda:InvokeFunction on it and nothing else
new CfnOutput(stack, "Api", { value: runtime.functions.api.functionName });
app.synth();
