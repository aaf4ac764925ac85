import type { CostEstimate, CostItem, CostOption, Work } from "../../core/plan/offer.ts";
import { type Priced, prices, pricesOf, pricesRegion } from "./prices.ts";

/** How many of each priced thing one execution uses. */
type Usage = Readonly<Partial<Record<Priced, number>>>;

/** Seconds an advance takes beside the time in checkpoints. */
const advanceSeconds = 0.3;
/** CPUs and memory of the functions as kitaruRuntime() makes them by default. */
const vcpus = 1;
const gib = 1;

/** Estimate, at list prices, what executions of this work cost, and with a step for each checkpoint. */
export async function estimateCost(work: Work, executions: number): Promise<CostEstimate> {
  return {
    pricesOf,
    region: pricesRegion,
    executions,
    chosen: optionOf("a loop of advances", loopUsage(work), executions),
    others: [optionOf("a step for each checkpoint, written by hand", stepsUsage(work), executions)],
    assumptions: [
      `An estimate at list prices of ${pricesOf} in ${pricesRegion}, without free tiers, discounts, taxes, storage, logs, and what models and your own services charge.`,
      `An advance takes ${advanceSeconds} s with ${vcpus} vCPU and ${gib} GiB beside the time in checkpoints.`,
      "Each checkpoint costs one document write. Nothing fails, and no advance is cut short.",
    ],
  };
}

/** The loop of advances: steps are paid for rests and isolated calls, not for checkpoints. */
function loopUsage({ inline, isolated, rests, largeValues, seconds }: Work): Usage {
  const advances = 1 + rests + isolated;
  const busy = advanceSeconds * (advances + isolated) + seconds;
  return {
    // init and finish; each advance opens an endpoint, asks and routes; each rest goes round; each attempt has three more
    internalStep: 2 + 3 * advances + rests + 3 * isolated,
    externalStep: rests, // an awaited callback is charged as external
    request: advances + isolated,
    cpu: vcpus * busy,
    memory: gib * busy,
    // as counted (`npm run bench:gcp`): a start and an end four writes, a rest four and its answer two
    write: 4 + inline + 5 * isolated + 6 * rests,
    read: 3 + 8 * isolated + 10 * rests,
    object: largeValues,
  };
}

/** What a workflow of one step for each checkpoint uses for the same work; data passes through it. */
function stepsUsage({ inline, isolated, rests, largeValues, seconds }: Work): Usage {
  const tasks = inline + isolated;
  const busy = advanceSeconds * tasks + seconds;
  return {
    // a call, and what takes its result on
    internalStep: 2 + 2 * tasks + 2 * rests,
    externalStep: rests,
    request: tasks,
    cpu: vcpus * busy,
    memory: gib * busy,
    object: largeValues,
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
