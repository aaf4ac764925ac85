/** Numbers of what was asked for, by what it was. */
export type Numbers<C> = Readonly<Record<keyof C, number>>;

/** Adds up what is told to it. */
export class Tally<C extends Numbers<C>> {
  /** How often it was told something. */
  seen = 0;
  readonly #nothing: C;
  #counts: C;

  constructor(nothing: C) {
    this.#nothing = nothing;
    this.#counts = nothing;
  }

  tell(counts: Partial<C>): void {
    this.seen += 1;
    this.#counts = combine(this.#counts, { ...this.#nothing, ...counts }, (a, b) => a + b);
  }

  /** Everything since the last time. */
  take(): C {
    const counts = this.#counts;
    this.#counts = this.#nothing;
    return counts;
  }
}

/** Each number of one with that of another. */
export function combine<C extends Numbers<C>>(
  a: C,
  b: C,
  how: (a: number, b: number) => number,
): C {
  const keys = Object.keys(a) as (keyof C)[];
  return Object.fromEntries(keys.map((key) => [key, how(a[key], b[key])])) as unknown as C;
}
