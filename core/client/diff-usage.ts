import type { LlmRecord } from "../ports/model.ts";
import type { Delta, DiffedUsage } from "./diff.ts";

const figures = ["inputTokens", "outputTokens", "totalTokens", "cost"] as const;

/** Add up model calls; a figure that one of them does not know is not known of all. */
export function usageOf(records: readonly LlmRecord[]): DiffedUsage {
  return Object.fromEntries(
    figures.flatMap((figure) => {
      const known = records.flatMap((record) => record[figure] ?? []);
      const isKnown = records.length > 0 && known.length === records.length;
      return isKnown ? [[figure, rounded(known.reduce((sum, one) => sum + one, 0))]] : [];
    }),
  );
}

/** Other − original, figure by figure. */
export function deltaOf(original: Delta, other: Delta): Delta {
  return Object.fromEntries(
    (["durationMs", ...figures] as const).flatMap((figure) => {
      const [before, after] = [original[figure], other[figure]];
      return before === undefined || after === undefined ? [] : [[figure, rounded(after - before)]];
    }),
  );
}

/** Binary fractions add up to 0.30000000000000004; nobody is billed below a billionth of a dollar. */
function rounded(value: number): number {
  return Number(value.toFixed(12));
}
