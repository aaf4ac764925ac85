/** How long a commit is meant to last; see the option of the local stack. */
export type Durability = "normal" | "full";

/** Both, the default first. */
export const durabilities: readonly Durability[] = ["normal", "full"];

/** What a row counts in. Rates are better when higher, all others when lower. */
export type Unit = "/s" | "MB/s" | "ms" | "MB" | "%" | "writes" | "×";

/** One line of the table. */
export interface Row {
  readonly workload: string;
  readonly what: string;
  readonly durability: Durability;
  readonly unit: Unit;
  readonly ours: number;
  /** The same rows, written (or read) by bare node:sqlite between the repetitions of ours. */
  readonly raw?: number;
  /** Speed of ours as a share of raw: the median of what each pair of repetitions gave. */
  readonly share?: number;
  readonly target?: Target;
  readonly note?: string;
}

/** What a row must hold. */
export interface Target {
  readonly text: string;
  readonly ok: boolean;
}

/** A measured number and the bound it must keep, by the sense of the unit. */
export function bound(value: number, unit: Unit, limit: number): Target {
  const isRate = unit === "/s" || unit === "MB/s";
  return {
    text: `${isRate ? "≥" : "≤"} ${limit.toLocaleString("en-US")} ${unit}`,
    ok: isRate ? value >= limit : value <= limit,
  };
}

/** Ours must reach `least` of what raw does. */
export function shareOf(share: number, least: number): Target {
  return { text: `≥ ${Math.round(least * 100)} % of raw`, ok: share >= least };
}
