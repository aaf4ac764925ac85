/** What the app reports of itself. */
export type Metric = "FailedExecutions" | "OverdueExecutions";

const prefix = "kitaru-metric ";

/** A metric as a line of an invocation's log, which Application Insights keeps: no request, no permission of its own. */
export function metricLine(metric: Metric, value: number): string {
  return prefix + JSON.stringify({ [metric]: value });
}

/**
 * The query that finds a metric in Application Insights, in a column `value`. A line that stands for others, which were
 * not kept, counts for all of them.
 */
export function metricQuery(metric: Metric): string {
  const said = `parse_json(substring(message, ${prefix.length}))`;
  return `traces | where message startswith "${prefix}" | project timestamp, value = toint(${said}.${metric}) * itemCount | where value > 0`;
}
