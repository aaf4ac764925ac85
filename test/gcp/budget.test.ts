import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LoadedBy, measureLoaded } from "../../bench/gcp/loaded.ts";
import { type GcpRow, measureGcp } from "../../bench/gcp/measure.ts";
import { estimateCost } from "../../adapters/gcp/estimate.ts";
import { prices } from "../../adapters/gcp/prices.ts";
import { type Cloud, noCloud, startCloud } from "./cloud.ts";
import { estimatedWork, expectAsCounted } from "../estimated.ts";

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
    const { chosen } = await estimateCost(estimatedWork, 1);
    expectAsCounted(chosen, rows, {
      [prices.write.item]: ({ documentWrites }) => documentWrites,
      [prices.read.item]: ({ documentReads }) => documentReads,
      [prices.object.item]: ({ objectPuts }) => objectPuts,
    });
  });
});
