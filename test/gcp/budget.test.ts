import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LoadedBy, measureLoaded } from "../../bench/gcp/loaded.ts";
import { type GcpRow, measureGcp } from "../../bench/gcp/measure.ts";
import { estimateCost } from "../../adapters/gcp/estimate.ts";
import { type Priced, prices } from "../../adapters/gcp/prices.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";

describe.skipIf(noCloud !== undefined)(`what google would bill (${noCloud ?? "emulated"})`, () => {
  let cloud: Cloud;
  let rows: readonly GcpRow[];
  let loaded: LoadedBy;
  beforeAll(async () => {
    cloud = await startCloud();
    rows = await measureGcp(cloud);
    loaded = await measureLoaded(cloud);
  }, 120_000);
  afterAll(() => cloud?.close());

  const row = (what: string): Partial<GcpRow> => rows.find((found) => found.what === what) ?? {};

  test("a small checkpoint is one write of a document, and nothing is read between two", () => {
    expect(row("checkpoint, small result")).toMatchObject({
      documentWrites: 1,
      documentReads: 0,
      objectPuts: 0,
      objectGets: 0,
      workflowCalls: 0,
      requests: 0,
      steps: 0,
    });
  });

  test("a result of 20 KB is one object more, and not read back", () => {
    expect(row("checkpoint, result of 20 KB")).toMatchObject({
      documentWrites: 1,
      documentReads: 0,
      objectPuts: 1,
      objectGets: 0,
    });
  });

  test("an advance is one request, and a start and an answer one call of Workflows each", () => {
    expect(row("first advance and end")).toMatchObject({ requests: 1, workflowCalls: 0 });
    expect(row("wait: parked, and resumed")).toMatchObject({ requests: 1, workflowCalls: 0 });
    expect(row("isolated checkpoint")).toMatchObject({ requests: 2 });
    expect(row("start").workflowCalls).toBe(1);
    expect(row("answer").workflowCalls).toBe(1);
  });

  test("documents and steps of a start, a wait, an answer and an end", () => {
    const documents = (what: string): number => {
      const { documentWrites = Infinity, documentReads = Infinity } = row(what);
      return documentWrites + documentReads;
    };
    expect(documents("start")).toBeLessThanOrEqual(3);
    expect(documents("first advance and end")).toBeLessThanOrEqual(4);
    expect(documents("wait: parked, and resumed")).toBeLessThanOrEqual(7);
    expect(documents("answer")).toBeLessThanOrEqual(9);
    expect(row("wait: parked, and resumed").steps).toBeLessThanOrEqual(5);
  });

  test("an advance loads less than a megabyte, and Google's client of executions only a start does", () => {
    expect(loaded.advance).toMatchObject({ hasClient: false });
    expect(loaded.advance.bytes).toBeLessThan(1_000_000);
    expect(loaded.advance.initialBytes).toBeLessThan(200_000);
    expect(loaded.start).toMatchObject({ hasClient: true });
  });

  test("an estimate is within a tenth of what was counted", async () => {
    const work = { inline: 20, isolated: 3, rests: 2, largeValues: 5, seconds: 0 };
    const counted = (key: "documentWrites" | "documentReads" | "objectPuts"): number =>
      (row("start")[key] ?? 0) +
      (row("first advance and end")[key] ?? 0) +
      15 * (row("checkpoint, small result")[key] ?? 0) +
      5 * (row("checkpoint, result of 20 KB")[key] ?? 0) +
      3 * (row("isolated checkpoint")[key] ?? 0) +
      2 * (row("wait: parked, and resumed")[key] ?? 0) +
      2 * (row("answer")[key] ?? 0);
    const { chosen } = await estimateCost(work, 1);
    const estimated = (priced: Priced): number =>
      chosen.items.find(({ item }) => item === prices[priced].item)?.quantity ?? 0;
    for (const [priced, key] of [
      ["write", "documentWrites"],
      ["read", "documentReads"],
      ["object", "objectPuts"],
    ] as const) {
      const ratio = estimated(priced) / counted(key);
      expect({ key, isClose: ratio > 0.9 && ratio < 1.1, ratio }).toMatchObject({ isClose: true });
    }
  });
});
