import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Loaded, measureLoaded } from "../../bench/aws/loaded.ts";
import { type AwsRow, measureAws } from "../../bench/aws/measure.ts";
import { estimateCost } from "../../adapters/aws/estimate.ts";
import { prices } from "../../adapters/aws/prices.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { estimatedWork, expectAsCounted } from "../estimated.ts";

describe.skipIf(noCloud !== undefined)(`what aws would bill (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  let rows: readonly AwsRow[];
  let loaded: Loaded;
  beforeAll(async () => {
    cloud = await startCloud();
    ({ rows, loaded } = await measureAws(cloud, measureLoaded));
  }, 120_000);
  afterAll(() => cloud?.close());

  const row = (what: string): Partial<AwsRow> => rows.find((found) => found.what === what) ?? {};

  test("a small checkpoint is one write of one unit, and nothing is read between two", () => {
    const { table, writeUnits, readUnits, objectPuts, objectGets } = row(
      "checkpoint, small result",
    );
    expect({ table, readUnits, objectPuts, objectGets }).toEqual({
      table: 1,
      readUnits: 0,
      objectPuts: 0,
      objectGets: 0,
    });
    expect(writeUnits).toBeLessThanOrEqual(1.3);
  });

  test("a result of 10 KB is one object more, and not read back", () => {
    expect(row("checkpoint, result of 10 KB")).toMatchObject({
      table: 1,
      readUnits: 0,
      objectPuts: 1,
      objectGets: 0,
    });
  });

  test("a wait is at most three transitions, a start and an answer none", () => {
    expect(row("wait: parked, and resumed").transitions).toBeLessThanOrEqual(3);
    expect(row("wait: parked, and resumed").transitions).toBeGreaterThan(2);
    expect(row("start").transitions).toBe(0);
  });

  test("requests of a start, a wait, an answer, an end and a replay", () => {
    expect(row("start").table).toBeLessThanOrEqual(3);
    expect(row("first advance and end").table).toBeLessThanOrEqual(4);
    expect(row("wait: parked, and resumed").table).toBeLessThanOrEqual(5);
    expect(row("answer").table).toBeLessThanOrEqual(5);
    expect(row("isolated checkpoint").table).toBeLessThanOrEqual(7);
    expect(row("replay of 10 checkpoints").table).toBeLessThanOrEqual(12);
  });

  test("an estimate is within a tenth of what was counted", async () => {
    const { chosen } = await estimateCost("always", estimatedWork, 1);
    expectAsCounted(chosen, rows, {
      [prices.write.item]: ({ writeUnits }) => writeUnits,
      [prices.read.item]: ({ readUnits }) => readUnits,
      [prices.object.item]: ({ objectPuts }) => objectPuts,
      [prices.transition.item]: ({ transitions }) => transitions,
    });
  });

  test("the quickstart's advance function loads less than 1 MB of code", () => {
    expect(loaded.bytes).toBeLessThan(1_000_000);
    expect(loaded.initialBytes).toBeLessThan(loaded.bytes);
  });
});
