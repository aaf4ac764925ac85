/** Everything that goes wrong in one simulated run, drawn from the seed. */
export interface Scenario extends Readonly<Record<Fault, number>> {
  /** As {@link MemoryOrchestratorOptions.style}. */
  readonly style: "process" | "cloud";
  readonly pageSize: number;
  readonly segmentBytes: number;
  readonly inlineBytes: number;
  readonly advanceMs: number | undefined;
  readonly giveUpMs: number | undefined;
  /** Probability of a fault at a step. */
  readonly faultRate: number;
  /** Share of steps at which not the longest waiting, but anybody, goes next. */
  readonly disorder: number;
  /** Largest difference of a process' clock from the true time, in milliseconds. */
  readonly skewMs: number;
  /** Share of listings of the due index that show how it was before. */
  readonly staleIndex: number;
  /** Clients that answer at random times, beside the one that answers in the end. */
  readonly clients: number;
  /** Clients that cancel. */
  readonly cancels: number;
  /** Latest time at which a client speaks first, in milliseconds from the start. */
  readonly latestMs: number;
}

/** What may happen so many times in a run. */
export type Fault =
  /** A process dies, before or after what it was about to write. */
  | "crashes"
  /** A write takes effect and is reported as a lost race. */
  | "conflicts"
  /** A use of the store fails, with or without effect. */
  | "errors"
  /** A process stands still for a while, perhaps until nobody counts on it any more. */
  | "freezes"
  /** An orchestration ends without a trace. */
  | "kills"
  /** An orchestration calls an advance again though the one before it is at work. */
  | "impatience"
  /** Time passes though somebody has work to do. */
  | "ticks"
  | "spuriousWakes"
  | "lostWakes"
  | "doubledWakes"
  | "doubledStarts";

/** Uniform in [0, 1), by `seed`. */
export function generator(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draw one of some values. */
export function oneOf<T>(random: () => number, values: readonly [T, ...T[]]): T {
  return values[Math.floor(random() * values.length)] ?? values[0];
}

/** Draw what goes wrong. */
export function drawScenario(random: () => number): Scenario {
  const upTo = (most: number): number => Math.floor(random() * (most + 1));
  const advanceMs = oneOf(random, [undefined, undefined, 60_000]);
  return {
    style: oneOf(random, ["process", "cloud"]),
    pageSize: oneOf(random, [1, 2, 3, 100]),
    segmentBytes: oneOf(random, [1, 300, 900, 100_000]),
    inlineBytes: oneOf(random, [0, 30, 10_000]),
    advanceMs,
    giveUpMs:
      advanceMs === undefined ? oneOf(random, [undefined, 45_000, 45_000]) : advanceMs + 10_000,
    faultRate: random() * random(),
    disorder: random() < 0.3 ? 0 : random(),
    skewMs: oneOf(random, [0, 0, 2000]),
    staleIndex: oneOf(random, [0, 0.3]),
    clients: upTo(3),
    cancels: random() < 0.15 ? 1 + upTo(1) : 0,
    latestMs: oneOf(random, [0, 1000, 60_000]),
    crashes: upTo(3),
    conflicts: upTo(3),
    errors: random() < 0.1 ? 8 : upTo(2),
    freezes: upTo(3),
    impatience: random() < 0.3 ? 1 + upTo(2) : 0,
    kills: random() < 0.3 ? 1 : 0,
    ticks: upTo(4),
    spuriousWakes: upTo(2),
    lostWakes: random() < 0.3 ? upTo(3) : 0,
    doubledWakes: upTo(1),
    doubledStarts: random() < 0.3 ? 1 + upTo(1) : 0,
  };
}
