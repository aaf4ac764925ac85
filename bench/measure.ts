/** Repetitions of two things that take turns, so that what else the machine does hits both alike. */
export interface Pairs {
  /** Milliseconds of each repetition. */
  readonly ours: readonly number[];
  readonly raw: readonly number[];
}

/** One repetition: does its work and returns the milliseconds of it that count. */
export type Repetition = () => number | Promise<number>;

/** How often to repeat. */
export interface Times {
  readonly warmUps: number;
  readonly times: number;
}

/** Run both `warmUps` times unmeasured, then take turns `times` times. */
export async function inTurns(
  ours: Repetition,
  raw: Repetition,
  { warmUps, times }: Times,
): Promise<Pairs> {
  const taken = { ours: [] as number[], raw: [] as number[] };
  for (let round = -warmUps; round < times; round += 1) {
    const rawFirst = round % 2 === 0;
    const before = rawFirst ? await raw() : undefined;
    const ms = await ours();
    const rawMs = before ?? (await raw());
    if (round < 0) continue;
    taken.ours.push(ms);
    taken.raw.push(rawMs);
  }
  return taken;
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => unknown): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** The middle of some numbers. */
export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

/** The number below which a share of all lies. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  if (sorted.length === 0) throw new RangeError("Nothing was measured.");
  const place = (sorted.length - 1) * share;
  const low = sorted[Math.floor(place)] ?? 0;
  const high = sorted[Math.ceil(place)] ?? low;
  return low + (high - low) * (place - Math.floor(place));
}

/** Median speed of ours as a share of raw. */
export function shareOfRaw({ ours, raw }: Pairs): number {
  return median(ours.map((ms, index) => (raw[index] ?? 0) / ms));
}

/** Resolve after `ms` milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Milliseconds of a clock that all processes of this machine share. */
export function sharedClock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
