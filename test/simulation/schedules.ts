import { describe, expect, test } from "vitest";
import { simulate } from "../../testing/simulate.ts";
import { replays, shapes as runs } from "./shapes.ts";

const shapes = { ...runs, ...replays };

/** Schedules of one run of all simulations, over all shapes: `SEEDS=100000` for more. */
const schedules = Number(process.env["SEEDS"] ?? 5000);
/** Number of the first of them: `FIRST=5000 SEEDS=100000` for others than last time. */
const first = Number(process.env["FIRST"] ?? 1);
/** The one seed to run, with every step printed: `SEED=123 npx vitest run test/simulation -t "shape loop"`. */
const only = process.env["SEED"];
const perShape = Math.ceil(schedules / Object.keys(shapes).length);
const millisecondsPerSchedule = 100;

/** Define a test for each shape, over its share of the schedules. */
export function describeSchedules(names: readonly string[]): void {
  describe(`${perShape * names.length} schedules`, () => {
    test.for(names)("shape %s", { timeout: perShape * millisecondsPerSchedule }, run);
  });
}

async function run(name: string): Promise<void> {
  const shape = shapes[name];
  if (shape === undefined) throw new Error(`There is no shape ${name}.`);
  for (const seed of seeds()) {
    const trace = only === undefined ? {} : { trace: print };
    const { violations } = await simulate({ seed, shape, ...trace });
    const again = `SEED=${seed} npx vitest run test/simulation -t "shape ${name}"`;
    expect(violations, `Shape ${name}, seed ${seed}. To run only this: ${again}`).toEqual([]);
  }
}

function seeds(): number[] {
  if (only !== undefined) return [Number(only)];
  return Array.from({ length: perShape }, (_, index) => first + index);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
