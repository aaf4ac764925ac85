import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Loaded, measureLoaded } from "../../bench/aws/loaded.ts";
import { type AwsRow, measureAws } from "../../bench/aws/measure.ts";
import { estimateCost } from "../../adapters/aws/estimate.ts";
import { type Priced, prices } from "../../adapters/aws/prices.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";

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
    const work = { inline: 20, isolated: 3, rests: 2, largeValues: 5, seconds: 0 };
    const counted = (key: "writeUnits" | "readUnits" | "objectPuts" | "transitions"): number =>
      (row("start")[key] ?? 0) +
      (row("first advance and end")[key] ?? 0) +
      15 * (row("checkpoint, small result")[key] ?? 0) +
      5 * (row("checkpoint, result of 10 KB")[key] ?? 0) +
      3 * (row("isolated checkpoint")[key] ?? 0) +
      2 * (row("wait: parked, and resumed")[key] ?? 0) +
      2 * (row("answer")[key] ?? 0);
    const { chosen } = await estimateCost("always", work, 1);
    const estimated = (priced: Priced): number =>
      chosen.items.find(({ item }) => item === prices[priced].item)?.quantity ?? 0;
    for (const [priced, key] of [
      ["write", "writeUnits"],
      ["read", "readUnits"],
      ["object", "objectPuts"],
      ["transition", "transitions"],
    ] as const) {
      const ratio = estimated(priced) / counted(key);
      expect({ key, isClose: ratio > 0.9 && ratio < 1.1, ratio }).toMatchObject({ isClose: true });
    }
  });

  test("the quickstart's advance function loads less than 1 MB of code", () => {
    expect(loaded.bytes).toBeLessThan(1_000_000);
    expect(loaded.initialBytes).toBeLessThan(loaded.bytes);
  });
});
