import { expect, test } from "vitest";
import { randomUuid, seededRandom } from "./prng.ts";

test("the same seed gives the same numbers, another seed others", () => {
  const take = (seed: string): number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 5 }, random);
  };
  expect(take("a")).toEqual(take("a"));
  expect(take("a")).not.toEqual(take("b"));
});

test("the numbers of a seed never change between releases", () => {
  const random = seededRandom("kitaru");
  const first = [random(), random(), random()];
  expect(first).toMatchInlineSnapshot(`
    [
      0.013686348218470812,
      0.8169480604119599,
      0.35287333838641644,
    ]
  `);
});

test("numbers are spread evenly over [0, 1)", () => {
  const random = seededRandom("even");
  const buckets = Array.from({ length: 10 }, () => 0);
  for (let n = 0; n < 10_000; n++) {
    const x = random();
    expect(x >= 0 && x < 1).toBe(true);
    buckets[Math.floor(x * 10)]! += 1;
  }
  for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test("a uuid has version 4 and the right variant", () => {
  const random = seededRandom("uuid");
  const made = new Set(Array.from({ length: 100 }, () => randomUuid(random)));
  expect(made.size).toBe(100);
  for (const uuid of made)
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
