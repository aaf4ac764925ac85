import type { LlmRecord, ModelPrice } from "../ports/model.ts";

/** Tokens and money, added up. */
export interface UsageTotals {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
  /** In US dollars; absent when no price was known for any call. */
  readonly cost?: number;
}

/** What the model calls of an execution used: everything, of which some was paid now and some before. */
export interface Usage extends UsageTotals {
  /** Asked in this execution. */
  readonly incurred: UsageTotals;
  /** Taken over from recorded outcomes. */
  readonly reused: UsageTotals;
}

/** One model call, as usage sees it. */
export interface UsageEntry {
  readonly record: LlmRecord;
  readonly kind: "incurred" | "reused";
}

const nothing: UsageTotals = { inputTokens: 0, outputTokens: 0, totalTokens: 0 };

/** The usage of no call at all. */
export const noUsage: Usage = { ...nothing, incurred: nothing, reused: nothing };

/** Sum model calls; the totals are of incurred and reused together. */
export function sumUsage(entries: Iterable<UsageEntry>): Usage {
  let usage = noUsage;
  for (const entry of entries) usage = addRecord(usage, entry);
  return usage;
}

/** Sum two usages, such as a parent's and a child's. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    ...addTotals(a, b),
    incurred: addTotals(a.incurred, b.incurred),
    reused: addTotals(a.reused, b.reused),
  };
}

/** Price of a call in US dollars, or `undefined` when its tokens are not known. */
export function costOf(
  price: ModelPrice,
  tokens: Pick<LlmRecord, "inputTokens" | "outputTokens">,
): number | undefined {
  const { inputTokens, outputTokens } = tokens;
  if (inputTokens === undefined || outputTokens === undefined) return undefined;
  return roundDollars((inputTokens * price.input + outputTokens * price.output) / 1_000_000);
}

function addRecord(usage: Usage, { record, kind }: UsageEntry): Usage {
  const totals = totalsOf(record);
  return {
    ...usage,
    ...addTotals(usage, totals),
    [kind]: addTotals(usage[kind], totals),
  };
}

function totalsOf({
  inputTokens = 0,
  outputTokens = 0,
  totalTokens,
  cost,
}: LlmRecord): UsageTotals {
  return {
    inputTokens,
    outputTokens,
    totalTokens: totalTokens ?? inputTokens + outputTokens,
    ...(cost === undefined ? {} : { cost }),
  };
}

function addTotals(a: UsageTotals, b: UsageTotals): UsageTotals {
  const cost =
    a.cost === undefined && b.cost === undefined
      ? undefined
      : roundDollars((a.cost ?? 0) + (b.cost ?? 0));
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    totalTokens: a.totalTokens + b.totalTokens,
    ...(cost === undefined ? {} : { cost }),
  };
}

/** Binary fractions add up to 0.30000000000000004; nobody is billed below a billionth of a dollar. */
function roundDollars(dollars: number): number {
  return Number(dollars.toFixed(12));
}
