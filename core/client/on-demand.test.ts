import { expect, test } from "vitest";
import { onDemand } from "./on-demand.ts";

class Counter {
  #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  async add(by: number): Promise<number> {
    return (this.#count += by);
  }

  async fail(): Promise<never> {
    throw new Error(`at ${this.#count}`);
  }
}

test("the first call loads what all calls are made on, once", async () => {
  let loads = 0;
  const counter = onDemand<Counter>({ add: true, fail: true }, async () => {
    loads += 1;
    return new Counter(10);
  });
  expect(Object.keys(counter)).toEqual(["add", "fail"]);
  expect(loads).toBe(0);
  const [first, second] = await Promise.all([counter.add(1), counter.add(2)]);
  expect([first, second, loads]).toEqual([11, 13, 1]);
  await expect(counter.fail()).rejects.toThrow("at 13");
});

test("what could not be loaded is tried again by the next call", async () => {
  let loads = 0;
  const counter = onDemand<Counter>({ add: true, fail: true }, async () => {
    loads += 1;
    if (loads === 1) throw new Error("away");
    return new Counter(0);
  });
  await expect(counter.add(1)).rejects.toThrow("away");
  expect(await counter.add(1)).toBe(1);
});
