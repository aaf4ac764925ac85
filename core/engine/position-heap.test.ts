import fc from "fast-check";
import { expect, test } from "vitest";
import { PositionHeap } from "./position-heap.ts";

test("positions come out in order, whatever order they went in", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 })), (positions) => {
      const heap = new PositionHeap<number>();
      for (const position of positions) heap.push(position, position);
      expect(heap.peek()).toBe(positions.toSorted((a, b) => a - b)[0]);
      expect(positions.map(() => heap.pop())).toEqual(positions.toSorted((a, b) => a - b));
      expect(heap.pop()).toBeUndefined();
    }),
  );
});

test("pushes and pops may alternate", () => {
  const heap = new PositionHeap<number>();
  for (const position of [5, 1, 4]) heap.push(position, position);
  expect(heap.pop()).toBe(1);
  heap.push(0, 0);
  heap.push(9, 9);
  expect([heap.pop(), heap.pop(), heap.pop(), heap.pop(), heap.pop()]).toEqual([
    0,
    4,
    5,
    9,
    undefined,
  ]);
});
