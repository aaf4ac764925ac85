import { type Duration, parseDuration } from "../core/duration.ts";
import { KitaruUsageError } from "../core/errors.ts";
import type { Clock } from "../core/ports/clock.ts";

/** A clock that stands still until it is moved. */
export interface VirtualClock extends Clock {
  /** When the next timer is due, epoch milliseconds; undefined when none is set. */
  readonly next: number | undefined;
  /** Move to a time. Timers on the way fire in their order, each once what the one before set in motion is at rest. */
  advanceTo(at: number | Date): Promise<void>;
  /** Like {@link advanceTo}, by a length of time. */
  advanceBy(length: Duration): Promise<void>;
  /** Jump from timer to timer until none is left that keeps a process alive. Resolves to the time it then is. */
  runUntilIdle(): Promise<number>;
  /** Resolve once nothing goes on at the present time. */
  settle(): Promise<void>;
  /** Set the time and fire what is due, without waiting for what that sets in motion. */
  jump(at: number): void;
  /** Stop moving by itself, and drop every timer. */
  close(): void;
}

/** Options of {@link virtualClock}. */
export interface VirtualClockOptions {
  /** @default 2030-01-01T00:00:00Z */
  readonly startAt?: number | Date;
  /**
   * Move by itself whenever nothing goes on and a timer is set that keeps a process alive; a function says
   * whether it may at the moment.
   * @default false
   */
  readonly auto?: boolean | (() => boolean);
  /** Whether something goes on that uses neither timers of this clock nor turns of the event loop: real I/O. */
  readonly isBusy?: () => boolean;
  /** How long the clock stands still for {@link isBusy}, in real milliseconds without any event. @default 50 */
  readonly patienceMs?: number;
}

/** Time that passes only when a test says so, or when nothing is left to do before the next timer. */
export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  return new TimerQueue(options);
}

interface Timer {
  readonly at: number;
  readonly fn: () => void;
  readonly isHolding: boolean;
}

const defaultStart = Date.UTC(2030, 0, 1);
const defaultPatienceMs = 50;
/** Turns of the event loop without any event that count as rest. */
const quietTurns = 3;

class TimerQueue implements VirtualClock {
  readonly #options: VirtualClockOptions;
  readonly #timers = new Set<Timer>();
  #now: number;
  #events = 0;
  #isMoving = false;

  constructor(options: VirtualClockOptions) {
    this.#options = options;
    this.#now = Number(options.startAt ?? defaultStart);
  }

  now = (): number => this.#now;

  schedule = (
    ms: number,
    fn: () => void,
    options: { readonly unref?: boolean } = {},
  ): (() => void) => {
    const isHolding = options.unref !== true;
    const timer = { at: this.#now + Math.max(0, ms), fn, isHolding };
    this.#timers.add(timer);
    this.#changed();
    return () => {
      if (this.#timers.delete(timer)) this.#changed();
    };
  };

  get next(): number | undefined {
    return this.#first()?.at;
  }

  async advanceTo(at: number | Date): Promise<void> {
    const end = Number(at);
    if (Number.isNaN(end) || end < this.#now)
      throw new KitaruUsageError(
        `advanceTo(): ${String(at)} is not a time after the clock's own, which is ${new Date(this.#now).toISOString()}.`,
      );
    await this.settle();
    for (let next = this.next; next !== undefined && next <= end; next = this.next) {
      this.#fireFirst();
      await this.settle();
    }
    this.#now = Math.max(this.#now, end);
  }

  advanceBy(length: Duration): Promise<void> {
    return this.advanceTo(this.#now + parseDuration(length, "advanceBy()"));
  }

  async runUntilIdle(): Promise<number> {
    for (;;) {
      await this.settle();
      if (!this.#isHeld()) return this.#now;
      this.#fireFirst();
    }
  }

  async settle(): Promise<void> {
    const { isBusy, patienceMs = defaultPatienceMs } = this.#options;
    let waited = 0;
    for (let quiet = 0, events = this.#events; quiet < quietTurns; events = this.#events) {
      await turn();
      if (events !== this.#events || hasOtherTurns()) {
        quiet = 0;
        waited = 0;
      } else if (isBusy?.() === true && waited < patienceMs) {
        const since = performance.now();
        await realMillisecond();
        waited += performance.now() - since;
      } else quiet += 1;
    }
  }

  jump(at: number): void {
    for (let next = this.next; next !== undefined && next <= at; next = this.next)
      this.#fireFirst();
    this.#now = Math.max(this.#now, at);
  }

  close(): void {
    this.#timers.clear();
  }

  #first(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (first === undefined || timer.at < first.at) first = timer;
    return first;
  }

  #fireFirst(): void {
    const timer = this.#first();
    if (timer === undefined) return;
    this.#timers.delete(timer);
    this.#events += 1;
    this.#now = Math.max(this.#now, timer.at);
    timer.fn();
  }

  #isHeld(): boolean {
    for (const timer of this.#timers) if (timer.isHolding) return true;
    return false;
  }

  #changed(): void {
    this.#events += 1;
    if (!this.#isMoving && this.#mayMove()) void this.#move();
  }

  #mayMove(): boolean {
    const { auto = false } = this.#options;
    return this.#isHeld() && (typeof auto === "function" ? auto() : auto);
  }

  async #move(): Promise<void> {
    this.#isMoving = true;
    for (;;) {
      await this.settle();
      if (!this.#mayMove()) break;
      this.#fireFirst();
    }
    this.#isMoving = false;
  }
}

/** Turns taken by clocks that wait for rest. */
let ownTurns = 0;

function turn(): Promise<void> {
  ownTurns += 1;
  return new Promise((resolve) => {
    setImmediate(() => {
      ownTurns -= 1;
      resolve();
    });
  });
}

/** Resolve once nobody else is about to take a turn of the event loop, and all they set in motion is done. */
export async function restOfTurn(): Promise<void> {
  do await turn();
  while (hasOtherTurns());
}

function realMillisecond(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 1);
  });
}

/** Whether somebody else is about to take a turn of the event loop: an advance between two deliveries. */
function hasOtherTurns(): boolean {
  const turns = process.getActiveResourcesInfo().filter((kind) => kind === "Immediate");
  return turns.length > ownTurns;
}
