import { expect, test } from "vitest";
import { World, unique } from "../../test/hazards/kit.ts";
import { checkpoint } from "../primitives/checkpoint.ts";
import { flow } from "../primitives/flow.ts";

function cached(options: { cache?: boolean | { ttl: string }; flowCache?: boolean } = {}) {
  const [name, step] = [unique("flow"), unique("step")];
  const runs: unknown[] = [];
  const { cache = true } = options;
  const work = checkpoint(step, { cache: cache as boolean }, (x: number) => {
    runs.push(x);
    if (x < 0) throw new Error("negative");
    return { twice: x * 2, filler: "y".repeat(100) };
  });
  flow(name, async (x: number) => (await work(x)).twice);
  return { name, step, runs };
}

test("an outcome is reused by another execution with the same input, and only then", async () => {
  const { name, runs } = cached();
  const process = new World().process();
  for (const [id, x] of [
    ["a", 1],
    ["b", 1],
    ["c", 2],
  ] as const) {
    await process.start(name, x, id);
    expect(await process.drive(id)).toBe("completed");
    expect(await process.output(id)).toBe(x * 2);
  }
  expect(runs).toEqual([1, 2]);
  expect(await process.entriesOf("b", "completed")).toMatchObject([{ disp: "cached" }]);
});

test("failures are never cached", async () => {
  const { name, runs } = cached();
  const process = new World().process();
  for (const id of ["a", "b"]) {
    await process.start(name, -1, id);
    expect(await process.drive(id)).toBe("failed");
  }
  expect(runs).toEqual([-1, -1]);
});

test("an outcome that is too old is not used, and replaced", async () => {
  const { name, runs } = cached({ cache: { ttl: "1h" } });
  const world = new World();
  const process = world.process();
  for (const [id, minutes] of [
    ["a", 0],
    ["b", 60],
    ["c", 1],
    ["d", 59],
  ] as const) {
    world.clock.jump(world.clock.now() + minutes * 60_000);
    await process.start(name, 1, id);
    await process.drive(id);
  }
  expect(runs).toEqual([1, 1]);
});

test("other code does not see it; a flow's setting holds for checkpoints without one; at most once is never cached", async () => {
  const [name, plain, once] = [unique("flow"), unique("step"), unique("once")];
  const runs: string[] = [];
  const work = checkpoint(plain, () => runs.push("plain"));
  const pay = checkpoint(once, { semantics: "at-most-once" }, () => runs.push("once"));
  flow(name, { cache: true }, async () => {
    await work();
    await pay();
  });
  const process = new World().process();
  for (const id of ["a", "b"]) {
    await process.start(name, undefined, id);
    await process.drive(id);
  }
  expect(runs).toEqual(["plain", "once", "once"]);
});

test("the cache is written after the append, and its failure costs nothing but a later miss", async () => {
  const { name, runs } = cached();
  const world = new World();
  const process = world.process();
  const order: string[] = [];
  world.intercept = (draft, write) => {
    order.push(draft.partition.startsWith("cache/") ? "cache" : draft.sort);
    if (draft.partition.startsWith("cache/")) throw new Error("unreachable");
    return write();
  };
  await process.start(name, 1, "a");
  expect(await process.drive("a")).toBe("completed");
  await expect.poll(() => order).toContain("cache");
  expect(order.findIndex((sort) => sort.startsWith("j/"))).toBeLessThan(order.indexOf("cache"));
  world.intercept = undefined;
  await process.start(name, 1, "b");
  await process.drive("b");
  expect(runs).toEqual([1, 1]);
});
