import { PositionHeap } from "../position-heap.ts";

/** A call with an outcome that is there already, on its way to the flow. */
interface Queued {
  readonly ask: number;
  readonly settled: boolean;
}

/** Most calls of one execution that keep their order at equal positions. */
const mostAsks = 2 ** 22;

/** Calls in the order in which the source delivered their outcomes; those it never had come last, as they were asked. */
export class ReplayQueue<T extends Queued> {
  readonly #heap = new PositionHeap<T>();
  readonly #last: number;

  /** `length`: number of entries of the source's journal. */
  constructor(length: number) {
    this.#last = length;
  }

  push(call: T, position: number | undefined): void {
    this.#heap.push((position ?? this.#last) * mostAsks + call.ask, call);
  }

  /** Whether a call that nobody has settled meanwhile is left. */
  get isEmpty(): boolean {
    this.#dropSettled();
    return this.#heap.peek() === undefined;
  }

  /** The next call that nobody has settled meanwhile. */
  pop(): T | undefined {
    this.#dropSettled();
    return this.#heap.pop();
  }

  #dropSettled(): void {
    while (this.#heap.peek()?.settled === true) this.#heap.pop();
  }
}
