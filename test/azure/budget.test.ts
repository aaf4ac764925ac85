import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AzureRow, measureAzure } from "../../bench/azure/measure.ts";
import { estimateCost } from "../../adapters/azure/estimate.ts";
import { prices } from "../../adapters/azure/prices.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { estimatedWork, expectAsCounted } from "../estimated.ts";

describe.skipIf(noCloud !== undefined)(`what azure would bill (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  let rows: readonly AzureRow[];
  beforeAll(async () => {
    cloud = await startCloud();
    rows = await measureAzure(cloud);
  }, 120_000);
  afterAll(() => cloud?.close());

  const row = (what: string): Partial<AzureRow> => rows.find((found) => found.what === what) ?? {};

  test("a small checkpoint is one write of a row, and nothing is read between two", () => {
    expect(row("checkpoint, small result")).toMatchObject({
      rowWrites: 1,
      rowReads: 0,
      blobPuts: 0,
      blobGets: 0,
      messages: 0,
      activities: 0,
      turns: 0,
    });
  });

  test("a result of 20 KB is one blob more, and not read back", () => {
    expect(row("checkpoint, result of 20 KB")).toMatchObject({
      rowWrites: 1,
      rowReads: 0,
      blobPuts: 1,
      blobGets: 0,
    });
  });

  test("an advance is one activity, and a start and an answer one message each", () => {
    expect(row("first advance and end")).toMatchObject({ activities: 1, turns: 2, messages: 0 });
    expect(row("wait: parked, and resumed")).toMatchObject({ activities: 1, turns: 2 });
    expect(row("isolated checkpoint")).toMatchObject({ activities: 2, turns: 2 });
    expect(row("start").messages).toBe(1);
    expect(row("answer").messages).toBe(1);
  });

  test("requests of a start, a wait, an answer, an end and an isolated checkpoint", () => {
    const requests = (what: string): number => {
      const { rowWrites = Infinity, rowReads = Infinity } = row(what);
      return rowWrites + rowReads;
    };
    expect(requests("start")).toBeLessThanOrEqual(5);
    expect(requests("first advance and end")).toBeLessThanOrEqual(5);
    expect(requests("wait: parked, and resumed")).toBeLessThanOrEqual(9);
    expect(requests("answer")).toBeLessThanOrEqual(9);
    expect(requests("isolated checkpoint")).toBeLessThanOrEqual(9);
  });

  test("an estimate is within a tenth of what was counted", () => {
    const { chosen } = estimateCost({ memoryMb: 2048, work: estimatedWork, executions: 1 });
    const historyRows = 3; // of a turn, as the service writes them: they are not counted here
    expectAsCounted(chosen, rows, {
      [prices.invocation.item]: ({ activities, turns, messages }) => activities + turns + messages,
      [prices.table.item]: ({ rowWrites, rowReads, turns }) =>
        rowWrites + rowReads + historyRows * turns,
      [prices.blob.item]: ({ blobPuts }) => blobPuts,
    });
  });
});
