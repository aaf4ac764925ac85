/** Min-heap of things by their positions in the journal. */
export class PositionHeap<T> {
  readonly #positions: number[] = [];
  readonly #items: T[] = [];

  peek(): T | undefined {
    return this.#items[0];
  }

  push(position: number, item: T): void {
    let at = this.#items.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#position(parent) <= position) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#positions[at] = position;
    this.#items[at] = item;
  }

  pop(): T | undefined {
    const top = this.#items[0];
    const position = this.#positions.pop();
    const last = this.#items.pop();
    const size = this.#items.length;
    if (position === undefined || size === 0) return top;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#position(child + 1) < this.#position(child)) child++;
      if (this.#position(child) >= position) break;
      this.#move(child, at);
      at = child;
    }
    this.#positions[at] = position;
    this.#items[at] = last as T;
    return top;
  }

  #position(at: number): number {
    return this.#positions[at] as number;
  }

  #move(from: number, to: number): void {
    this.#positions[to] = this.#position(from);
    this.#items[to] = this.#items[from] as T;
  }
}
