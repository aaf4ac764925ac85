import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sequence } from "../bench/flows.ts";
import { inTurns, median, quantile, shareOfRaw } from "../bench/measure.ts";
import { RawStore } from "../bench/raw.ts";
import { type Row, bound, shareOf } from "../bench/row.ts";
import { recordedStack, useStacks } from "../bench/stacks.ts";
import { renderTable, summary } from "../bench/table.ts";
import { countWrites } from "../bench/workloads/writes.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kitaru-bench-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test("writes one record per sequential checkpoint, four more for start and end, none while waiting", async () => {
  const counts = await countWrites({ folder, durability: "normal" }, 500);
  expect(counts.perCheckpoint).toBe(1);
  expect(counts.besides).toBeLessThanOrEqual(4);
  expect(counts.whileWaiting).toBe(0);
});

test("raw writes the rows, transactions and bytes that were recorded", async () => {
  const { record } = useStacks({ folder, durability: "normal" });
  const recording = await record(async ({ mark }) => {
    await sequence.run(3, { stack: recordedStack }).result();
    mark();
    const both = [1, 2].map((steps) => sequence.run(steps, { stack: recordedStack }).result());
    await Promise.all(both);
  });
  const alone = recording.transactions.slice(0, recording.marks[0]);
  expect(alone.length).toBeGreaterThan(3);
  expect(new Set(alone)).toEqual(new Set([1]));
  expect(recording.transactions.length).toBeLessThan(recording.writes.length);
  expect(recording.pragmas.join(";")).toContain("synchronous = NORMAL");

  const raw = new RawStore(join(folder, "raw"), recording);
  expect(raw.replay()).toHaveLength(2);
  expect(raw.replay()).toHaveLength(2);
  const last = new Map<string, string>();
  for (const write of recording.writes)
    if (write.kind === "put")
      last.set(`${write.record.partition} ${write.record.sort}`, write.record.body);
  expect(raw.bodies(2)).toEqual(last);
  raw.close();
});

describe("the table", () => {
  const row: Row = {
    workload: "W1",
    what: "one flow",
    durability: "normal",
    unit: "/s",
    ours: 12_345.6,
    raw: 20_000,
    share: 0.617,
    target: shareOf(0.617, 0.5),
    note: "3 rows",
  };
  const missed: Row = {
    workload: "W7",
    what: "peak memory",
    durability: "full",
    unit: "MB",
    ours: 80.25,
    target: bound(80.25, "MB", 75),
  };

  test("shows numbers beside raw, targets and verdicts", () => {
    const [, , first, second] = renderTable([row, missed]).split("\n");
    expect(first).toMatch(
      /^W1 +one flow +normal +12,346 \/s +20,000 \/s +62 % +≥ 50 % of raw +pass +3 rows$/,
    );
    expect(second).toMatch(/^W7 +peak memory +full +80\.3 MB +≤ 75 MB +FAIL$/);
  });

  test("sums up", () => {
    expect(summary([row])).toBe("All 1 targets hold.");
    expect(summary([row, missed])).toBe("1 of 2 targets do not hold here.");
  });
});

test("medians, quantiles and shares come from pairs that took turns", async () => {
  const order: string[] = [];
  const take = (name: string, ms: number) => () => {
    order.push(name);
    return ms;
  };
  const pairs = await inTurns(take("ours", 2), take("raw", 1), { warmUps: 1, times: 2 });
  expect(order).toEqual(["ours", "raw", "raw", "ours", "ours", "raw"]);
  expect(pairs).toEqual({ ours: [2, 2], raw: [1, 1] });
  expect(shareOfRaw(pairs)).toBe(0.5);
  expect(median([3, 1, 2])).toBe(2);
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
});
