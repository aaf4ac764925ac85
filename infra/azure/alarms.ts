import { metricQuery } from "../../adapters/azure/metrics.ts";
import { functionNames } from "../../adapters/azure/names.ts";
import { type ArmResource, type Expression, ex, format, parameter, valueOf } from "./arm.ts";

interface AlarmsParams {
  /** Name of the runtime. */
  readonly name: Expression;
  readonly location: string;
  /** Application Insights, where the app's log is. */
  readonly insightsId: Expression;
  /** The storage account. */
  readonly accountId: Expression;
}

/** A query over Application Insights, and when what it finds needs a person. */
interface Rule {
  readonly name: string;
  readonly description: string;
  /** Finds rows with a column `value`. */
  readonly query: string;
  readonly timeAggregation: "Total" | "Maximum";
  readonly threshold: number;
  /** Minutes that are looked at, each time. */
  readonly minutes: number;
  /** Of how many looks in a row how many have to find it. @default the last one */
  readonly periods?: readonly [failing: number, of: number];
}

const watched = [functionNames.sweep, functionNames.messages].map((name) => `"${name}"`);

const rules: readonly Rule[] = [
  {
    name: "failed-executions",
    description:
      "An execution of the kitaru runtime has failed: kitaru executions list --status failed",
    query: metricQuery("FailedExecutions"),
    timeAggregation: "Total",
    threshold: 1,
    minutes: 15,
  },
  {
    name: "overdue-executions",
    description:
      "The sweep of the kitaru runtime finds executions overdue time after time: has the app as many instances as it needs?",
    query: metricQuery("OverdueExecutions"),
    timeAggregation: "Maximum",
    threshold: 1,
    minutes: 5,
    // the log of the last minutes may be on its way
    periods: [3, 4],
  },
  {
    name: "failed-functions",
    description:
      "Functions of the kitaru runtime fail that nobody waits for: the sweep, or what reads the queue.",
    query: `requests | where success == false and name in (${watched.join(", ")}) | project timestamp, value = itemCount`,
    timeAggregation: "Total",
    threshold: 3,
    minutes: 15,
  },
];

/** Alarms on what needs a person, once it is said who is told: failed executions, executions nobody drives, throttling. */
export function alarms(params: AlarmsParams): ArmResource[] {
  return [...rules.map((rule) => queryAlarm(rule, params)), throttledStorage(params)];
}

const isToldToSomebody = ex(`not(empty(${parameter("alarmsTo")}))`);

function queryAlarm(rule: Rule, { name, location, insightsId }: AlarmsParams): ArmResource {
  const { description, query, timeAggregation, threshold, minutes } = rule;
  const [failing, of] = rule.periods ?? [1, 1];
  const named = (between: string) => ex(`format('{0}${between}${rule.name}', ${name})`);
  return {
    type: "Microsoft.Insights/scheduledQueryRules",
    apiVersion: "2021-08-01",
    name: valueOf(named("-")),
    location,
    condition: valueOf(ex(`and(${parameter("monitoring")}, ${isToldToSomebody})`)),
    properties: {
      displayName: valueOf(named(": ")),
      description,
      severity: 2,
      enabled: true,
      scopes: [valueOf(insightsId)],
      evaluationFrequency: "PT5M",
      windowSize: `PT${minutes}M`,
      criteria: {
        allOf: [
          {
            query,
            timeAggregation,
            metricMeasureColumn: "value",
            operator: "GreaterThanOrEqual",
            threshold,
            failingPeriods: { numberOfEvaluationPeriods: of, minFailingPeriodsToAlert: failing },
          },
        ],
      },
      autoMitigate: true,
      // nothing has been logged yet when the runtime is created
      skipQueryValidation: true,
      actions: { actionGroups: [valueOf(parameter("alarmsTo"))] },
    },
    dependsOn: [valueOf(insightsId)],
  };
}

/** Answers of a storage account by which it says that it is asked too much. */
const throttling = [
  "ServerBusyError",
  "ClientThrottlingError",
  "ClientAccountRequestThrottlingError",
  "ClientAccountBandwidthThrottlingError",
];

function throttledStorage({ name, accountId }: AlarmsParams): ArmResource {
  return {
    type: "Microsoft.Insights/metricAlerts",
    apiVersion: "2018-03-01",
    name: valueOf(format`${name}-throttled-storage`),
    location: "global",
    condition: valueOf(isToldToSomebody),
    properties: {
      description: "The storage account of the kitaru runtime is throttled.",
      severity: 2,
      enabled: true,
      scopes: [valueOf(accountId)],
      evaluationFrequency: "PT5M",
      windowSize: "PT5M",
      criteria: {
        "odata.type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
        allOf: [
          {
            criterionType: "StaticThresholdCriterion",
            name: "throttled",
            metricNamespace: "Microsoft.Storage/storageAccounts",
            metricName: "Transactions",
            dimensions: [{ name: "ResponseType", operator: "Include", values: throttling }],
            timeAggregation: "Total",
            operator: "GreaterThanOrEqual",
            threshold: 1,
          },
        ],
      },
      autoMitigate: true,
      actions: [{ actionGroupId: valueOf(parameter("alarmsTo")) }],
    },
    dependsOn: [valueOf(accountId)],
  };
}
