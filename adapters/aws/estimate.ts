import type { CostEstimate, CostItem, CostOption, Work } from "../../core/plan/offer.ts";
import type { StartMode } from "./permissions.ts";
import { type Priced, prices, pricesOf, pricesRegion } from "./prices.ts";

/** How many of each priced thing one execution uses. */
type Usage = Readonly<Partial<Record<Priced, number>>>;

/** Seconds an advance takes beside the time in checkpoints, and seconds of a park. */
const advanceSeconds = 0.2;
const parkSeconds = 0.05;
/**
 * Units of the table, index entries included, as `npm run bench:aws` counts them: for a start and an end; for an isolated
 * checkpoint; for a rest, which is parked, told something and resumed. A checkpoint is one write.
 */
const units = {
  write: { once: 8, isolated: 8, rest: 12.5 },
  read: { once: 3, isolated: 6, rest: 4 },
} as const;
/** Memory of the functions as KitaruRuntime makes them by default, in GB. */
const advanceGb = 0.5;
const parkGb = 0.25;

/** Estimate, at list prices, what executions of this work cost in both modes and with a state for each checkpoint. */
export async function estimateCost(
  mode: StartMode,
  work: Work,
  executions: number,
): Promise<CostEstimate> {
  const option = (title: string, usage: Usage): CostOption => optionOf(title, usage, executions);
  const always = option('orchestrator: "always"', loopUsage(work, "always"));
  const onSuspend = option('orchestrator: "onSuspend"', loopUsage(work, "onSuspend"));
  const states = option("a state for each checkpoint, written by hand", statesUsage(work));
  const [chosen, other] = mode === "always" ? [always, onSuspend] : [onSuspend, always];
  return {
    pricesOf,
    region: pricesRegion,
    executions,
    chosen,
    others: [other, states],
    assumptions: [
      `An estimate at list prices of ${pricesOf} in ${pricesRegion}, without free tiers, discounts, taxes, storage, logs, and what models and your own services charge.`,
      `An advance takes ${advanceSeconds} s at ${advanceGb * 1024} MB beside the time in checkpoints; a park ${parkSeconds} s at ${parkGb * 1024} MB.`,
      "Each checkpoint costs one write unit: its result and key have less than 1 KB. Nothing fails, and no advance is cut short.",
    ],
  };
}

/** The loop of advances: transitions are paid for rests and isolated calls, not for checkpoints. */
function loopUsage(work: Work, mode: StartMode): Usage {
  const { inline, isolated, rests, largeValues, seconds } = work;
  const stops = rests + isolated;
  const advances = 1 + stops;
  // Start, Route, Completed; Park, Advance, Route for each rest; and with a task its map and its attempt instead of a park
  const transitions = 3 + 3 * rests + 4 * isolated;
  const isBegun = mode === "onSuspend";
  const invocations = advances + rests + isolated;
  return {
    transition: isBegun && stops === 0 ? 0 : transitions,
    // the invocation that begins is followed by that of the machine, which finds the same rest
    invocation: invocations + (isBegun && stops > 0 ? 1 : 0),
    compute:
      advanceGb * (advanceSeconds * (advances + isolated) + seconds) + parkGb * parkSeconds * rests,
    write: units.write.once + inline + units.write.isolated * isolated + units.write.rest * rests,
    read: units.read.once + units.read.isolated * isolated + units.read.rest * rests,
    object: largeValues,
  };
}

/** What a state machine of one task state for each checkpoint uses for the same work; data passes through it. */
function statesUsage({ inline, isolated, rests, largeValues, seconds }: Work): Usage {
  const tasks = inline + isolated;
  return {
    transition: 2 + tasks + 2 * rests,
    invocation: tasks + rests,
    compute: advanceGb * (advanceSeconds * tasks + seconds) + parkGb * parkSeconds * rests,
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
