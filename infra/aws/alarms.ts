import { Duration } from "aws-cdk-lib";
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  Metric,
  TreatMissingData,
} from "aws-cdk-lib/aws-cloudwatch";
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";

interface AlarmsParams {
  readonly stack: string;
  readonly table: Table;
  readonly functions: readonly IFunction[];
}

/** Alarms on what needs a person: failed executions, throttling, executions nobody drives. */
export function addAlarms(scope: Construct, { stack, table, functions }: AlarmsParams): Alarm[] {
  const own = (metricName: string, statistic: string): IMetric =>
    new Metric({
      namespace: "kitaru",
      metricName,
      dimensionsMap: { stack },
      statistic,
      period: Duration.minutes(5),
    });
  return [
    alarm(scope, "FailedExecutions", own("FailedExecutions", "Sum"), {
      description: `An execution of the kitaru stack ${stack} has failed: kitaru executions list --status failed`,
    }),
    alarm(scope, "OverdueExecutions", own("OverdueExecutions", "Maximum"), {
      description: `The sweep of the kitaru stack ${stack} finds executions overdue time after time: are its functions throttled?`,
      evaluationPeriods: 3,
    }),
    alarm(scope, "ThrottledTable", table.metric("ThrottledRequests", { statistic: "Sum" }), {
      description: `The table of the kitaru stack ${stack} is throttled.`,
    }),
    ...functions.map((fn) =>
      alarm(scope, `Throttled${fn.node.id}`, fn.metricThrottles({ period: Duration.minutes(5) }), {
        description: `The function ${fn.node.id} of the kitaru stack ${stack} is throttled: raise the account's concurrency.`,
      }),
    ),
  ];
}

function alarm(
  scope: Construct,
  id: string,
  metric: IMetric,
  { description, evaluationPeriods = 1 }: { description: string; evaluationPeriods?: number },
): Alarm {
  return new Alarm(scope, id, {
    metric,
    alarmDescription: description,
    threshold: 1,
    evaluationPeriods,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
}
