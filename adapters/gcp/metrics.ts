/** Report metrics of a stack as a structured line of the log, which log-based metrics count: no request, no permission. */
export function report(stack: string, metrics: Readonly<Record<string, number>>): void {
  const severity = "INFO";
  const message = Object.entries(metrics)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
  process.stdout.write(`${JSON.stringify({ severity, message, kitaru: { stack, ...metrics } })}\n`);
}
