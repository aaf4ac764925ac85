import { expect } from "vitest";
import type { CostOption, Work } from "../core/plan/offer.ts";

/** What the execution does that estimates are held against. */
export const estimatedWork: Work = {
  inline: 20,
  isolated: 3,
  rests: 2,
  largeValues: 5,
  seconds: 0,
};

/** How often that execution does what was counted. */
const times: readonly [what: RegExp, times: number][] = [
  [/^start$/, 1],
  [/^first advance and end$/, 1],
  [/^checkpoint, small result$/, 15],
  [/^checkpoint, result of /, 5],
  [/^isolated checkpoint$/, 3],
  [/^wait: parked, and resumed$/, 2],
  [/^answer$/, 2],
];

/** Expect an estimate for {@link estimatedWork} to be within a tenth of what was counted; `amounts` is by priced item. */
export function expectAsCounted<Row extends { readonly what: string }>(
  { items }: CostOption,
  rows: readonly Row[],
  amounts: Readonly<Record<string, (row: Row) => number>>,
): void {
  for (const [priced, amountOf] of Object.entries(amounts)) {
    const counted = times.reduce((sum, [what, often]) => {
      const row = rows.find((one) => what.test(one.what));
      return sum + often * (row === undefined ? Number.NaN : amountOf(row));
    }, 0);
    const ratio = (items.find(({ item }) => item === priced)?.quantity ?? 0) / counted;
    const isClose = ratio > 0.9 && ratio < 1.1;
    expect({ priced, isClose, ratio }).toMatchObject({ isClose: true });
  }
}
