import type { CostEstimate, CostOption, Work } from "../core/plan/offer.ts";
import type { Console } from "./console.ts";
import { plural, table } from "./text.ts";

/** An estimate item by item, with what it rests on. */
export function costLines(say: Console, work: Work, estimate: CostEstimate): string[] {
  const { style } = say;
  const { executions, chosen, others, assumptions } = estimate;
  const rows = chosen.items.map(({ item, quantity, unit, unitPrice, cost, source }) => [
    item,
    number(quantity),
    unit,
    `$${unitPrice.toPrecision(3)}`,
    dollars(cost),
    style.dim(source),
  ]);
  return [
    `${style.bold(plural(executions, "execution"))} of ${plural(work.inline, "inline call")}, ${plural(work.isolated, "isolated call")} and ${plural(work.rests, "rest")} each`,
    "",
    ...table(["ITEM", "QUANTITY", "UNIT", "PRICE", "COST", "SOURCE"].map(style.dim), rows),
    "",
    ...table(["", ""], [chosen, ...others].map(totalRow)).slice(1),
    "",
    ...assumptions,
  ];
}

function totalRow({ title, total }: CostOption): string[] {
  return [dollars(total), title];
}

function dollars(amount: number): string {
  return `$${amount.toFixed(4)}`;
}

function number(quantity: number): string {
  return Number(quantity.toFixed(1)).toLocaleString("en-US");
}
