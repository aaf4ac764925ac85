import { threadCpuUsage } from "node:process";
import { expect, test } from "vitest";
import { checkpoint, flow } from "kitaru";
import type { StoreOperation } from "../../testing/process.ts";
import { type ReplayStack, replayStack } from "./kit.ts";

const step = checkpoint("scale_step", (n: number) => n + 1);
const filled = checkpoint("scale_filled", (n: number) => ({ n, filler: "x".repeat(2000) }));
const last = checkpoint("scale_last", (n: number) => n);

const long = flow("scale_long", async ({ count }: { count: number }) => {
  let n = 0;
  for (let done = 0; done < count; done++) n = done % 2 === 0 ? await step(n) : (await filled(n)).n;
  return last(n);
});
const wide = flow("scale_wide", async ({ count }: { count: number }) => {
  const items = Array.from({ length: count }, (_, n) => n);
  const all = await step.map(items);
  return last(all.reduce((sum, one) => sum + one, 0));
});

/** Writes, and documents read, by a replay of a finished execution with its last call overridden. */
async function counted(
  name: "long" | "wide",
  count: number,
): Promise<{
  readonly writes: number;
  readonly reads: number;
  readonly stack: ReplayStack;
  readonly id: string;
}> {
  const used = { writes: 0, reads: 0 };
  const around = async <T>(operation: StoreOperation, run: () => Promise<T>): Promise<T> => {
    if (operation.verb === "put") used.writes += 1;
    else used.reads += 1;
    return run();
  };
  const stack = await replayStack({ around });
  const replayed = name === "long" ? long : wide;
  await stack.run(replayed, { count }, { id: "source" });
  Object.assign(used, { writes: 0, reads: 0 });
  const handle = replayed.replay("source", { with: [last.as(-1)] });
  expect(await stack.finish(handle)).toBe(-1);
  expect(stack.ran(handle.id)).toEqual([]);
  return { ...used, stack, id: handle.id };
}

for (const name of ["long", "wide"] as const)
  test(`a ${name} execution of 1000 checkpoints with a late override: under 3 writes for 100 of them`, async () => {
    const { writes, stack, id } = await counted(name, 1000);
    const dispositions = Object.values(await stack.dispositions(id));
    expect(dispositions.filter((one) => one === "reused")).toHaveLength(1000);
    expect(writes).toBeLessThan(30);
  });

test("reads and writes grow no faster than the execution", async () => {
  const [small, large] = [await counted("long", 200), await counted("long", 1600)];
  expect(large.writes).toBeLessThanOrEqual(small.writes * 8);
  expect(large.reads).toBeLessThanOrEqual(small.reads * 8);
});

test("so does time", { timeout: 120_000 }, async () => {
  const took = async (count: number): Promise<number> => {
    const times: number[] = [];
    const stack = await replayStack();
    await stack.run(long, { count }, { id: "source" });
    for (let tries = 0; tries < 3; tries++) {
      const start = threadCpuUsage();
      await stack.finish(long.replay("source", { with: [last.as(-1)] }));
      times.push(threadCpuUsage(start).user);
    }
    return Math.min(...times);
  };
  await took(200); // warm
  const [small, large] = [await took(500), await took(4000)];
  expect(large / small).toBeLessThan(8 * 4); // quadratic would be 64
});
