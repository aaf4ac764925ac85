/**
 * Report metrics of a stack as a line of the log that CloudWatch reads: no request, no permission.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export function report(stack: string, metrics: Readonly<Record<string, number>>): void {
  const names = Object.keys(metrics).map((Name) => ({ Name, Unit: "Count" }));
  const CloudWatchMetrics = [{ Namespace: "kitaru", Dimensions: [["stack"]], Metrics: names }];
  const line = { _aws: { Timestamp: Date.now(), CloudWatchMetrics }, stack, ...metrics };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
