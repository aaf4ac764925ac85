import type { CostEstimate, CostItem, CostOption, Work } from "../../core/plan/offer.ts";
import { type Priced, prices, pricesOf, pricesRegion } from "./prices.ts";

/** How many of each priced thing one execution uses. */
type Usage = Readonly<Partial<Record<Priced, number>>>;

interface EstimateParams {
  readonly memoryMb: number;
  readonly work: Work;
  readonly executions: number;
}

/** Seconds an advance takes beside the time in checkpoints; a turn of the orchestrator; the reading of a message. */
const advanceSeconds = 0.2;
const turnSeconds = 0.05;
const messageSeconds = 0.05;

/** Queue operations of one message: put, get and delete. */
const perMessage = 3;
/** Rows of the history: read, written as one batch, and the state of the instance. */
const perTurn = 3;

/** Estimate, at list prices, what executions of this work cost, and with an activity for each checkpoint. */
export function estimateCost({ memoryMb, work, executions }: EstimateParams): CostEstimate {
  const instanceGb = memoryMb / 1024;
  return {
    pricesOf,
    region: pricesRegion,
    executions,
    chosen: optionOf("as it is deployed", loopUsage(work, instanceGb), executions),
    others: [
      optionOf(
        "an activity for each checkpoint, written by hand",
        activitiesUsage(work, instanceGb),
        executions,
      ),
    ],
    assumptions: [
      `An estimate at list prices of ${pricesOf} in ${pricesRegion}, without free grants, discounts, taxes, storage, logs, and what models and your own services charge.`,
      `An advance takes ${advanceSeconds} s beside the time in checkpoints, a turn of the orchestrator ${turnSeconds} s, each on an instance of ${memoryMb} MB of its own; instances that share theirs cost less.`,
      "Each checkpoint costs one write of a row. Nothing fails, and no advance is cut short. The polling of queues by an app that is at rest is not in it.",
    ],
  };
}

/** The loop of advances: an activity for each advance and each isolated attempt, none for an inline checkpoint. */
function loopUsage(
  { inline, isolated, rests, largeValues, seconds }: Work,
  instanceGb: number,
): Usage {
  const activities = 1 + rests + 2 * isolated;
  const turns = 1 + activities + rests;
  const messages = 1 + rests;
  return {
    invocation: activities + turns + messages,
    compute:
      instanceGb *
      (advanceSeconds * activities + turnSeconds * turns + messageSeconds * messages + seconds),
    // as counted: a start and an end; each checkpoint; each isolated one; each rest with what it is answered by
    table: 10 + inline + 9 * isolated + 18 * rests + perTurn * turns,
    // an activity is a message there and one back; a wake and a timer are one each
    queue: perMessage * (messages + 1 + 2 * activities + 2 * rests),
    blob: largeValues,
  };
}

/** What an orchestration with an activity for each checkpoint uses for the same work; data passes through it. */
function activitiesUsage(
  { inline, isolated, rests, largeValues, seconds }: Work,
  instanceGb: number,
): Usage {
  const activities = inline + isolated;
  const turns = 1 + activities + rests;
  return {
    invocation: activities + turns + rests,
    compute: instanceGb * (advanceSeconds * activities + turnSeconds * (turns + rests) + seconds),
    table: perTurn * turns,
    queue: perMessage * (1 + 2 * activities + 2 * rests),
    blob: largeValues,
  };
}

function optionOf(title: string, usage: Usage, executions: number): CostOption {
  const items = (Object.keys(prices) as Priced[]).flatMap((key): CostItem[] => {
    const each = usage[key] ?? 0;
    if (each === 0) return [];
    const { item, unit, dollars, source } = prices[key];
    const quantity = each * executions;
    return [{ item, quantity, unit, unitPrice: dollars, cost: quantity * dollars, source }];
  });
  return { title, items, total: items.reduce((sum, { cost }) => sum + cost, 0) };
}
