/** Time as the engine sees it; replaced by a virtual clock in tests. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Call `fn` once after `ms` milliseconds; the result cancels. Does not keep the process alive when `unref` is set. */
  schedule(ms: number, fn: () => void, options?: { readonly unref?: boolean }): () => void;
}

const longestTimeoutMs = 2 ** 31 - 1; // Node clamps longer timers to 1 ms

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  schedule(ms, fn, options) {
    let timer: NodeJS.Timeout;
    const arm = (left: number): void => {
      const step = Math.min(left, longestTimeoutMs);
      timer = setTimeout(() => (left > step ? arm(left - step) : fn()), step);
      if (options?.unref === true) timer.unref();
    };
    arm(Math.max(0, ms));
    return () => clearTimeout(timer);
  },
};
